"""How a kernel's output travels to the gateway. Pure: bytes in, tokens out.

Three lanes lead from a kernel to its gateway, each kept by the operating system,
so that nothing written is lost when the kernel dies:

- two pipes, which are file descriptors 1 and 2 of the kernel. They carry plain
  bytes, whoever writes them (the interpreter, a C library, a child process), and
  between them the kernel's *marks*: whose output follows, and barriers.
- a socket of packets, for all other messages: displays, results, status.

A mark is a terminal's operating system command with a secret in it. A write of at
most PIPE_BUF bytes is never torn, so a mark stands whole in the stream, and so does
a piece of text with its marks. A *barrier* of the same number stands in each pipe and
on the message that was sent with it: what precedes it in any lane comes before the
message, what follows comes after.
"""

import itertools
import json
import struct
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

PIPE_BUF = 4096
MARK_END = b"\x07"
LANE_NAMES = ("stdout", "stderr")

PACKET_HEAD = struct.Struct("<BIQQ")  # flags, sender's pid, barrier, size of the whole message
PACKET_BYTES = 60_000
FIRST, LAST = 1, 2
TOKEN_BYTES = 100
MAX_SENDERS = 64

NO_PARENT = b"{}"
MAX_PARENT_BYTES = 1024


def parent_bytes(header: dict[str, object]) -> bytes:
    """A parent header as it travels: JSON, of a size that leaves room for text."""
    packed = json.dumps(header, default=str).encode()
    if len(packed) > MAX_PARENT_BYTES:
        kept = {"msg_id": str(header.get("msg_id"))[:256], "msg_type": "", "session": ""}
        packed = json.dumps(kept).encode()
    return packed


@dataclass(frozen=True, slots=True)
class Marks:
    """Writes the marks of one kernel."""

    secret: str

    @property
    def start(self) -> bytes:
        return f"\x1b]ipybox;{self.secret};".encode()

    def parent(self, parent: bytes) -> bytes:
        """From here on, output belongs to the request with this header."""
        return self.start + b"P" + parent + MARK_END

    def barrier(self, number: int) -> bytes:
        return self.start + b"B%d" % number + MARK_END

    def scoped(self, parent: bytes, text: bytes) -> bytes:
        """Text of another request than the one that the lane is at."""
        return self.start + b"S" + parent + MARK_END + text + self.start + b"E" + MARK_END


@dataclass(frozen=True, slots=True)
class Text:
    lane: int
    parent: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Barrier:
    lane: int
    number: int


class LaneReader:
    """Parses one pipe."""

    def __init__(self, lane: int, secret: str) -> None:
        self._lane = lane
        self._start = Marks(secret).start
        self._parent = NO_PARENT
        self._scope: bytes | None = None
        self._rest = b""

    def feed(self, data: bytes, *, drained: bool) -> Iterator[Text | Barrier]:
        """The tokens of the next bytes. ``drained``: the pipe was empty behind them,
        so that no mark can be cut at their end."""
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
        return Text(self._lane, self._parent if self._scope is None else self._scope, data)

    def _take_mark(self, body: bytes) -> Barrier | None:
        kind, value = body[:1], body[1:]
        if kind == b"P":
            self._parent = value
        elif kind == b"S":
            self._scope = value
        elif kind == b"E":
            self._scope = None
        elif kind == b"B" and value.isdigit():
            return Barrier(self._lane, int(value))
        return None

    def _possible_mark(self, rest: bytes) -> int:
        """Where a mark may begin whose end has not been read yet."""
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
    """A message from the third lane; an empty one is a barrier alone. ``size`` is its own:
    where that is too large, ``data`` holds its beginning."""

    barrier: int
    data: bytes
    size: int


