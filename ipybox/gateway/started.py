"""The endpoints that this process has started, so that its clients find their token,
and learn how their container has ended."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from ipybox.spec.container import Endpoint
from ipybox.spec.status import ExitStatus

TOKEN_VARIABLE = "IPYBOX_TOKEN"  # noqa: S105  # a name, no secret
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, kw_only=True)
class StartedContainer:
    """A container of this process, as its clients see it. ``isolated``: it is a real one,
    which may be given up when nothing else helps."""

    endpoint: Endpoint = field(repr=False)
    ended: asyncio.Future[ExitStatus]
    kill: Callable[[], Awaitable[None]]
    isolated: bool

    @property
    def status(self) -> ExitStatus | None:
        """How it has ended; None while it runs."""
        if not self.ended.done():
            return None
        if self.ended.cancelled() or self.ended.exception() is not None:
            return ExitStatus(code=None, reason="killed")
        return self.ended.result()

    async def status_within(self, seconds: float) -> ExitStatus | None:
        """The same, once that has had time to show: its gateway goes before it."""
        await asyncio.wait({self.ended}, timeout=seconds)
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
    """Find the container of this process whose gateway answers at an address."""
    entries = _started.get(_address(host, port))
    return entries[-1] if entries else None


def find_token(host: str, port: int) -> str | None:
    """Find the token for an address.

    Returns:
        The token of this process's own container, else the value of ``IPYBOX_TOKEN``, else None.
    """
    container = find_container(host, port)
    own = container.endpoint.token if container else None
    return own or os.environ.get(TOKEN_VARIABLE) or None
