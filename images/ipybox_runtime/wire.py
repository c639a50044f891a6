"""The format of a kernel's output on its way to the gateway. Pure: bytes in, tokens out.

Output leaves a kernel through two pipes and a socket. The operating system keeps what is in all
three, so nothing that was written is lost when the kernel dies:

- The pipes are file descriptors 1 and 2 of the kernel. They carry plain bytes from any writer
  (the interpreter, a C library, a child process) and, among them, the kernel's *marks*. A mark
  names the request that the following output belongs to, or is a barrier.
- The socket carries packets with all other messages: displays, results, status.

A mark is a terminal's operating system command (OSC) that contains a secret. The system never
splits a write of at most PIPE_BUF bytes, so a mark stays whole in the stream, and so does a piece
of text together with its marks. A *barrier* puts the same number into both pipes and on the
message that is sent with it: what precedes the barrier in a pipe comes before the message, what
follows it comes after.
"""

import itertools
import json
import struct
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

HELLO = b"hello"
"""A kernel's first packet: its sockets are bound, so the gateway can connect to them."""

PIPE_BUF = 4096
"""Bytes that a pipe takes in one write without splitting them (the size on Linux)."""

MARK_END = b"\x07"

STREAM_NAMES = ("stdout", "stderr")
"""Names of the pipes. A stream's number is its index here."""

PACKET_HEAD = struct.Struct("<BIQQ")
"""Flags, the sender's process id, the barrier, the size of the whole message in bytes."""

PACKET_BYTES = 60_000
"""The most bytes of a message in one packet, without the head."""

FIRST, LAST = 1, 2
"""Flags of a message's first and last packet."""

TOKEN_BYTES = 100
"""About what a waiting token takes in memory besides its data."""

MAX_SENDERS = 64
"""Processes whose incomplete messages are kept at the same time."""

NO_PARENT = b"{}"
"""The parent header of output that belongs to no request."""

MAX_PARENT_BYTES = 1024


def parent_bytes(header: dict[str, object]) -> bytes:
    """Return a parent header as JSON, small enough that a write has room for text beside it.

    A header of more than MAX_PARENT_BYTES is reduced to the first 256 characters of its id.
    """
    packed = json.dumps(header, default=str).encode()
    if len(packed) > MAX_PARENT_BYTES:
        kept = {"msg_id": str(header.get("msg_id"))[:256], "msg_type": "", "session": ""}
        packed = json.dumps(kept).encode()
    return packed


@dataclass(frozen=True, slots=True)
class Marks:
    """Formats the marks of one kernel.

    Attributes:
        secret: Tells this kernel's marks from similar bytes that code may print.
    """

    secret: str

    @property
    def start(self) -> bytes:
        return f"\x1b]ipybox;{self.secret};".encode()

    def parent(self, parent: bytes) -> bytes:
        """Return the mark after which output belongs to the request with this header."""
        return self.start + b"P" + parent + MARK_END

    def barrier(self, number: int) -> bytes:
        """Return the mark of a barrier with this number."""
        return self.start + b"B%d" % number + MARK_END

    def scoped(self, parent: bytes, text: bytes) -> bytes:
        """Return text with marks that assign it, and nothing after it, to another request."""
        return self.start + b"S" + parent + MARK_END + text + self.start + b"E" + MARK_END


@dataclass(frozen=True, slots=True)
class Text:
    """Bytes that were written to a pipe.

    Attributes:
        stream: The pipe, as an index of STREAM_NAMES.
        parent: JSON of the parent header of the request that the text belongs to.
        data: The bytes, which may begin or end within a character.
    """

    stream: int
    parent: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Barrier:
    """A barrier's mark in one pipe.

    Attributes:
        stream: The pipe, as an index of STREAM_NAMES.
        number: The number that the other pipe and the message have, too.
    """

    stream: int
    number: int


