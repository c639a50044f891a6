"""A private service, for a user who has Podman and runs no service."""

from __future__ import annotations

import shutil
from pathlib import Path

from ipybox_podman.listener import Listener

IDLE_SECONDS = 20
"""So long it lives on when its owner has died, and no container of its is running."""


def find_program() -> str | None:
    return shutil.which("podman")


def private_service(program: str) -> Listener:
    """``podman system service``; containers go on when it ends."""

    def command(path: Path) -> list[str]:
        return [program, "system", "service", "--time", str(IDLE_SECONDS), f"unix://{path}"]

    return Listener(
        "`podman system service`", command, "`ipybox doctor` tells what this host lacks."
    )
