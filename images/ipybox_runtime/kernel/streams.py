"""``sys.stdout`` and ``sys.stderr`` of a kernel."""

import io
import json
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from threading import get_ident
from typing import Any

from ipybox_runtime.kernel.attribution import CURRENT_REQUEST
from ipybox_runtime.kernel.output import OutputChannel
from ipybox_runtime.wire import NO_PARENT, STREAM_NAMES, parent_bytes

MAX_PENDING = 4096
"""Bytes (or characters, before they are encoded) that a stream holds back at most."""

BATCH_WINDOW = 0.02
"""Seconds in which IMMEDIATE_LINES are counted, and that a flush waits for more text."""

IMMEDIATE_LINES = 50
"""Lines that a stream writes at once, one by one, in each BATCH_WINDOW. The next ones are written
together."""


class Console:
    """Both streams of a kernel: keeps their order, and writes soon what they hold back.

    Args:
        output: Where the text leaves the process.

    Attributes:
        stdout: Takes the place of ``sys.stdout``.
        stderr: Takes the place of ``sys.stderr``.
        last: The stream that was written to last.
        flush_scheduled: Whether a flush will write what the streams hold back.
    """

    def __init__(self, output: OutputChannel) -> None:
        self.output = output
        output.before_message = self.flush
        os.register_at_fork(before=self.flush)  # otherwise parent and child would both write it
        self.stdout, self.stderr = (
            OutputStream(self, number) for number in range(len(STREAM_NAMES))
        )
        self.last: OutputStream | None = None
        self.flush_scheduled = False
        self._wake = threading.Event()
        self._flusher: threading.Thread | None = None
        os.register_at_fork(after_in_child=self._after_fork_in_child)

    def set_parent(self, header: Mapping[str, Any]) -> None:
        """Write what earlier requests have printed; assign what follows to this one.

        Args:
            header: Header of the request.
        """
        self.flush()
        parent = parent_bytes(dict(header))
        CURRENT_REQUEST.set(parent)
        self.output.set_parent(parent)

    def flush(self) -> None:
        """Write what both streams hold back."""
        self.stdout.flush()
        self.stderr.flush()

    def switch_to(self, stream: "OutputStream") -> None:
        """Keep the order when a program writes to another stream than before."""
        if self.last is not None:
            self.last.flush()
            self.output.send_barrier()
        self.last = stream

    def flush_soon(self) -> None:
        """Schedule a flush. To be called only while none is scheduled."""
        if self._flusher is None:
            flusher = threading.Thread(target=self._flush_when_woken, name="flush", daemon=True)
            try:
                _start_thread(flusher)
            except RuntimeError:  # the system has no more threads
                self.flush()
                return
            self._flusher = flusher
        # An interrupt between the two statements would leave no flush on its way.
        with self.output.uninterrupted():
            self.flush_scheduled = True
            self._wake.set()

    def _flush_when_woken(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            time.sleep(BATCH_WINDOW)  # more text may come: one write for many lines
            self.flush_scheduled = False
            self.flush()

    def _after_fork_in_child(self) -> None:
        """Start without the parent's threads, which a child process does not have."""
        self.flush_scheduled = False
        self._wake = threading.Event()
        self._flusher = None
        for stream in (self.stdout, self.stderr):
            stream.reset_after_fork()


_start_thread = threading.Thread.start
"""The unpatched method, for the flush thread, which belongs to no execution."""


class OutputStream(io.TextIOBase):
    """A text stream to one pipe. Writes each line at once, or many together if many come.

    Args:
        console: The console that the stream belongs to.
        number: 0 for stdout, 1 for stderr.
    """

    def __init__(self, console: Console, number: int) -> None:
        self._console = console
        self._number = number
        self._lock = threading.RLock()
        self._holder = 0  # the thread that changes the stream just now; 0: none
        self._chunks: deque[str | bytes] = deque()  # what follows the pending bytes
        self._chunks_size = 0
        self._pending = bytearray()
        self._parent = NO_PARENT  # of the pending bytes
        self._window_end = 0.0
        self._lines_left = 0
        self.name = f"<{STREAM_NAMES[number]}>"

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        return "backslashreplace"

    @property
    def buffer(self) -> "BinaryOutput":
        """The stream's binary counterpart, as text files have one."""
        return BinaryOutput(self)

    def fileno(self) -> int:
        """Return the descriptor that child processes write to."""
        return self._number + 1

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        """Write text, or hold it back for at most about BATCH_WINDOW.

        Returns:
            The number of characters.

        Raises:
            TypeError: ``text`` is not a str.
        """
        console = self._console
        # A scheduled flush will take the text along: no lock, no system call.
        if (
            self._lines_left <= 0
            and console.flush_scheduled
            and console.last is self
            and text.__class__ is str
            and CURRENT_REQUEST.get(console.output.parent) is self._parent
            and self._chunks_size < MAX_PENDING
        ):
            self._chunks.append(text)
            self._chunks_size += len(text)
            if not console.flush_scheduled:  # the flush may have run before the append
                console.flush_soon()
            return len(text)
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self.write_bytes(text.encode("utf-8", "backslashreplace"))
        return len(text)

    def write_bytes(self, data: bytes | bytearray | memoryview) -> None:
        """Write bytes, or hold them back like :meth:`write`."""
        console = self._console
        if self._holder == get_ident():  # a signal handler prints while its thread does
            self._chunks.append(bytes(data))
            return
        if console.last is not self:
            console.switch_to(self)
        parent = CURRENT_REQUEST.get(console.output.parent)
        pending = self._pending

        def add() -> None:
            self._gather()
            self._renew_window()
            if parent is not self._parent:
                if pending and parent != self._parent:
                    console.output.write_text(self._number, self._parent, pending)
                self._parent = parent
            pending.extend(data)
            if len(pending) >= MAX_PENDING or (self._lines_left > 0 and b"\n" in data):
                self._lines_left -= 1
                console.output.write_text(self._number, parent, pending)
            elif pending and not console.flush_scheduled:
                console.flush_soon()

        self._locked(add)

    def flush(self) -> None:
        """Write what the stream holds back; return once the system has it."""
        # What another thread took out of the buffers may not have been written yet, so wait
        # for that thread.
        if (self._pending or self._chunks or self._holder) and self._holder != get_ident():
            self._locked(self._write_pending)

    def _write_pending(self) -> None:
        self._gather()
        self._console.output.write_text(self._number, self._parent, self._pending)

    def _locked(self, action: Callable[[], None]) -> None:
        """Run ``action`` while no other thread changes the stream.

        No context manager written in Python holds the lock: an interrupt on the way into its
        ``__exit__`` would leave the lock held, and nothing printed later would get out.
        """
        with self._lock:
            try:
                self._holder = get_ident()
                action()
            finally:
                self._holder = 0
        if self._chunks and not self._console.flush_scheduled:
            self._console.flush_soon()

    def _gather(self) -> None:
        """Move the chunks that are here now to the pending bytes.

        One by one, because other threads may append meanwhile.
        """
        chunks = self._chunks
        if chunks:
            with self._console.output.uninterrupted():
                self._chunks_size = 0
                taken = [chunks.popleft() for _ in range(len(chunks))]
                self._pending += _encoded(taken)

    def reset_after_fork(self) -> None:
        """Reset the stream in a forked child.

        A thread that the child does not have may hold the lock, and what the stream holds back
        is the parent's to write.
        """
        self._lock = threading.RLock()
        self._holder = 0
        self._chunks.clear()
        self._chunks_size = 0
        self._pending.clear()

    def isatty(self) -> bool:
        return False

    def close(self) -> None:
        """Write what is held back; the stream stays open, as a terminal does."""
        self.flush()

    # ipykernel expects the following of its own streams.

    def set_parent(self, parent: Mapping[str, Any]) -> None:
        """Set the parent of both streams. ipykernel calls this for each; stdout's call counts."""
        if self._number == 0:
            self._console.set_parent(parent.get("header", parent))

    @property
    def parent_header(self) -> dict[str, Any]:
        header: dict[str, Any] = json.loads(self._console.output.current_parent())
        return header

    def _renew_window(self) -> None:
        if self._lines_left <= 0 and (now := time.monotonic()) >= self._window_end:
            self._window_end = now + BATCH_WINDOW
            self._lines_left = IMMEDIATE_LINES


def _encoded(chunks: list[str | bytes]) -> bytes:
    try:
        return "".join(chunks).encode("utf-8", "backslashreplace")  # type: ignore[arg-type]
    except TypeError:  # some chunks are bytes
        parts = (
            c if isinstance(c, bytes) else c.encode("utf-8", "backslashreplace") for c in chunks
        )
        return b"".join(parts)


class BinaryOutput(io.BufferedIOBase):
    """``sys.stdout.buffer`` and ``sys.stderr.buffer``."""

    def __init__(self, stream: OutputStream) -> None:
        self.raw = stream
        self._stream = stream

    def fileno(self) -> int:
        return self._stream.fileno()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        """Write bytes; return how many."""
        self._stream.write_bytes(data)
        return memoryview(data).nbytes

    def flush(self) -> None:
        self._stream.flush()

    def close(self) -> None:
        self.flush()
