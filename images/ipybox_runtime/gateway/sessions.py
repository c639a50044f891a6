"""What a client has been sent and has sent, over all its connections to one kernel."""

import asyncio
import json
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from ipybox_runtime.gateway.relay import Frame
from ipybox_runtime.wire import frame_v1, is_message, parts_v1

FULL_BYTES = 8 * 1024 * 1024
"""So much may be on its way to a client; then its kernel waits."""
REPLY_TEXT_CHARS = 10_000

CHANNELS = ("shell", "control", "stdin")


class Wire(Protocol):
    """A connection to the client."""

    def send(self, frame: Frame) -> None: ...


class ClientSession:
    """The frames on their way to one client, and its sockets to the kernel.

    Both sides count the frames that they have received. A client that comes back tells
    its number, and gets what follows it, from the journal here; it is told ours, and
    sends again what follows that. So nothing is lost or doubled, whatever was cut.
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
        self._journal_start = 0  # the number of frames before its first
        self._bytes = 0
        self._jupyter = kernel_manager.session.clone()
        self._streams: dict[str, Any] = {}
        for name in CHANNELS:
            connect = getattr(kernel_manager, f"connect_{name}")
            stream = self._streams[name] = connect(identity=session_id.encode())
            stream.on_recv(self._receiver(name))

    @property
    def full(self) -> bool:
        return self._bytes > FULL_BYTES

    def push(self, frame: Frame, *, reply: bool = False) -> None:
        """Sends a frame to the client; keeps it until the client has confirmed it."""
        if reply and len(frame) > self._max_message:
            frame = _reduced(frame)
        if self.resumable or self.wire is not None:
            self._journal.append(frame)
            self._bytes += len(frame)
        if self.wire is not None:
            self.wire.send(frame)

    def confirm(self, count: int) -> None:
        """The client has received so many frames in all."""
        was_full = self.full
        while self._journal and self._journal_start < count:
            self._bytes -= len(self._journal.popleft())
            self._journal_start += 1
        if was_full and not self.full:
            self._on_room()

    def attach(self, wire: Wire) -> None:
        self.wire = wire
        if self.absence is not None:
            self.absence.cancel()
            self.absence = None

    def replay(self) -> None:
        """Sends again what the client has not confirmed."""
        for frame in self._journal:
            assert self.wire is not None
            self.wire.send(frame)

    def has_since(self, count: int) -> bool:
        """Whether all frames behind the first ``count`` are still here."""
        return self._journal_start <= count <= self._journal_start + len(self._journal)

    def forward(self, channel: str, parts: list[bytes]) -> None:
        """A client's message to the kernel."""
        stream = self._streams.get(channel)
        if stream is not None and not stream.closed():
            self._jupyter.send_raw(stream, parts)

    def close(self) -> None:
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
            if is_message(frame):  # as for what comes over iopub: code can send anything
                self.push(frame, reply=True)

        return receive


def _reduced(frame: Frame) -> Frame:
    """A reply that is too large: without it, the execution would not end."""
    channel, header, parent, metadata, content = parts_v1(frame, 5)
    try:
        whole = dict(json.loads(content))
    except (ValueError, TypeError, RecursionError):
        whole = {}
    kept = {
        "status": str(whole.get("status", "error")),
        "ename": str(whole.get("ename", ""))[:REPLY_TEXT_CHARS],
        "evalue": str(whole.get("evalue", ""))[:REPLY_TEXT_CHARS]
        + f"… ({len(frame)} bytes, which are more than a message may have)",
    }
    return frame_v1(channel, [header, parent, metadata, json.dumps(kept).encode()])
