"""What the gateway has exchanged with a client, over all the client's connections to one kernel."""

import asyncio
import json
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from ipybox_runtime.gateway.relay import Frame
from ipybox_runtime.wire import frame_v1, is_message, parts_v1

MAX_UNCONFIRMED_BYTES = 8 * 1024 * 1024
"""Bytes that may be on their way to a client. With more, the kernel waits."""

REPLY_TEXT_CHARS = 10_000
"""Characters that an error's name and value keep each, in a reply that is too large."""

CHANNELS = ("shell", "control", "stdin")


class Wire(Protocol):
    """A connection to the client."""

    def send(self, frame: Frame) -> None: ...


class ClientSession:
    """The frames on their way to one client, and the client's sockets to the kernel.

    Client and gateway both count the frames they have received. A client that comes back sends its
    count and receives the frames that follow, from the journal here. The gateway sends its own
    count, and the client repeats the frames that follow. So no frame is lost or arrives twice,
    wherever the connection broke.

    Args:
        kernel_manager: The manager of the kernel.
        session_id: The client's Jupyter session.
        resumable: Whether the client counts frames and may come back.
        max_message: Bytes of the largest message that the client accepts.
        on_room: Called when the session is no longer full.

    Attributes:
        session_id: As above.
        resumable: As above.
        received: Number of frames received from the client.
        wire: The client's connection; None while it is away.
        absence: The timer after which an absent client is forgotten.
    """

    def __init__(
        self,
        kernel_manager: Any,
        session_id: str,
        *,
        resumable: bool,
        max_message: int,
        on_room: Callable[[], None],
    ) -> None:
        self.session_id = session_id
        self.resumable = resumable
        self.received = 0
        self.wire: Wire | None = None
        self.absence: asyncio.TimerHandle | None = None
        self._max_message = max_message
        self._on_room = on_room
        self._journal: deque[Frame] = deque()
        self._journal_start = 0  # how many frames were sent before the journal's first
        self._bytes = 0
        self._jupyter = kernel_manager.session.clone()
        self._streams: dict[str, Any] = {}
        for name in CHANNELS:
            connect = getattr(kernel_manager, f"connect_{name}")
            stream = self._streams[name] = connect(identity=session_id.encode())
            stream.on_recv(self._receiver(name))

    @property
    def full(self) -> bool:
        """Whether more than MAX_UNCONFIRMED_BYTES are on their way."""
        return self._bytes > MAX_UNCONFIRMED_BYTES

    def push(self, frame: Frame, *, reply: bool = False) -> None:
        """Send a frame to the client, and keep it until the client has confirmed it.

        Args:
            frame: The frame.
            reply: Whether it came over one of CHANNELS. Then it is reduced, if it is too large.
        """
        if reply and len(frame) > self._max_message:
            frame = _reduced(frame)
        if self.resumable or self.wire is not None:
            self._journal.append(frame)
            self._bytes += len(frame)
        if self.wire is not None:
            self.wire.send(frame)

    def confirm(self, count: int) -> None:
        """Drop from the journal what the client has received.

        Args:
            count: Number of all frames that the client has received.
        """
        was_full = self.full
        while self._journal and self._journal_start < count:
            self._bytes -= len(self._journal.popleft())
            self._journal_start += 1
        if was_full and not self.full:
            self._on_room()

    def attach(self, wire: Wire) -> None:
        """Use a new connection of the client."""
        self.wire = wire
        if self.absence is not None:
            self.absence.cancel()
            self.absence = None

    def replay(self) -> None:
        """Send all frames again that the client has not confirmed."""
        for frame in self._journal:
            assert self.wire is not None
            self.wire.send(frame)

    def has_since(self, count: int) -> bool:
        """Return whether the journal has all frames after the first ``count``."""
        return self._journal_start <= count <= self._journal_start + len(self._journal)

    def forward(self, channel: str, parts: list[bytes]) -> None:
        """Pass a client's message on to the kernel; drop it if the channel is unknown or closed."""
        stream = self._streams.get(channel)
        if stream is not None and not stream.closed():
            self._jupyter.send_raw(stream, parts)

    def close(self) -> None:
        """Close the sockets to the kernel, and drop the journal."""
        for stream in self._streams.values():
            stream.close()
        self._journal.clear()
        self._bytes = 0
        if self.absence is not None:
            self.absence.cancel()

    def _receiver(self, channel: str) -> Callable[[list[bytes]], None]:
        def receive(parts: list[bytes]) -> None:
            _, fed = self._jupyter.feed_identities(parts)
            frame = frame_v1(channel.encode(), fed[1:])
            if is_message(frame):  # here, too, code in the kernel can send anything
                self.push(frame, reply=True)

        return receive


def _reduced(frame: Frame) -> Frame:
    """Return a short form of a reply that is too large. Without a reply, the execution would never
    finish."""
    channel, header, parent, metadata, content = parts_v1(frame, 5)
    try:
        whole = dict(json.loads(content))
    except (ValueError, TypeError, RecursionError):
        whole = {}
    kept = {
        "status": str(whole.get("status", "error")),
        "ename": str(whole.get("ename", ""))[:REPLY_TEXT_CHARS],
        "evalue": str(whole.get("evalue", ""))[:REPLY_TEXT_CHARS]
        + f"… (cut: the reply has {len(frame)} bytes, more than the limit for a message)",
    }
    return frame_v1(channel, [header, parent, metadata, json.dumps(kept).encode()])
