"""A private Podman service, for a user who has Podman installed but runs no service."""

from __future__ import annotations

import shutil
from pathlib import Path

from ipybox_podman.listener import Listener

IDLE_TIMEOUT = 20
"""Seconds that the service outlives an owner that was killed, once no container that it started
is running."""


def find_program() -> str | None:
    """Return the path of the ``podman`` program; None if it is not on the PATH."""
    return shutil.which("podman")


def private_service(program: str) -> Listener:
    """Return a listener that runs ``podman system service``.

    Containers keep running when the service exits.

    Args:
        program: The path of the ``podman`` program.
    """

    def command(path: Path) -> list[str]:
        return [program, "system", "service", "--time", str(IDLE_TIMEOUT), f"unix://{path}"]

    return Listener(
        "`podman system service`",
        command,
        "Run `ipybox doctor` to see what this host lacks.",
    )
