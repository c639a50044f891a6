"""The containers that this process has started.

Their clients find the token here, and learn how their container has exited.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from ipybox.spec.container import Endpoint
from ipybox.spec.status import ExitStatus

TOKEN_VARIABLE = "IPYBOX_TOKEN"  # noqa: S105  # the name of the variable is not a secret
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, kw_only=True)
class StartedContainer:
    """A container that this process has started, as its clients see it.

    Attributes:
        endpoint: The address and token of its gateway.
        ended: Is done once the container has exited.
        kill: Kills the container.
        isolated: Whether it is a real container, which may be killed as a last resort. The local
            backend has none.
        detached: Whether this process has released the container, which runs on: ``ended`` is
            cancelled then, and how the container exits is unknown.
    """

    endpoint: Endpoint = field(repr=False)
    ended: asyncio.Future[ExitStatus]
    kill: Callable[[], Awaitable[None]]
    isolated: bool
    detached: Callable[[], bool] = lambda: False

    @property
    def status(self) -> ExitStatus | None:
        """How the container has exited; None while it runs, or if that is unknown."""
        if not self.ended.done() or (self.ended.cancelled() and self.detached()):
            return None
        if self.ended.cancelled() or self.ended.exception() is not None:
            return ExitStatus(code=None, reason="killed")
        return self.ended.result()

    async def status_within(self, timeout: float) -> ExitStatus | None:
        """Return how the container has exited.

        A container's gateway stops answering before the exit of the container shows.

        Args:
            timeout: Seconds to wait for the exit.

        Returns:
            The exit status; None if the container still runs after ``timeout``.
        """
        await asyncio.wait({self.ended}, timeout=timeout)
        return self.status


_started: dict[tuple[str, int], list[StartedContainer]] = {}
"""By address, in the order of registration: a container that this process has both started and
attached to is there twice."""


def _address(host: str, port: int) -> tuple[str, int]:
    return ("localhost" if host.lower() in _LOOPBACK else host.lower(), port)


def remember(container: StartedContainer) -> None:
    """Register a container under the address of its gateway."""
    address = _address(container.endpoint.host, container.endpoint.port)
    _started.setdefault(address, []).append(container)


def forget(container: StartedContainer) -> None:
    """Undo one :func:`remember`. Other entries at the same address stay."""
    address = _address(container.endpoint.host, container.endpoint.port)
    kept = [entry for entry in _started.pop(address, []) if entry is not container]
    if kept:
        _started[address] = kept


def find_container(host: str, port: int) -> StartedContainer | None:
    """Return the container of this process whose gateway answers at an address, if any."""
    entries = _started.get(_address(host, port))
    return entries[-1] if entries else None


def find_token(container: StartedContainer | None) -> str | None:
    """Return the token for a gateway: the container's own, then ``IPYBOX_TOKEN``, then None.

    Args:
        container: The container of the gateway, if this process has started it.
    """
    own = container.endpoint.token if container else None
    return own or os.environ.get(TOKEN_VARIABLE) or None
