"""How this process stands to an engine that is reached over a network. Blocks."""

from __future__ import annotations

import ipaddress
import socket

from ipybox.engines.engine import Surroundings
from ipybox.errors import BackendUnavailableError


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