class PacketReader:
    """Puts messages together from packets. One cut short by its sender is dropped.

    Forked children of the kernel send too, each its own messages.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._parts: dict[int, list[bytes]] = {}

    def feed(self, packet: bytes) -> Packet | None:
        if len(packet) < PACKET_HEAD.size:
            return None
        flags, sender, barrier, size = PACKET_HEAD.unpack_from(packet)
        if flags & FIRST:
            self._parts.pop(sender, None)
            if len(self._parts) >= MAX_SENDERS:
                self._parts.pop(next(iter(self._parts)))  # the oldest, which has gone
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
    """A message in packets, each of which is sent whole or not at all."""
    view = memoryview(data)
    for start in range(0, max(len(data), 1), PACKET_BYTES):
        part = view[start : start + PACKET_BYTES]
        flags = (FIRST if start == 0 else 0) | (LAST if start + len(part) >= len(data) else 0)
        yield PACKET_HEAD.pack(flags, sender, barrier, len(data)) + part


def frame_v1(channel: bytes, parts: Sequence[bytes]) -> bytes:
    """Jupyter Server, "v1.kernel.websocket.jupyter.org": offsets first, then the parts."""
    blocks = [channel, *parts]
    offset = 8 * (len(blocks) + 2)
    offsets = [offset]
    for block in blocks:
        offset += len(block)
        offsets.append(offset)
    return struct.pack(f"<Q{len(offsets)}Q", len(offsets), *offsets) + b"".join(blocks)


def parts_v1(frame: bytes, count: int) -> list[bytes]:
    """The first ``count`` parts of such a frame, the channel among them. ValueError for none."""
    try:
        offsets = struct.unpack_from(f"<{count + 1}Q", frame, 8)
    except struct.error as error:
        raise ValueError("the frame is too short") from error
    if list(offsets) != sorted(offsets) or offsets[-1] > len(frame):
        raise ValueError("the frame has its parts out of bounds")
    return [frame[start:end] for start, end in itertools.pairwise(offsets)]


def is_message(frame: bytes) -> bool:
    """Whether a client can tell what it is and whose: code can send its gateway anything."""
    try:
        _, header, parent, _, _ = parts_v1(frame, 5)
        about, request = json.loads(header), json.loads(parent)
        names = (about["msg_id"], about["msg_type"], about.get("session", ""))
        return all(isinstance(name, str) for name in (*names, request.get("msg_id", "")))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False


class Merge:
    """Brings the lanes into one order."""

    def __init__(self) -> None:
        self._texts: tuple[deque[Text | Barrier], ...] = tuple(deque() for _ in LANE_NAMES)
        self._packets: deque[Packet] = deque()
        self._passed = 0  # the last barrier that was released
        self.size = 0
        """Bytes that wait for their place."""

    def add(self, token: Text | Barrier | Packet) -> None:
        self.size += _size(token)
        if isinstance(token, Packet):
            self._packets.append(token)
        else:
            self._texts[token.lane].append(token)

    def take(self, *, all_in: bool = False) -> Iterator[Text | Packet]:
        """What is in its place now. ``all_in``: nothing more comes, so that nothing waits."""
        for item in self._take(all_in):
            self.size -= _size(item)
            yield item

    def _take(self, all_in: bool) -> Iterator[Text | Packet]:
        while True:
            waiting = self._packets[0].barrier if self._packets else 0
            for lane in self._texts:
                yield from self._before_barrier(lane, max(waiting, self._passed + 1))
            if not self._packets:
                break
            if waiting > self._passed and not all_in and not all(self._texts):
                break  # a lane has still to reach it
            self._passed = max(waiting, self._passed)
            yield self._packets.popleft()
        if all_in:
            for lane in self._texts:
                while lane:
                    token = lane.popleft()
                    if isinstance(token, Text):
                        yield token
                    else:
                        self.size -= _size(token)
                        self._passed = max(self._passed, token.number)

    def _before_barrier(self, lane: deque[Text | Barrier], number: int) -> Iterator[Text]:
        """Takes the lane's texts up to a barrier of this number, or a later one."""
        while lane:
            head = lane[0]
            if isinstance(head, Text):
                yield head
            elif head.number >= number:
                return
            else:
                self.size -= _size(head)
            lane.popleft()


def _size(token: Text | Barrier | Packet) -> int:
    """About what it takes in memory, in bytes."""
    return TOKEN_BYTES + (0 if isinstance(token, Barrier) else len(token.data))
