"""The channel to a kernel: one reader, which routes frames by their parent's id, over as
many connections as it takes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from ipybox._async import shielded
from ipybox.errors import (
    ConnectFailedError,
    ConnectionLostError,
    ContainerLostError,
    InvalidArgumentError,
    IpyboxError,
    KernelDiedError,
    ProtocolError,
)
from ipybox.gateway.heartbeat import Heartbeat
from ipybox.gateway.rest import Gateway
from ipybox.gateway.started import find_container
from ipybox.gateway.versions import RESUME_SUBPROTOCOL, V1_SUBPROTOCOL
from ipybox.gateway.websocket import count_at_gateway, open_connection
from ipybox.kernel.errors import connection_lost, container_lost, kernel_died
from ipybox.kernel.messages import (
    Channel,
    Message,
    StatusContent,
    content_of,
    decode,
    encode,
    new_message_id,
)
from ipybox.kernel.sinks import DrainingSink, LateSink, Sink

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

CONFIRM_BYTES = 512 * 1024
CONFIRM_FRAMES = 256
RETRY_SECONDS = 0.05
SETTLE_SECONDS = 1.0
MAX_REQUEST_BYTES = 60 * 1024 * 1024
TOO_BIG = 1009  # RFC 6455, 7.4.1

log = logging.getLogger(__name__)


class KernelChannel:
    """A way to one kernel, which outlives its connections.

    Both ends count the frames that have arrived. After a cut, the client connects again
    within ``reconnect_grace`` seconds and tells its count; the gateway sends what is
    missing and tells its own, and what the gateway lacks is sent again. So no frame is
    lost, doubled or executed twice. A gateway that does not count (a stock one) ends the
    channel with its first connection.

    ``on_death`` is called once, with the error, when the kernel or the way to it is gone;
    before that, each sink has failed with an error of its own.
    """

    def __init__(
        self,
        gateway: Gateway,
        kernel_id: str,
        *,
        heartbeat_interval: float,
        reconnect_grace: float,
        max_message: int,
        on_death: Callable[[IpyboxError], None],
    ) -> None:
        self._gateway = gateway
        self._kernel_id = kernel_id
        self._grace = reconnect_grace
        self._max_message = max_message
        self._on_death = on_death
        # Found now: its end is told by it after it has been forgotten.
        self._container = find_container(gateway.host, gateway.port)
        self._session = new_message_id()
        self._heartbeat = Heartbeat(heartbeat_interval)
        self._sinks: dict[str, Sink] = {}
        self._late: WeakValueDictionary[str, LateSink] = WeakValueDictionary()
        self._ended: IpyboxError | None = None
        self._connection: ClientConnection
        self._framing: str | None = None
        self._received = 0
        self._confirmed = (0, 0)  # frames, and bytes since
        self._sent = 0
        self._unconfirmed: deque[tuple[int, str, str | bytes]] = deque()
        self._sending = asyncio.Lock()
        self._reader: asyncio.Task[None]

    @classmethod
    async def open(
        cls,
        gateway: Gateway,
        kernel_id: str,
        *,
        heartbeat_interval: float,
        reconnect_grace: float,
        max_message: int,
        on_death: Callable[[IpyboxError], None],
    ) -> KernelChannel:
        """Connects.

        Raises AuthenticationError, KernelDiedError, GatewayError, ConnectFailedError.
        """
        channel = cls(
            gateway,
            kernel_id,
            heartbeat_interval=heartbeat_interval,
            reconnect_grace=reconnect_grace,
            max_message=max_message,
            on_death=on_death,
        )
        await channel._connect()
        channel._reader = asyncio.create_task(channel._run(), name=f"ipybox reader {kernel_id}")
        return channel

    @property
    def ended(self) -> IpyboxError | None:
        """Why it is of no use any more; None while it is."""
        return self._ended

    @property
    def delivers_all(self) -> bool:
        """Whether nothing can be missed from the first moment on."""
        return self._framing == RESUME_SUBPROTOCOL

    async def request(
        self, channel: Channel, msg_type: str, content: dict[str, Any], sink: Sink
    ) -> str:
        """Sends a request; what answers it goes to ``sink``, until :meth:`release`."""
        if self._ended is not None:
            raise self._ended
        msg_id = new_message_id()
        framing = V1_SUBPROTOCOL if self.delivers_all else self._framing
        frame = encode(
            channel, msg_type, content, msg_id=msg_id, session=self._session, subprotocol=framing
        )
        if len(frame) > MAX_REQUEST_BYTES:
            raise InvalidArgumentError(
                f"the code takes {len(frame):,} bytes as a message; at most "
                f"{MAX_REQUEST_BYTES:,} are possible. Put data into a file that is bound."
            )
        self._sinks[msg_id] = sink
        self._heartbeat.set_busy(True)
        try:
            # Not cancelled on its way: both ends would count differently from then on.
            await shielded(self._send_in_turn(msg_id, frame))
        except BaseException:
            self.release(msg_id)
            raise
        return msg_id

    def release(self, msg_id: str, late: LateSink | None = None) -> None:
        """Routes nothing more to the sink of this request; what comes late goes to ``late``."""
        self._sinks.pop(msg_id, None)
        if late is not None:
            self._late[msg_id] = late
        self._unconfirmed = deque(item for item in self._unconfirmed if item[1] != msg_id)
        self._heartbeat.set_busy(bool(self._sinks))

    async def aclose(self, reason: IpyboxError) -> None:
        """Closes; requests under way fail with ``reason``."""
        self._end(reason)
        self._reader.cancel()
        await asyncio.wait([self._reader])
        await self._connection.close()

    async def _send_in_turn(self, msg_id: str, frame: str | bytes) -> None:
        async with self._sending:
            await self._send(msg_id, frame)

    async def _send(self, msg_id: str, frame: str | bytes) -> None:
        """Sends, or leaves it to the next connection. Whoever calls it holds ``_sending``."""
        from websockets.exceptions import ConnectionClosed

        self._sent += 1
        self._unconfirmed.append((self._sent, msg_id, frame))
        try:
            await self._connection.send(frame)
        except ConnectionClosed as error:
            if self.delivers_all:
                return  # the reader connects again, and sends what was not received
            await asyncio.wait([self._reader])  # it finds out why
            raise self._ended or connection_lost(self._kernel_id) from error

    async def _run(self) -> None:
        error: IpyboxError = connection_lost(self._kernel_id)
        try:
            while True:
                why = await self._read_connection()
                if self._ended is not None:
                    return
                if isinstance(why, IpyboxError):
                    error = why
                    return
                if not self.delivers_all:
                    error = self._container_lost() or connection_lost(self._kernel_id, why)
                    return
                log.info("kernel %s: the connection broke (%s)", self._kernel_id, why)
                await self._reconnect(why)
        except IpyboxError as failure:
            error = failure
        finally:
            if self._ended is None:  # nobody closes it in good order
                self._end(error)
                self._connection.transport.abort()

    async def _read_connection(self) -> IpyboxError | str:
        """Reads until the connection ends. Returns why: an error where it is no use to
        connect again."""
        from websockets.exceptions import ConnectionClosed

        heartbeat = asyncio.create_task(
            self._heartbeat.watch(self._connection), name="ipybox heartbeat"
        )
        try:
            while self._ended is None:
                frame = await self._connection.recv()
                self._heartbeat.heard()
                if self.delivers_all:
                    await self._count(frame)
                sink = self._route(
                    decode(frame, V1_SUBPROTOCOL if self.delivers_all else self._framing)
                )
                if isinstance(sink, DrainingSink):
                    await sink.drain()
        except ConnectionClosed as closed:
            if closed.sent and closed.sent.code == TOO_BIG and not closed.rcvd_then_sent:
                return ProtocolError(
                    f"a message of more than {self._max_message} bytes came (limits.message)"
                )
            return "it stopped answering" if heartbeat.done() else str(closed)
        except ProtocolError as broken:
            return broken
        finally:
            heartbeat.cancel()
        return ""

    async def _count(self, frame: str | bytes) -> None:
        """Counts an arrived frame, and confirms now and then, so that the gateway may
        forget it and send more."""
        from websockets.exceptions import ConnectionClosed

        self._received += 1
        frames, size = self._confirmed
        size += len(frame)
        self._confirmed = (frames, size)
        if size >= CONFIRM_BYTES or self._received - frames >= CONFIRM_FRAMES:
            self._confirmed = (self._received, 0)
            with contextlib.suppress(ConnectionClosed):
                await self._connection.send(json.dumps({"received": self._received}))

    async def _connect(self, seconds: float | None = None) -> None:
        connection = await open_connection(
            self._gateway,
            self._kernel_id,
            session=self._session,
            received=self._received,
            max_message=self._max_message,
            **({} if seconds is None else {"seconds": seconds}),
        )
        self._framing = connection.subprotocol
        if self.delivers_all:
            try:
                known = await count_at_gateway(connection)
            except BaseException:
                connection.transport.abort()
                raise
            self._connection = connection
            await self._send_again(known)
        self._connection = connection

    async def _send_again(self, known: int) -> None:
        """Sends what the gateway has not received of us."""
        async with self._sending:
            missing = [(msg_id, frame) for n, msg_id, frame in self._unconfirmed if n > known]
            self._sent = known
            self._unconfirmed = deque(item for item in self._unconfirmed if item[0] <= known)
            for msg_id, frame in missing:
                await self._send(msg_id, frame)

    async def _reconnect(self, why: str) -> None:
        """Connects again. Raises ContainerLostError or ConnectionLostError."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._grace
        while True:
            left = deadline - loop.time()
            try:
                async with asyncio.timeout(max(left, 0)):
                    await self._connect(max(left, RETRY_SECONDS))
                return
            except (ConnectFailedError, TimeoutError) as error:
                detail = f"{why}; {error}".rstrip("; ")
            except (ConnectionLostError, KernelDiedError):
                raise
            except IpyboxError as error:
                raise self._container_lost() or connection_lost(
                    self._kernel_id, f"{why}; {error}"
                ) from error
            if lost := self._container_lost():
                raise lost
            if left <= 0:
                if self._container is not None:
                    await self._container.status_within(SETTLE_SECONDS)
                raise self._container_lost() or connection_lost(
                    self._kernel_id, f"{detail}, for {self._grace} s (reconnect_grace)"
                )
            await asyncio.sleep(RETRY_SECONDS)

    def _container_lost(self) -> ContainerLostError | None:
        container = self._container
        return container_lost(container.status) if container and container.status else None

    def _route(self, message: Message) -> Sink | None:
        parent = message.parent_header.msg_id
        sink = self._sinks.get(parent)
        if message.header.msg_type == "status" and not parent:
            status = content_of(message, StatusContent)
            if status.execution_state in ("dead", "restarting"):
                self._end(
                    kernel_died(
                        self._kernel_id, status.exit_code, out_of_memory=status.out_of_memory
                    )
                )
        elif sink is not None:
            sink.feed(message)
        elif (late := self._late.get(parent)) is not None:
            late.feed_late(message)
        else:
            log.debug("unrouted %s on %s", message.header.msg_type, message.channel)
        return sink

    def _end(self, error: IpyboxError) -> None:
        if self._ended is not None:
            return
        self._ended = error
        sinks, self._sinks = self._sinks, {}
        for sink in sinks.values():
            sink.fail(error)
        self._on_death(error)
