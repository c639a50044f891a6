"""Where an engine runs relative to this process, and what follows for a container."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ipybox.errors import BackendUnavailableError
from ipybox.runtime.ports import LOOPBACK
from ipybox.spec.container import ContainerSpec


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where an engine runs relative to this process.

    The defaults describe an engine on this host that runs as root.

    Attributes:
        publish_on: Address of the engine's host on which it publishes container ports; None
            if ports need not be published.
        host: Host at which clients reach published ports; None if clients use the container's
            own address.
        network: Network that containers have to join; None for the engine's default network.
        mounts: If this process runs in a container itself, maps its mount points to paths on
            the engine's host; otherwise None.
        local: Whether the engine sees the same folders as this process.
        rootless: Whether the engine runs as an ordinary user.
        host_names: Names, besides the usual ones, by which clients may address the gateway.
        limits_remedy: What to do if the engine does not enforce resource limits; empty if
            there is nothing to advise.
    """

    publish_on: str | None = LOOPBACK
    host: str | None = LOOPBACK
    network: str | None = None
    mounts: Mapping[str, str] | None = None
    local: bool = True
    rootless: bool = False
    host_names: Collection[str] = ()
    limits_remedy: str = ""


def at_host(host: str, *, rootless: bool) -> Placement:
    """Return the placement of an engine that is reached over a network.

    Blocks while the name is looked up.

    Args:
        host: Name or address of the engine's host, which may be this machine.
        rootless: Whether the engine runs as an ordinary user.

    Raises:
        BackendUnavailableError: If the name has no address on this machine.
    """
    addresses = _addresses(host)
    if all(ipaddress.ip_address(address).is_loopback for address in addresses):
        return Placement(rootless=rootless)
    return Placement(
        publish_on=addresses[0], host=host, local=False, host_names=(host,), rootless=rootless
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
            f"Cannot resolve the engine's host {host!r} ({error}), so its containers cannot be "
            "reached. Use a name that this machine can resolve."
        ) from error
    return [str(item[4][0]) for item in found]


def container_user(spec: ContainerSpec, placement: Placement, uid: int, gid: int) -> str | None:
    """Return the user that runs the code in a container.

    With folders of the host, that is the host's user, so that files belong to the same user on
    both sides; a rootless engine maps the host's user to root in the container. If the host's
    user is root and all folders are read-only, the image's own user is enough.

    Args:
        spec: The container; its ``user``, if set, is returned unchanged.
        placement: Where the engine runs.
        uid: User id of this process.
        gid: Group id of this process.

    Returns:
        A user as in "1000:1000", or None for the image's own user.
    """
    if spec.user is not None:
        return spec.user
    if not spec.binds or not placement.local:
        return None
    if placement.rootless:
        return "0:0"
    if uid == 0 and all(bind.read_only for bind in spec.binds):
        return None
    return f"{uid}:{gid}"
