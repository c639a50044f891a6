"""Reads a kernel's output, and turns it into messages."""

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

from ipybox_runtime.wire import (
    HELLO,
    NO_PARENT,
    PACKET_BYTES,
    PACKET_HEAD,
    STREAM_NAMES,
    Merge,
    Packet,
    PacketReader,
    PipeReader,
    Text,
    frame_v1,
    parts_v1,
)

READ_BYTES = 64 * 1024
"""Bytes of one read."""

READS = 16
"""Reads from each pipe, and from the socket, before other kernels have their turn."""

LAST_READS = 64
"""Rounds of READS from the socket after the kernel has exited."""

STREAM_BYTES = 256 * 1024
"""About the size of a stream message where text comes fast."""

MAX_QUICK_READS = 3
"""Reads of text in quick succession after which reading waits for BATCH_DELAY."""

QUIET_INTERVAL = 0.002
"""Seconds without output after which the next read no longer counts as a quick one."""

BATCH_DELAY = 0.005
"""Seconds that reading waits for more text where text comes line by line."""

DEFAULT_MESSAGE_BYTES = 32 * 1024 * 1024
"""Largest message for a client that does not name a limit."""

PACKET_KIND = socket.SOCK_SEQPACKET if sys.platform == "linux" else socket.SOCK_STREAM

Frame = bytes
"""A message in the format of the v1 WebSocket protocol."""


