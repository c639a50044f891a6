"""An engine's own command line, as a view of the engine that is independent of ipybox."""

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
class EngineCli:
    """The command line of an engine.

    Attributes:
        name: Name of the program, and of the backend: "docker" or "podman".
    """

    name: str

    async def __call__(self, *arguments: str) -> str:
        """Run the program, and return what it prints to its standard output."""
        done = await asyncio.to_thread(
            subprocess.run, [self.name, *arguments], capture_output=True, text=True, check=True
        )
        return str(done.stdout)

    @property
    def socket(self) -> str:
        """The engine's socket."""
        if self.name == "docker":
            return DOCKER_SOCKET
        paths = sockets.default_paths(os.environ, os.getuid())
        return str(next(path for path in paths if sockets.why_unreachable(path) is None))

    @property
    def limits_hold(self) -> bool:
        """Whether resource limits are enforced; for an ordinary user's Podman they may not be."""
        if self.name == "docker" or os.getuid() == 0:
            return True
        return (read_host().controllers or set()) >= CONTROLLERS

    async def everything(self) -> set[str]:
        """Return the names of what tests may leave: containers, volumes and networks.

        Containers count if this process has created them, or if they are named as in tests.
        """
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
        """Return the engine's JSON on a container."""
        found: list[dict[str, Any]] = json.loads(await self("inspect", container))
        return found[0]

    async def build(self, tag: str, dockerfile: str) -> None:
        """Build an image from the text of a Dockerfile."""
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "Dockerfile").write_text(dockerfile)
            await self("build", "-q", "-t", tag, folder)


async def ipybox(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run ipybox's own command line."""
    return await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "ipybox.cli", *arguments],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
