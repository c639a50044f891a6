"""Where the engine is, how it is spoken to, and where the ports are that it publishes."""

from __future__ import annotations

import asyncio
import os
import re
import stat
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiodocker
import aiohttp

from ipybox import BackendError
from ipybox.authoring import Availability, Surroundings, at_host
from ipybox_docker.errors import engine_call

SOCKETS = ("/run/docker.sock", "/var/run/docker.sock", "~/.docker/run/docker.sock")
CONNECT_SECONDS = 5.0
OWN_ID = re.compile(r"/containers/([0-9a-f]{64})/")
IN_CONTAINER = ("/.dockerenv", "/run/.containerenv")


class Connection:
    """A client of the engine, opened when first used."""

    versions: dict[str, str] = {}  # noqa: RUF012  # of engines; each is asked once
    surroundings_of: dict[str, Surroundings] = {}  # noqa: RUF012

    def __init__(self, url: str | None) -> None:
        self._url = url if url is not None else os.environ.get("DOCKER_HOST") or None
        self._docker: aiodocker.Docker | None = None

    @property
    def address(self) -> str:
        """For people to read."""
        if self._url:
            return self._url
        if context := os.environ.get("DOCKER_CONTEXT"):
            return f"the Docker context {context!r}"
        found = [path for path in SOCKETS if os.path.exists(os.path.expanduser(path))]
        return f"unix://{found[0] if found else SOCKETS[1]}"

    @property
    def docker(self) -> aiodocker.Docker:
        """Raises ValueError, AssertionError or DockerError for settings that name no engine."""
        if self._docker is None or self._docker.session.closed:
            timeout = aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS)
            # An address that was given goes before a context, as with Docker's own client.
            version = self.versions.get(self.address, "auto")
            self._docker = aiodocker.Docker(url=self._url, timeout=timeout, api_version=version)
        return self._docker

    async def aclose(self) -> None:
        docker, self._docker = self._docker, None
        if docker is not None:
            await docker.close()

    async def availability(self) -> Availability:
        """Asks the engine for its version; tells what is in the way."""
        try:
            async with engine_call("tell its version", CONNECT_SECONDS):
                version = await self.docker.version()
        except ValueError as error:
            return Availability(ready=False, reason=f"{error}", remedy="Check DOCKER_HOST.")
        except BackendError as error:
            return await asyncio.to_thread(self._unavailable, error)
        self.versions[self.address] = f"v{version['ApiVersion']}"
        return Availability(ready=True, version=f"Docker {version['Version']}")

    def _unavailable(self, error: Exception) -> Availability:
        if not self.address.startswith("unix://"):
            return Availability(
                ready=False,
                reason=f"Docker is not reachable at {self.address} ({error}).",
                remedy="Is the engine running there, and the address right?",
            )
        path = Path(self.address.removeprefix("unix://")).expanduser()
        found, remedy = _socket_state(path)
        return Availability(
            ready=False, reason=f"Docker is not reachable at {self.address} ({found}).",
            remedy=remedy,
        )  # fmt: skip

    async def surroundings(self) -> Surroundings:
        """Found once for each engine."""
        known = self.surroundings_of.get(self.address)
        if known is None:
            known = self.surroundings_of[self.address] = await self._find_surroundings()
        return known

    async def _find_surroundings(self) -> Surroundings:
        async with engine_call("tell about itself"):
            info = await self.docker.system.info()
        rootless = any("rootless" in option for option in info.get("SecurityOptions") or ())
        url = urlsplit(self.docker.docker_host)
        if url.scheme not in ("tcp", "http", "https"):
            own = await asyncio.to_thread(_own_container_id)
            inside = await self._inside(own) if own else None
            return inside or Surroundings(rootless=rootless)
        return await asyncio.to_thread(at_host, url.hostname or "localhost", rootless=rootless)

    async def _inside(self, own: str) -> Surroundings | None:
        """Where this process runs in a container of the same engine: what the engine
        publishes on loopback is not here, but the containers' own addresses are."""
        try:
            async with engine_call("inspect our own container"):
                found = await self.docker.containers.container(own).show()
        except BackendError:
            return None  # of another engine
        mounts = {item["Destination"]: item["Source"] for item in found.get("Mounts") or ()}
        network = found["HostConfig"]["NetworkMode"]
        if network == "host":
            return Surroundings(mounts=mounts)
        networks: dict[str, Any] = found["NetworkSettings"]["Networks"]
        return Surroundings(
            publish_on=None, host=None, network=next(iter(networks), "bridge"), mounts=mounts
        )


def _own_container_id() -> str | None:
    if not any(Path(path).exists() for path in IN_CONTAINER):
        return None
    try:
        found = OWN_ID.search(Path("/proc/self/mountinfo").read_text())
    except OSError:
        return None
    return found.group(1) if found else None


def _socket_state(path: Path) -> tuple[str, str]:
    """What is wrong with a socket, and what mends it."""
    try:
        mode = path.stat().st_mode
    except PermissionError:
        return "permission denied", "Add your user to the group docker, and log in again."
    except OSError:
        return "no such socket", "Install and start Docker, or set DOCKER_HOST."
    if not stat.S_ISSOCK(mode):
        return "it is no socket", "Set DOCKER_HOST to the engine's socket."
    if not os.access(path, os.R_OK | os.W_OK):
        return (
            "permission denied",
            'Add your user to the group docker, or choose backend="podman".',
        )
    return "nobody answers there", "Start the Docker engine."
