"""The channel to a kernel: sends requests, and passes on what answers them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from ipybox._async import shielded
from ipybox.errors import (
    ConnectionLostError,
    InvalidArgumentError,
    IpyboxError,
    copy_error,
)
from ipybox.gateway.rest import Gateway
from ipybox.gateway.started import StartedContainer
from ipybox.kernel.errors import connection_lost, kernel_died
from ipybox.kernel.frames import ConnectOptions, FrameStream
from ipybox.kernel.messages import (
    Channel,
    Message,
    StatusContent,
    content_of,
    decode,
    encode,
    new_message_id,
)

if TYPE_CHECKING:
    pass

MAX_REQUEST_BYTES = 60 * 1024 * 1024

log = logging.getLogger(__name__)


class Subscriber(ABC):
    """A receiver of the messages that answer one request."""

    @property
    def full(self) -> bool:
        """Whether the channel must await :meth:`drain` before it reads more."""
        return False

    @abstractmethod
    def feed(self, message: Message) -> None:
        """Process the next message.

        Raises:
            ProtocolError: If the content of the message is malformed; closes the channel.
        """

    @abstractmethod
    def fail(self, error: IpyboxError) -> None:
        """Take note that the channel was closed by ``error`` and no more messages arrive."""

    async def drain(self) -> None:
        """Wait until there is room for more messages."""
        return


class KernelChannel:
    """The way to one kernel: requests go out, and each answer goes to the request's subscriber.

    The channel outlasts its connections, as :class:`FrameStream` says.

    Args:
        gateway: The gateway of the kernel.
        kernel_id: The id of the kernel.
        options: How to connect.
        container: The container that the gateway runs in, if this process started it. Its exit
            status explains why a connection was lost.
        on_close: Is called once with the error when the kernel, or the way to it, is gone. Before
            that, each subscriber has failed with the same error.
    """

    def __init__(
        self,
        gateway: Gateway,
        kernel_id: str,
        options: ConnectOptions,
        *,
        container: StartedContainer | None,
        on_close: Callable[[IpyboxError], None],
    ) -> None:
        self._kernel_id = kernel_id
        self._on_close = on_close
        self._session = new_message_id()
        self._stream = FrameStream(
            gateway, kernel_id, options, session=self._session, container=container
        )
        self._subscribers: dict[str, Subscriber] = {}
        self._late: WeakValueDictionary[str, Subscriber] = WeakValueDictionary()
        self._closed_by: IpyboxError | None = None
        self._reader: asyncio.Task[None]

    async def connect(self) -> None:
        """Open the first connection, and start to read from it.

        Raises:
            IpyboxError: As :meth:`FrameStream.connect`.
        """
        await self._stream.connect()
        self._reader = asyncio.create_task(self._run(), name=f"ipybox reader {self._kernel_id}")

    @property
    def closed_by(self) -> IpyboxError | None:
        """The error that closed the channel; None while it is open."""
        return self._closed_by

    @property
    def delivers_all(self) -> bool:
        """Whether no message can be missed, from the first one on."""
        return self._stream.resumable

    def check_open(self) -> None:
        """Raise a copy of the error that closed the channel, unless the channel is open."""
        if self._closed_by is not None:
            raise copy_error(self._closed_by)

    async def request(
        self, channel: Channel, msg_type: str, content: dict[str, Any], subscriber: Subscriber
    ) -> str:
        """Send a request.

        Args:
            channel: The kernel's channel that the request is for.
            msg_type: The type of the message.
            content: The content of the message.
            subscriber: Receives the messages that answer the request, until :meth:`release`.

        Returns:
            The id of the request's message.

        Raises:
            InvalidArgumentError: If the content is too large, or not valid Unicode.
            IpyboxError: If the channel is closed: the error that closed it.
        """
        self.check_open()
        msg_id = new_message_id()
        frame = encode(
            channel,
            msg_type,
            content,
            msg_id=msg_id,
            session=self._session,
            subprotocol=self._stream.framing,
        )
        if len(frame) > MAX_REQUEST_BYTES:
            raise InvalidArgumentError(
                f"The code is too large: its message has {len(frame):,} bytes, and at most "
                f"{MAX_REQUEST_BYTES:,} can be sent. Pass data in a bound file instead."
            )
        self._subscribers[msg_id] = subscriber
        self._stream.set_busy(True)
        try:
            # Cancelling a frame that is on its way would make the two counts differ.
            await shielded(self._send(msg_id, frame))
        except BaseException:
            self.release(msg_id)
            raise
        return msg_id

    def release(self, msg_id: str, *, late: Subscriber | None = None) -> None:
        """Stop passing the answers to a request to its subscriber.

        Args:
            msg_id: The id of the request's message.
            late: Receives answers that arrive later, for as long as it is referenced elsewhere.
        """
        self._subscribers.pop(msg_id, None)
        if late is not None:
            self._late[msg_id] = late
        self._stream.forget(msg_id)
        self._stream.set_busy(bool(self._subscribers))

    async def aclose(self, reason: IpyboxError) -> None:
        """Close the channel; requests that are not answered yet fail with ``reason``."""
        self._close(reason)
        self._reader.cancel()
        await asyncio.wait([self._reader])
        await self._stream.aclose()

    async def _send(self, msg_id: str, frame: str | bytes) -> None:
        try:
            await self._stream.send(msg_id, frame)
        except ConnectionLostError as error:
            await asyncio.wait([self._reader])  # it finds out why the connection broke
            if self._closed_by is None:
                raise
            raise copy_error(self._closed_by) from self._closed_by.__cause__ or error

    async def _run(self) -> None:
        error: IpyboxError = connection_lost(self._kernel_id)
        try:
            async with contextlib.aclosing(self._stream.receive()) as frames:
                async for frame in frames:
                    subscriber = self._route(decode(frame, self._stream.framing))
                    if subscriber is not None and subscriber.full:
                        await subscriber.drain()
                    if self._closed_by is not None:
                        return
        except IpyboxError as failure:
            error = failure
        finally:
            if self._closed_by is None:  # aclose() was not called
                self._close(error)
                self._stream.abort()

    def _route(self, message: Message) -> Subscriber | None:
        parent = message.parent_header.msg_id
        subscriber = self._subscribers.get(parent)
        if message.header.msg_type == "status" and not parent:
            status = content_of(message, StatusContent)
            if status.execution_state in ("dead", "restarting"):
                self._close(
                    kernel_died(
                        self._kernel_id, status.exit_code, out_of_memory=status.out_of_memory
                    )
                )
        elif subscriber is not None:
            subscriber.feed(message)
        elif (late := self._late.get(parent)) is not None:
            late.feed(message)
        else:
            log.debug("unrouted %s on %s", message.header.msg_type, message.channel)
        return subscriber

    def _close(self, error: IpyboxError) -> None:
        if self._closed_by is not None:
            return
        self._closed_by = error
        subscribers, self._subscribers = self._subscribers, {}
        for subscriber in subscribers.values():
            subscriber.fail(error)
        self._on_close(error)
