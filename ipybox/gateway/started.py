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


_started: dict[tuple[str, int], StartedContainer] = {}


def _address(host: str, port: int) -> tuple[str, int]:
    return ("localhost" if host.lower() in _LOOPBACK else host.lower(), port)


def remember(container: StartedContainer) -> None:
    _started[_address(container.endpoint.host, container.endpoint.port)] = container


def forget(container: StartedContainer) -> None:
    """Leaves the entry of a later container at the same address alone."""
    address = _address(container.endpoint.host, container.endpoint.port)
    if _started.get(address) is container:
        del _started[address]


def find_container(host: str, port: int) -> StartedContainer | None:
    """The container of this process at an address."""
    return _started.get(_address(host, port))


def find_token(host: str, port: int) -> str | None:
    """The token for an address: this process's own, then ``IPYBOX_TOKEN``, then None."""
    container = find_container(host, port)
    own = container.endpoint.token if container else None
    return own or os.environ.get(TOKEN_VARIABLE) or None
