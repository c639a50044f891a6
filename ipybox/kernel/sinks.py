"""Where the messages that answer a request go."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from ipybox.errors import IpyboxError
from ipybox.kernel.messages import Message


class Sink(Protocol):
    """Whoever waits for the answers to one request."""

    def feed(self, message: Message) -> None: ...

    def fail(self, error: IpyboxError) -> None: ...


@runtime_checkable
class DrainingSink(Protocol):
    """A sink that may need time; nothing more is read until it has room."""

    async def drain(self) -> None: ...


class LateSink(Protocol):
    """A sink that takes what comes after its end."""

    def feed_late(self, message: Message) -> None: ...
