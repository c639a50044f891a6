"""An engine's own command line, as an independent witness."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ipybox_podman import sockets
from ipybox_podman.host import read_host

from ipybox.authoring import Owner

DOCKER_SOCKET = "/var/run/docker.sock"
CONTROLLERS = {"cpu", "memory", "pids"}


@dataclass(frozen=True)
class Witness:
    """``name``: of the command, and of the backend."""

    name: str

    async def __call__(self, *arguments: str) -> str:
        done = await asyncio.to_thread(
            subprocess.run, [self.name, *arguments], capture_output=True, text=True, check=True
        )
        return str(done.stdout)

    @property
    def socket(self) -> str:
        if self.name == "docker":
            return DOCKER_SOCKET
        paths = sockets.default_paths(os.environ, os.getuid())
        return str(next(path for path in paths if sockets.why_unreachable(path) is None))

    @property
    def limits_hold(self) -> bool:
        """An ordinary user's may not, and that is told then."""
        if self.name == "docker" or os.getuid() == 0:
            return True
        return (read_host().controllers or set()) >= CONTROLLERS

    async def everything(self) -> set[str]:
        """What tests may leave: containers of this process, or named as tests name theirs;
        volumes and networks."""
        own = str(Owner.current())
        listed = await self(
            "ps", "-a", "--filter", "label=ipybox.container", "--format", "{{.Names}} {{.Labels}}"
        )
        rows = listed.splitlines()
        ours = [row for row in rows if row.startswith("ipybox-test") or own in row]
        volumes = await self("volume", "ls", "-q")
        networks = await self("network", "ls", "--format", "{{.Name}}")
        return {*(row.split()[0] for row in ours), *volumes.split(), *networks.split()}

    async def inspect(self, container: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = json.loads(await self("inspect", container))
        return found[0]

    async def build(self, tag: str, dockerfile: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "Dockerfile").write_text(dockerfile)
            await self("build", "-q", "-t", tag, folder)


async def ipybox(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Our own command line."""
    return await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "ipybox.cli", *arguments],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