class PipeReader:
    """Parses one pipe.

    Args:
        stream: The pipe, as an index of STREAM_NAMES.
        secret: The secret in the kernel's marks.
    """

    def __init__(self, stream: int, secret: str) -> None:
        self._stream = stream
        self._start = Marks(secret).start
        self._parent = NO_PARENT
        self._scope: bytes | None = None
        self._rest = b""

    def feed(self, data: bytes, *, drained: bool) -> Iterator[Text | Barrier]:
        """Yield the tokens in the next bytes of the pipe.

        Args:
            data: The bytes that were read.
            drained: Whether the read emptied the pipe, so that no mark can be cut off at the
                end of ``data``. If False, what may be the beginning of a mark is kept for the
                next call.
        """
        data = self._rest + data
        self._rest = b""
        position = 0
        while (start := data.find(self._start, position)) >= 0:
            body = start + len(self._start)
            end = data.find(MARK_END, body)
            if end < 0:
                break
            if start > position:
                yield self._text(data[position:start])
            if barrier := self._take_mark(data[body:end]):
                yield barrier
            position = end + 1
        rest = data[position:]
        if not drained:
            keep = self._possible_mark(rest)
            rest, self._rest = rest[:keep], rest[keep:]
        if rest:
            yield self._text(rest)

    def _text(self, data: bytes) -> Text:
        return Text(self._stream, self._parent if self._scope is None else self._scope, data)

    def _take_mark(self, body: bytes) -> Barrier | None:
        kind, value = body[:1], body[1:]
        if kind == b"P":
            self._parent = value
        elif kind == b"S":
            self._scope = value
        elif kind == b"E":
            self._scope = None
        elif kind == b"B" and value.isdigit():
            return Barrier(self._stream, int(value))
        return None

    def _possible_mark(self, rest: bytes) -> int:
        """Return where a mark may begin whose end has not been read yet."""
        tail = max(0, len(rest) - PIPE_BUF)
        whole = rest.find(self._start, tail)
        if whole >= 0:
            return whole
        for size in range(min(len(self._start) - 1, len(rest)), 0, -1):
            if rest.endswith(self._start[:size]):
                return len(rest) - size
        return len(rest)


@dataclass(frozen=True, slots=True)
class Packet:
    """A message from the socket.

    Attributes:
        barrier: The number of the barrier that was sent with it; 0 for none.
        data: The message; empty for a barrier alone. Only the beginning, if the message is
            larger than the reader's ``max_bytes``.
        size: Bytes of the whole message.
    """

    barrier: int
    data: bytes
    size: int


