"""How this process stands to an engine that is reached over a network. Blocks."""

from __future__ import annotations

import ipaddress
import socket

from ipybox.engine.base import Surroundings
from ipybox.errors import BackendUnavailableError
from ipybox.spec.container import ContainerSpec


def at_host(host: str, *, rootless: bool) -> Surroundings:
    """For an engine at a host of that name or address, which may be this one. Raises
    BackendUnavailableError where it has no address."""
    addresses = _addresses(host)
    if all(ipaddress.ip_address(address).is_loopback for address in addresses):
        return Surroundings(rootless=rootless)
    return Surroundings(
        publish_on=addresses[0], host=host, local=False, names=(host,), rootless=rootless
    )


def _addresses(host: str) -> list[str]:
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise BackendUnavailableError(
            f"The engine's host {host!r} has no address here ({error}), and containers could not "
            "be reached. Name it as this machine knows it."
        ) from error
    return [str(item[4][0]) for item in found]


def run_user(spec: ContainerSpec, around: Surroundings, uid: int, gid: int) -> str | None:
    """Who runs the code: None for the image's own user.

    With folders of the host it is the host's user, so that files belong to the same on
    both sides; a rootless engine maps that to its root. Where the host's user is root,
    the image's own will do for what is only read.
    """
    if spec.user is not None:
        return spec.user
    if not spec.binds or not around.local:
        return None
    if around.rootless:
        return "0:0"
    if uid == 0 and all(bind.read_only for bind in spec.binds):
        return None
    return f"{uid}:{gid}"
