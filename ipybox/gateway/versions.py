"""What this library and the runtime in a container have to agree on."""

from __future__ import annotations

import importlib.metadata

from ipybox.errors import VersionMismatchError

VERSION = importlib.metadata.version("ipybox")
"""The installed version; ``ipybox_runtime`` holds the number, and the build takes it from there."""
PROTOCOL = 1
"""Beyond Jupyter's own: resuming a connection, status, messages of ours."""

VERSION_HEADER = "X-Ipybox-Version"
"""Both ways: ``<version>; <protocol number>``. A gateway of another make sends none."""

V1_SUBPROTOCOL = "v1.kernel.websocket.jupyter.org"
RESUME_SUBPROTOCOL = "v1.resume.ipybox"
HTTP_MISFIT = 426

OWN = f"{VERSION}; {PROTOCOL}"


def check_version(address: str, status: int, theirs: str | None) -> None:
    """Raises VersionMismatchError where the runtime says that it does not fit."""
    if theirs is None:
        return
    version, _, protocol = theirs.partition(";")
    if status == HTTP_MISFIT or protocol.strip() != str(PROTOCOL):
        raise VersionMismatchError(
            f"Host and runtime do not fit: this is ipybox {VERSION} (protocol {PROTOCOL}), the "
            f"gateway at {address} runs {version.strip()[:40]!r} (protocol "
            f"{protocol.strip()[:10]!r}). Use an image that was built for ipybox {VERSION}."
        )
