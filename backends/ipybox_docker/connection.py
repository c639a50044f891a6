"""The connection to a Docker engine: where it is, and whether it answers."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import aiodocker
import aiohttp

from ipybox import BackendError
from ipybox.authoring import Availability
from ipybox.engine import CONNECT_TIMEOUT, EngineCache, engine_cache
from ipybox_docker.errors import engine_call

TITLE = "Docker"
USUAL_SOCKETS = ("/run/docker.sock", "/var/run/docker.sock", "~/.docker/run/docker.sock")


class Connection:
    """A client of a Docker engine that is opened when it is first used."""

    def __init__(self, url: str | None) -> None:
        """Describe a connection.

        Args:
            url: Address of the engine; None for DOCKER_HOST, else the Docker context, else the
                usual sockets.
        """
        self._url = url if url is not None else os.environ.get("DOCKER_HOST") or None
        self._docker: aiodocker.Docker | None = None

    @property
    def address(self) -> str:
        """Where the engine is, for people to read."""
        if self._url:
            return self._url
        if context := os.environ.get("DOCKER_CONTEXT"):
            return f"the Docker context {context!r}"
        found = [path for path in USUAL_SOCKETS if os.path.exists(os.path.expanduser(path))]
        return f"unix://{found[0] if found else USUAL_SOCKETS[1]}"

    @property
    def cache(self) -> EngineCache:
        """What this process remembers about the engine."""
        return engine_cache(TITLE, self.address)

    @property
    def docker(self) -> aiodocker.Docker:
        """The client; opened if it is not open.

        Raises:
            ValueError, AssertionError, aiodocker.DockerError: If the settings name no engine.
        """
        if self._docker is None or self._docker.session.closed:
            self._docker = aiodocker.Docker(
                url=self._url,  # takes precedence over a context, as with Docker's own client
                timeout=aiohttp.ClientTimeout(sock_connect=CONNECT_TIMEOUT),
                api_version=self.cache.api_version or "auto",
            )
        return self._docker

    async def aclose(self) -> None:
        """Close the client. The next call opens another."""
        docker, self._docker = self._docker, None
        if docker is not None:
            await docker.close()

    async def availability(self) -> Availability:
        """Ask the engine for its version; if it does not answer, find out why."""
        try:
            async with engine_call("report its version", CONNECT_TIMEOUT):
                version = await self.docker.version()
        except ValueError as error:
            return Availability(ready=False, reason=f"{error}", remedy="Check DOCKER_HOST.")
        except BackendError as error:
            return await asyncio.to_thread(self._unavailable, error)
        self.cache.api_version = f"v{version['ApiVersion']}"
        return Availability(ready=True, version=f"Docker {version['Version']}")

    def _unavailable(self, error: Exception) -> Availability:
        if not self.address.startswith("unix://"):
            return Availability(
                ready=False,
                reason=f"Docker is not reachable at {self.address}: {error}",
                remedy="Check that the engine is running there, and that the address is right.",
            )
        path = Path(self.address.removeprefix("unix://")).expanduser()
        found, remedy = _diagnose_socket(path)
        return Availability(
            ready=False, reason=f"Docker is not reachable at {self.address} ({found}).",
            remedy=remedy,
        )  # fmt: skip


def _diagnose_socket(path: Path) -> tuple[str, str]:
    """Return what is wrong with a socket, and how to fix it."""
    try:
        mode = path.stat().st_mode
    except PermissionError:
        return "permission denied", "Add your user to the group docker, and log in again."
    except OSError:
        return "no such socket", "Install and start Docker, or set DOCKER_HOST."
    if not stat.S_ISSOCK(mode):
        return "not a socket", "Set DOCKER_HOST to the engine's socket."
    if not os.access(path, os.R_OK | os.W_OK):
        return (
            "permission denied",
            'Add your user to the group docker, or choose backend="podman".',
        )
    return "nothing listens there", "Start the Docker engine."
