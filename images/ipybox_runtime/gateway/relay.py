"""Reads what a kernel puts out, and makes messages of it."""

import asyncio
import json
import os
import secrets
import socket
import struct
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

from ipybox_runtime.kernel.names import HELLO
from ipybox_runtime.wire import (
    LANE_NAMES,
    NO_PARENT,
    PACKET_BYTES,
    PACKET_HEAD,
    LaneReader,
    Merge,
    Packet,
    PacketReader,
    Text,
    frame_v1,
    parts_v1,
)

READ_BYTES = 64 * 1024
READS = 16
"""Of each lane in one go; then other kernels have their turn."""
LAST_READS = 64
STREAM_BYTES = 256 * 1024
"""Text is put together to messages of about this size, where it comes fast."""
READS_IN_A_ROW = 3
CALM_SECONDS = 0.002
GULP_SECONDS = 0.005
DEFAULT_MESSAGE_BYTES = 32 * 1024 * 1024
PACKET_KIND = socket.SOCK_SEQPACKET if sys.platform == "linux" else socket.SOCK_STREAM

Frame = bytes
"""A message as the v1 WebSocket protocol has it."""


class Relay:
    """The gateway's end of a kernel's three lanes.

    ``on_frame`` gets each message, and in place of one above ``max_message`` bytes one
    of type "oversized". While :meth:`pause` holds, nothing is read: the pipes fill up,
    and the kernel waits in its next print.
    """

    def __init__(self, on_frame: Callable[[Frame], None]) -> None:
        self.secret = secrets.token_hex(8)
        self.hello: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended = False
        self._on_frame = on_frame
        pipes = [os.pipe(), os.pipe()]
        self._messages, child = socket.socketpair(socket.AF_UNIX, PACKET_KIND)
        self._child = child
        self._child_pipes = [write for _, write in pipes]
        self._pipes = [read for read, _ in pipes]
        self._open = {*self._pipes, self._messages.fileno()}
        for fd in self._open:
            os.set_blocking(fd, False)
        self._lanes = [LaneReader(lane, self.secret) for lane in range(len(LANE_NAMES))]
        self._packets = PacketReader(DEFAULT_MESSAGE_BYTES)
        self._stream = b""  # macOS: packets that have not come whole yet
        self._merge = Merge()
        self._text: list[bytes] = []
        self._text_of: tuple[int, bytes] = (0, b"")
        self._text_size = 0
        self._tails = [b"", b""]
        self._reading = False
        self._gulp: asyncio.TimerHandle | None = None
        self._last_read = 0.0
        self._in_a_row = 0
        self._had_text = self._had_message = False
        """Of the last read."""

    @property
    def max_message(self) -> int:
        """In bytes."""
        return self._packets.max_bytes

    @max_message.setter
    def max_message(self, size: int) -> None:
        self._packets.max_bytes = size

    @property
    def child_fds(self) -> tuple[int, int, int]:
        """For the kernel: stdout, stderr, messages."""
        return (self._child_pipes[0], self._child_pipes[1], self._child.fileno())

    def send_launch(self, launch: str) -> None:
        """For a kernel that is spawned: what it is to be."""
        self._messages.send(launch.encode())

    def start(self) -> None:
        """Closes the kernel's ends, which it has now, and begins to read."""
        for fd in self._child_pipes:
            os.close(fd)
        self._child_pipes = []
        self._child.close()
        self.resume()

    def pause(self) -> None:
        if self._gulp is not None:
            self._gulp.cancel()
            self._gulp = None
        if self._reading:
            self._reading = False
            loop = asyncio.get_running_loop()
            for fd in self._open:
                loop.remove_reader(fd)

    def resume(self) -> None:
        self._gulp = None
        if not self._reading and not self.ended:
            self._reading = True
            loop = asyncio.get_running_loop()
            for fd in self._open:
                loop.add_reader(fd, self._readable)

    def finish(self) -> None:
        """The kernel has ended: passes on all that it has left, and closes."""
        if self.ended:
            return
        # As much as the system can hold of it, and no more: a process that it has left
        # behind may go on writing.
        for _ in range(LAST_READS):
            if not self._read_messages():
                break
        for lane in range(len(self._pipes)):
            self._read_pipe(lane)
        self.pause()
        self.ended = True
        try:
            self._pass_on(all_in=True)
            self._flush_tails()
        finally:
            for fd in (*self._pipes, *self._child_pipes):
                os.close(fd)
            self._messages.close()
            self._child.close()
            if not self.hello.done():
                self.hello.cancel()

    def _read(self) -> None:
        # Messages first: the marks that belong to them are in the pipes by then.
        self._read_messages()
        for lane in range(len(self._pipes)):
            self._read_pipe(lane)
        self._pass_on()

    def _readable(self) -> None:
        now = time.monotonic()
        if self._had_message or now - self._last_read >= CALM_SECONDS:
            self._in_a_row = 0
        elif self._had_text:  # a mark alone counts neither way: its message is on its way
            self._in_a_row += 1
        self._had_text = self._had_message = False
        self._read()
        self._last_read = time.monotonic()
        if self._in_a_row > READS_IN_A_ROW and self._reading:
            # Text that comes line by line is read in gulps: a message for each line
            # would cost everybody more than the line.
            self.pause()
            self._gulp = asyncio.get_running_loop().call_later(GULP_SECONDS, self.resume)

    def _read_messages(self) -> bool:
        """Returns whether there may be more."""
        for _ in range(READS):
            try:
                data = self._messages.recv(READ_BYTES)
            except BlockingIOError:
                return False
            except OSError:
                data = b""
            if not data:
                self._closed(self._messages.fileno())
                return False
            for packet in self._split(data):
                message = self._packets.feed(packet)
                if message is not None:
                    self._merge.add(message)
        return True

    def _split(self, data: bytes) -> list[bytes]:
        if sys.platform == "linux":
            return [data]
        self._stream += data
        found = []
        while len(self._stream) >= 4:
            (size,) = struct.unpack_from("<I", self._stream)
            if size > PACKET_BYTES + PACKET_HEAD.size or len(self._stream) < 4 + size:
                break
            found.append(self._stream[4 : 4 + size])
            self._stream = self._stream[4 + size :]
        return found

    def _read_pipe(self, lane: int) -> None:
        for _ in range(READS):
            try:
                data = os.read(self._pipes[lane], READ_BYTES)
            except BlockingIOError:
                return
            if not data:
                self._closed(self._pipes[lane])
                return
            for token in self._lanes[lane].feed(data, drained=len(data) < READ_BYTES):
                self._merge.add(token)

    def _closed(self, fd: int) -> None:
        """Nobody has the other end any more."""
        self._open.discard(fd)
        if self._reading:
            asyncio.get_running_loop().remove_reader(fd)

    def _pass_on(self, *, all_in: bool = False) -> None:
        self._emit(self._merge.take(all_in=all_in))
        if self._merge.size > 2 * max(self.max_message, STREAM_BYTES):
            # Code may write marks of its own, that wait for what never comes.
            self._emit(self._merge.take(all_in=True))

    def _emit(self, items: Iterator[Text | Packet]) -> None:
        for item in items:
            if isinstance(item, Text):
                self._add_text(item)
                continue
            self._flush_text()
            self._pass_message(item)
        self._flush_text()

    def _pass_message(self, message: Packet) -> None:
        self._had_message = True
        if message.data == HELLO:
            if not self.hello.done():
                self.hello.set_result(None)
        elif message.size > self._packets.max_bytes:
            try:
                parent = parts_v1(message.data, 3)[2]
            except ValueError:
                parent = NO_PARENT
            self._on_frame(self.message(parent, "oversized", {"bytes": message.size}))
        elif message.data:
            self._on_frame(message.data)

    def _add_text(self, text: Text) -> None:
        if (text.lane, text.parent) != self._text_of:
            self._flush_text()
            if text.parent != self._text_of[1]:
                self._flush_tails()
            self._text_of = (text.lane, text.parent)
        self._text.append(text.data)
        self._text_size += len(text.data)
        if self._text_size >= STREAM_BYTES:
            self._flush_text()

    def _flush_text(self) -> None:
        if not self._text:
            return
        lane, parent = self._text_of
        data = b"".join([self._tails[lane], *self._text])
        self._text, self._text_size = [], 0
        whole = len(data) - _cut_character(data)
        self._tails[lane] = data[whole:]
        if text := data[:whole].decode("utf-8", "replace"):
            self._had_text = True
            content = {"name": LANE_NAMES[lane], "text": text}
            self._on_frame(self.message(parent, "stream", content))

    def _flush_tails(self) -> None:
        """Characters that will not become whole any more."""
        for lane, tail in enumerate(self._tails):
            if tail:
                self._tails[lane] = b""
                content = {"name": LANE_NAMES[lane], "text": tail.decode("utf-8", "replace")}
                self._on_frame(self.message(self._text_of[1], "stream", content))

    def message(self, parent: bytes, msg_type: str, content: Mapping[str, object]) -> Frame:
        """An iopub message of the gateway's own making."""
        header = {
            "msg_id": uuid.uuid4().hex,
            "msg_type": msg_type,
            "session": self.secret,
            "username": "kernel",
            "date": datetime.now(UTC).isoformat(),
            "version": "5.4",
        }
        parts = [json.dumps(part).encode() for part in (header, {}, content)]
        return frame_v1(b"iopub", [parts[0], parent, parts[1], parts[2]])


def _cut_character(data: bytes) -> int:
    """How many bytes at the end begin a UTF-8 character that is not whole yet."""
    for back in range(1, min(4, len(data) + 1)):
        byte = data[-back]
        if byte & 0xC0 == 0x80:
            continue
        needed = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
        return back if needed > back else 0
    return 0
