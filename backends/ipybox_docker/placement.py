"""Where a Docker engine runs relative to this process."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ipybox import BackendError
from ipybox.engine import CALL_TIMEOUT, Placement, at_host
from ipybox_docker.connection import Connection
from ipybox_docker.errors import engine_call

OWN_ID = re.compile(r"/containers/([0-9a-f]{64})/")
"""A path of the engine's that is mounted into each of its containers names the container."""
CONTAINER_SIGNS = ("/.dockerenv", "/run/.containerenv")
"""Files that are there in the containers of Docker and of Podman."""


async def find_placement(connection: Connection) -> Placement:
    """Find out where the engine runs.

    Raises:
        BackendError: If the engine cannot be asked.
    """
    async with engine_call("describe itself", CALL_TIMEOUT):
        info = await connection.docker.system.info()
        url = urlsplit(connection.docker.docker_host)
    rootless = any("rootless" in option for option in info.get("SecurityOptions") or ())
    if url.scheme in ("tcp", "http", "https"):
        return await asyncio.to_thread(at_host, url.hostname or "localhost", rootless=rootless)
    own = await asyncio.to_thread(_own_container_id)
    inside = await _placement_inside(connection, own) if own else None
    return inside or Placement(rootless=rootless)


async def _placement_inside(connection: Connection, own: str) -> Placement | None:
    """Return the placement if this process runs in a container of the same engine, else None.

    Ports that the engine publishes on its loopback cannot be reached from there; the addresses
    of its containers can.
    """
    try:
        async with engine_call("inspect the container of this process", CALL_TIMEOUT):
            found = await connection.docker.containers.container(own).show()
    except BackendError:
        return None  # a container of another engine
    mounts = {item["Destination"]: item["Source"] for item in found.get("Mounts") or ()}
    network = found["HostConfig"]["NetworkMode"]
    if network == "host":
        return Placement(mounts=mounts)
    networks: dict[str, Any] = found["NetworkSettings"]["Networks"]
    return Placement(
        publish_on=None, host=None, network=next(iter(networks), "bridge"), mounts=mounts
    )


def _own_container_id() -> str | None:
    """Return the id of the container that this process runs in, or None outside of one."""
    if not any(Path(path).exists() for path in CONTAINER_SIGNS):
        return None
    try:
        found = OWN_ID.search(Path("/proc/self/mountinfo").read_text())
    except OSError:
        return None
    return found.group(1) if found else None
