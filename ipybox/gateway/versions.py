"""The versions on which this library and the runtime in a container have to agree."""

from __future__ import annotations

import importlib.metadata

from ipybox.errors import VersionMismatchError

VERSION = importlib.metadata.version("ipybox")
"""The installed version; ``ipybox_runtime`` holds the number, and the build takes it from there."""
PROTOCOL = 1
"""The number of the protocol on top of Jupyter's own: resumed connections, status, leases, and
message types of ipybox. Host and runtime must have the same number."""

VERSION_HEADER = "X-Ipybox-Version"
"""Sent by both sides, as ``<version>; <protocol number>``. Other gateways do not send it."""

V1_SUBPROTOCOL = "v1.kernel.websocket.jupyter.org"
RESUME_SUBPROTOCOL = "v1.resume.ipybox"
HTTP_VERSION_MISMATCH = 426
"""From ipybox_runtime ("Upgrade Required"): the runtime refuses the host's protocol number."""

OWN_VERSIONS = f"{VERSION}; {PROTOCOL}"


def check_version(address: str, status: int, versions: str | None) -> None:
    """Raise an error if the runtime in a container does not fit this library.

    Args:
        address: The address of the gateway, for error messages.
        status: The HTTP status of the gateway's answer.
        versions: The gateway's VERSION_HEADER; None for a gateway that does not send it.

    Raises:
        VersionMismatchError: If the protocol numbers differ, or the runtime says that they do.
    """
    if versions is None:
        return
    version, _, protocol = versions.partition(";")
    if status == HTTP_VERSION_MISMATCH or protocol.strip() != str(PROTOCOL):
        raise VersionMismatchError(
            f"Host and runtime do not fit: this is ipybox {VERSION} (protocol {PROTOCOL}), the "
            f"gateway at {address} runs {version.strip()[:40]!r} (protocol "
            f"{protocol.strip()[:10]!r}). Use an image that was built for ipybox {VERSION}."
        )