class Relay:
    """The gateway's end of a kernel's two pipes and socket.

    While :meth:`pause` holds, nothing is read: the pipes fill up, and the kernel waits in its next
    print.

    Args:
        on_frame: Called with each message. A message of more than ``max_message`` bytes is replaced
            by one of type "oversized".

    Attributes:
        secret: The secret in the kernel's marks.
        hello: Done when the kernel says hello; cancelled if it exits before.
        ended: Whether the relay is closed.
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
        self._readers = [PipeReader(number, self.secret) for number in range(len(STREAM_NAMES))]
        self._packets = PacketReader(DEFAULT_MESSAGE_BYTES)
        self._partial = b""  # not on Linux: a packet that has not arrived completely
        self._merge = Merge()
        self._text: list[bytes] = []
        self._text_of: tuple[int, bytes] = (0, b"")  # stream and parent of the text
        self._text_size = 0
        self._tails = [b"", b""]  # for each stream, the beginning of a character
        self._reading = False
        self._batch: asyncio.TimerHandle | None = None
        self._last_read = 0.0
        self._quick_reads = 0
        self._had_text = self._had_message = False  # in the last read

    @property
    def max_message(self) -> int:
        """Bytes of the largest message that is passed on."""
        return self._packets.max_bytes

    @max_message.setter
    def max_message(self, size: int) -> None:
        self._packets.max_bytes = size

    @property
    def child_fds(self) -> tuple[int, int, int]:
        """File descriptors for the kernel: stdout, stderr, messages."""
        return (self._child_pipes[0], self._child_pipes[1], self._child.fileno())

    def send_launch(self, launch: str) -> None:
        """Send a kernel that is spawned its :class:`KernelLaunch`, as JSON."""
        self._messages.send(launch.encode())

    def start(self) -> None:
        """Close the kernel's ends, of which it has its own copies now, and begin to read."""
        for fd in self._child_pipes:
            os.close(fd)
        self._child_pipes = []
        self._child.close()
        self.resume()

    def pause(self) -> None:
        """Stop reading, until :meth:`resume`."""
        if self._batch is not None:
            self._batch.cancel()
            self._batch = None
        if self._reading:
            self._reading = False
            loop = asyncio.get_running_loop()
            for fd in self._open:
                loop.remove_reader(fd)

    def resume(self) -> None:
        """Read again, unless the relay is closed."""
        self._batch = None
        if not self._reading and not self.ended:
            self._reading = True
            loop = asyncio.get_running_loop()
            for fd in self._open:
                loop.add_reader(fd, self._readable)

    def finish(self) -> None:
        """Pass on all that the kernel has left, and close. Call it once the kernel has exited."""
        if self.ended:
            return
        # No more than the system can hold: a process that the kernel has left behind may go on
        # writing.
        for _ in range(LAST_READS):
            if not self._read_messages():
                break
        for number in range(len(self._pipes)):
            self._read_pipe(number)
        self.pause()
        self.ended = True
        try:
            self._pass_on(flush=True)
            self._flush_tails()
        finally:
            for fd in (*self._pipes, *self._child_pipes):
                os.close(fd)
            self._messages.close()
            self._child.close()
            if not self.hello.done():
                self.hello.cancel()

    def _read(self) -> None:
        # Messages first: when one is read, its barriers are in the pipes already.
        self._read_messages()
        for number in range(len(self._pipes)):
            self._read_pipe(number)
        self._pass_on()

    def _readable(self) -> None:
        now = time.monotonic()
        if self._had_message or now - self._last_read >= QUIET_INTERVAL:
            self._quick_reads = 0
        elif self._had_text:  # a barrier alone changes nothing: its message is on its way
            self._quick_reads += 1
        self._had_text = self._had_message = False
        self._read()
        self._last_read = time.monotonic()
        if self._quick_reads > MAX_QUICK_READS and self._reading:
            # Text that comes line by line is read in batches. A message for each line would cost
            # the gateway and the client more than the line is worth.
            self.pause()
            self._batch = asyncio.get_running_loop().call_later(BATCH_DELAY, self.resume)

    def _read_messages(self) -> bool:
        """Read from the socket; return whether there may be more."""
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
        """Return the packets in what was read, where the socket is a byte stream (not on Linux)."""
        if sys.platform == "linux":
            return [data]
        self._partial += data
        found = []
        while len(self._partial) >= 4:
            (size,) = struct.unpack_from("<I", self._partial)
            if size > PACKET_BYTES + PACKET_HEAD.size or len(self._partial) < 4 + size:
                break
            found.append(self._partial[4 : 4 + size])
            self._partial = self._partial[4 + size :]
        return found

    def _read_pipe(self, number: int) -> None:
        for _ in range(READS):
            try:
                data = os.read(self._pipes[number], READ_BYTES)
            except BlockingIOError:
                return
            if not data:
                self._closed(self._pipes[number])
                return
            for token in self._readers[number].feed(data, drained=len(data) < READ_BYTES):
                self._merge.add(token)

    def _closed(self, fd: int) -> None:
        """Stop reading a descriptor whose other end no process has open."""
        self._open.discard(fd)
        if self._reading:
            asyncio.get_running_loop().remove_reader(fd)

    def _pass_on(self, *, flush: bool = False) -> None:
        self._emit(self._merge.take(flush=flush))
        if self._merge.size > 2 * max(self.max_message, STREAM_BYTES):
            # Code may forge marks, so that output waits for a barrier that never comes.
            self._emit(self._merge.take(flush=True))

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
        if (text.stream, text.parent) != self._text_of:
            self._flush_text()
            if text.parent != self._text_of[1]:
                self._flush_tails()
            self._text_of = (text.stream, text.parent)
        self._text.append(text.data)
        self._text_size += len(text.data)
        if self._text_size >= STREAM_BYTES:
            self._flush_text()

    def _flush_text(self) -> None:
        """Pass on the collected text, but for a character that is not complete yet."""
        if not self._text:
            return
        stream, parent = self._text_of
        data = b"".join([self._tails[stream], *self._text])
        self._text, self._text_size = [], 0
        whole = len(data) - _cut_character(data)
        self._tails[stream] = data[whole:]
        if text := data[:whole].decode("utf-8", "replace"):
            self._had_text = True
            content = {"name": STREAM_NAMES[stream], "text": text}
            self._on_frame(self.message(parent, "stream", content))

    def _flush_tails(self) -> None:
        """Pass on the beginnings of characters that will never be complete."""
        for stream, tail in enumerate(self._tails):
            if tail:
                self._tails[stream] = b""
                content = {"name": STREAM_NAMES[stream], "text": tail.decode("utf-8", "replace")}
                self._on_frame(self.message(self._text_of[1], "stream", content))

    def message(self, parent: bytes, msg_type: str, content: Mapping[str, object]) -> Frame:
        """Return an iopub message that the gateway itself sends.

        Args:
            parent: JSON of the parent header.
            msg_type: Its type, one of Jupyter's or "oversized".
            content: Its content, in JSON's types.
        """
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
    """Return how many bytes at the end belong to a UTF-8 character that is not complete."""
    for back in range(1, min(4, len(data) + 1)):
        byte = data[-back]
        if byte & 0xC0 == 0x80:
            continue
        needed = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
        return back if needed > back else 0
    return 0
