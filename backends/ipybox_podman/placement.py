"""Where a Podman engine runs relative to this process."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

from ipybox.engine import Placement, at_host
from ipybox.errors import EngineGoneError
from ipybox_podman.connection import Connection
from ipybox_podman.tunnel import host_of, is_ssh

LIMITS_REMEDY = (
    "an ordinary user's limits need cgroup v2 and controllers that are delegated "
    "(Delegate=cpu cpuset io memory pids for user@.service; `ipybox doctor` shows what is missing)"
)


async def find_placement(connection: Connection) -> Placement:
    """Find out where the engine runs.

    Raises:
        BackendError: If the engine cannot be reached or asked.
    """
    found = await _find(connection)
    return dataclasses.replace(found, limits_remedy=LIMITS_REMEDY) if found.rootless else found


async def _find(connection: Connection) -> Placement:
    socket = await connection.socket_path()
    url = connection.url or ""
    if is_ssh(url):
        host: str | None = await asyncio.to_thread(host_of, url)
    else:
        host = urlsplit(url).hostname if socket is None else None
    if host is None and socket is not None and sys.platform == "linux":
        return Placement(rootless=await _owner(connection, socket) != 0)
    info = await connection.info()
    rootless = bool(info["host"]["security"]["rootless"])
    if host is None:
        return Placement(rootless=rootless)
    return await asyncio.to_thread(at_host, host, rootless=rootless)


async def _owner(connection: Connection, socket: Path) -> int:
    """Return the owner of the engine's socket, which is its user; asking it takes much longer."""
    try:
        return (await asyncio.to_thread(os.stat, socket)).st_uid
    except OSError as error:
        await connection.forget()
        raise EngineGoneError(
            f"The Podman engine has gone: {error}. Check that its service is running."
        ) from error