class PacketReader:
    """Assembles messages from packets. A message that its sender did not finish is dropped.

    Forked children of the kernel send messages of their own over the same socket, so packets of
    several senders may alternate.

    Args:
        max_bytes: The largest message that is kept whole; also an attribute.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._parts: dict[int, list[bytes]] = {}

    def feed(self, packet: bytes) -> Packet | None:
        """Return the message that this packet completes, or None."""
        if len(packet) < PACKET_HEAD.size:
            return None
        flags, sender, barrier, size = PACKET_HEAD.unpack_from(packet)
        if flags & FIRST:
            self._parts.pop(sender, None)
            if len(self._parts) >= MAX_SENDERS:
                self._parts.pop(next(iter(self._parts)))  # the oldest: its sender has exited
        parts = self._parts.setdefault(sender, [])
        if size <= self.max_bytes or flags & FIRST:
            parts.append(packet[PACKET_HEAD.size :])
        if not flags & LAST:
            return None
        data = b"".join(self._parts.pop(sender))
        if size <= self.max_bytes and len(data) != size:
            return None  # its beginning is missing
        return Packet(barrier, data, size)


def packets(barrier: int, data: bytes, sender: int = 0) -> Iterator[bytes]:
    """Yield a message as packets, each of which the system sends whole or not at all.

    Args:
        barrier: The number of the barrier that is sent with the message; 0 for none.
        data: The message; empty for a barrier alone.
        sender: The sender's process id.
    """
    view = memoryview(data)
    for start in range(0, max(len(data), 1), PACKET_BYTES):
        part = view[start : start + PACKET_BYTES]
        flags = (FIRST if start == 0 else 0) | (LAST if start + len(part) >= len(data) else 0)
        yield PACKET_HEAD.pack(flags, sender, barrier, len(data)) + part


def frame_v1(channel: bytes, parts: Sequence[bytes]) -> bytes:
    """Return a WebSocket frame: offsets first, then the channel and the parts.

    The format is "v1.kernel.websocket.jupyter.org" of Jupyter Server.
    """
    blocks = [channel, *parts]
    offset = 8 * (len(blocks) + 2)
    offsets = [offset]
    for block in blocks:
        offset += len(block)
        offsets.append(offset)
    return struct.pack(f"<Q{len(offsets)}Q", len(offsets), *offsets) + b"".join(blocks)


def parts_v1(frame: bytes, count: int) -> list[bytes]:
    """Return the channel and the parts of a frame in the format of :func:`frame_v1`.

    Args:
        frame: The frame, from any source.
        count: How many to return, the channel counted. A frame may have more.

    Raises:
        ValueError: The frame is too short for ``count`` parts, or its offsets do not ascend or
            point behind its end.
    """
    try:
        offsets = struct.unpack_from(f"<{count + 1}Q", frame, 8)
    except struct.error as error:
        raise ValueError(f"The frame of {len(frame)} bytes is too short.") from error
    if list(offsets) != sorted(offsets) or offsets[-1] > len(frame):
        raise ValueError(f"The frame of {len(frame)} bytes has parts out of bounds.")
    return [frame[start:end] for start, end in itertools.pairwise(offsets)]


def is_message(frame: bytes) -> bool:
    """Return whether a client can read the frame's type, id and parent.

    Code in a kernel can send its gateway any bytes.
    """
    try:
        _, header, parent, _, _ = parts_v1(frame, 5)
        about, request = json.loads(header), json.loads(parent)
        names = (about["msg_id"], about["msg_type"], about.get("session", ""))
        return all(isinstance(name, str) for name in (*names, request.get("msg_id", "")))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False


class Merge:
    """Restores the order of what was read from the pipes and the socket.

    Attributes:
        size: Bytes in memory that wait for their turn, estimated.
    """

    def __init__(self) -> None:
        self._texts: tuple[deque[Text | Barrier], ...] = tuple(deque() for _ in STREAM_NAMES)
        self._packets: deque[Packet] = deque()
        self._passed = 0  # the last barrier that was released
        self.size = 0

    def add(self, token: Text | Barrier | Packet) -> None:
        """Add the next token of a pipe or of the socket."""
        self.size += _size(token)
        if isinstance(token, Packet):
            self._packets.append(token)
        else:
            self._texts[token.stream].append(token)

    def take(self, *, flush: bool = False) -> Iterator[Text | Packet]:
        """Yield what can be put in order now, and remove it.

        Args:
            flush: Whether to yield everything that waits, for example because nothing more
                will come.
        """
        for item in self._take(flush):
            self.size -= _size(item)
            yield item

    def _take(self, flush: bool) -> Iterator[Text | Packet]:
        while True:
            waiting = self._packets[0].barrier if self._packets else 0
            for texts in self._texts:
                yield from self._before_barrier(texts, max(waiting, self._passed + 1))
            if not self._packets:
                break
            if waiting > self._passed and not flush and not all(self._texts):
                break  # the barrier has not arrived in one of the pipes
            self._passed = max(waiting, self._passed)
            yield self._packets.popleft()
        if flush:
            for texts in self._texts:
                while texts:
                    token = texts.popleft()
                    if isinstance(token, Text):
                        yield token
                    else:
                        self.size -= _size(token)
                        self._passed = max(self._passed, token.number)

    def _before_barrier(self, texts: deque[Text | Barrier], number: int) -> Iterator[Text]:
        """Take a pipe's texts up to the first barrier with at least this number."""
        while texts:
            head = texts[0]
            if isinstance(head, Text):
                yield head
            elif head.number >= number:
                return
            else:
                self.size -= _size(head)
            texts.popleft()


def _size(token: Text | Barrier | Packet) -> int:
    """Estimate the token's size in memory, in bytes."""
    return TOKEN_BYTES + (0 if isinstance(token, Barrier) else len(token.data))
