"""sys.stdout and sys.stderr of a kernel."""

import io
import json
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from threading import get_ident
from typing import Any

from ipybox_runtime.kernel.outlet import PARENT, Outlet
from ipybox_runtime.wire import LANE_NAMES, NO_PARENT, parent_bytes

FULL_BYTES = 4096
PROMPT_LINES = 50
"""As many lines in a window leave at once, each by itself; more of them wait for company."""
WINDOW_SECONDS = 0.02


class Console:
    """Both streams: keeps their order, and sends what waits before long."""

    def __init__(self, outlet: Outlet) -> None:
        self.outlet = outlet
        outlet.before_message = self.flush
        os.register_at_fork(before=self.flush)  # else both would say it
        self.stdout, self.stderr = (OutputStream(self, lane) for lane in range(len(LANE_NAMES)))
        self.last: OutputStream | None = None
        self.waiting = False
        self._wake = threading.Event()
        self._flusher: threading.Thread | None = None
        os.register_at_fork(after_in_child=self._is_fork)

    def set_parent(self, header: Mapping[str, Any]) -> None:
        """Whose output follows. What another request has written leaves before."""
        self.flush()
        parent = parent_bytes(dict(header))
        PARENT.set(parent)
        self.outlet.set_parent(parent)

    def flush(self) -> None:
        self.stdout.flush()
        self.stderr.flush()

    def take_turn(self, stream: "OutputStream") -> None:
        """Called when another stream is written to than before: the order is marked."""
        if self.last is not None:
            self.last.flush()
            self.outlet.send_barrier()
        self.last = stream

    def flush_soon(self) -> None:
        """Called once, until it was done."""
        if self._flusher is None:
            flusher = threading.Thread(target=self._flush_waiting, name="flush", daemon=True)
            try:
                _start_thread(flusher)
            except RuntimeError:  # no more threads
                self.flush()
                return
            self._flusher = flusher
        with self.outlet.uninterrupted():  # one without the other, and nothing is flushed
            self.waiting = True
            self._wake.set()

    def _flush_waiting(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            time.sleep(WINDOW_SECONDS)  # for more to come: one write for many lines
            self.waiting = False
            self.flush()

    def _is_fork(self) -> None:
        """A child process has none of the parent's threads."""
        self.waiting = False
        self._wake = threading.Event()
        self._flusher = None
        for stream in (self.stdout, self.stderr):
            stream.is_fork()


_start_thread = threading.Thread.start
"""Of our own thread, which belongs to nobody's execution."""


class OutputStream(io.TextIOBase):
    """Text to one lane. A line leaves at once, unless many come; then they leave together."""

    def __init__(self, console: Console, lane: int) -> None:
        self._console = console
        self._lane = lane
        self._lock = threading.RLock()
        self._holder = 0  # the thread that is in the midst of it
        self._chunks: deque[str | bytes] = deque()  # behind what is pending
        self._chunks_size = 0
        self._pending = bytearray()
        self._parent = NO_PARENT
        self._window_end = 0.0
        self._lines_left = 0
        self.name = f"<{LANE_NAMES[lane]}>"

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        return "backslashreplace"

    @property
    def buffer(self) -> "BinaryOutput":
        """The stream for bytes, as a text file has one."""
        return BinaryOutput(self)

    def fileno(self) -> int:
        """What child processes write to."""
        return self._lane + 1

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        console = self._console
        # A flush is on its way and will take this along: no lock, no system call.
        if (
            self._lines_left <= 0
            and console.waiting
            and console.last is self
            and text.__class__ is str
            and PARENT.get(console.outlet.parent) is self._parent
            and self._chunks_size < FULL_BYTES
        ):
            self._chunks.append(text)
            self._chunks_size += len(text)
            if not console.waiting:  # the flush has just gone by
                console.flush_soon()
            return len(text)
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self.write_bytes(text.encode("utf-8", "backslashreplace"))
        return len(text)

    def write_bytes(self, data: bytes | bytearray | memoryview) -> None:
        console = self._console
        if self._holder == get_ident():  # a signal handler prints while its thread does
            self._chunks.append(bytes(data))
            return
        if console.last is not self:
            console.take_turn(self)
        parent = PARENT.get(console.outlet.parent)
        pending = self._pending

        def add() -> None:
            self._gather()
            self._renew_window()
            if parent is not self._parent:
                if pending and parent != self._parent:
                    console.outlet.write_text(self._lane, self._parent, pending)
                self._parent = parent
            pending.extend(data)
            if len(pending) >= FULL_BYTES or (self._lines_left > 0 and b"\n" in data):
                self._lines_left -= 1
                console.outlet.write_text(self._lane, parent, pending)
            elif pending and not console.waiting:
                console.flush_soon()

        self._hold(add)

    def flush(self) -> None:
        # What another thread holds is no longer pending, and may not have been written yet.
        if (self._pending or self._chunks or self._holder) and self._holder != get_ident():
            self._hold(self._write_pending)

    def _write_pending(self) -> None:
        self._gather()
        self._console.outlet.write_text(self._lane, self._parent, self._pending)

    def _hold(self, do: Callable[[], None]) -> None:
        """Does it as the only thread. No context manager written in Python holds the lock:
        an interrupt on the way into its ``__exit__`` would leave it held, and nothing that
        is printed later would get out."""
        with self._lock:
            try:
                self._holder = get_ident()
                do()
            finally:
                self._holder = 0
        if self._chunks and not self._console.waiting:
            self._console.flush_soon()

    def _gather(self) -> None:
        """Other threads may append meanwhile: what is here now is taken, one by one."""
        chunks = self._chunks
        if chunks:
            with self._console.outlet.uninterrupted():
                self._chunks_size = 0
                taken = [chunks.popleft() for _ in range(len(chunks))]
                self._pending += _encoded(taken)

    def is_fork(self) -> None:
        """In a forked child: the lock may be held by a thread that is not there, and what
        waits is the parent's to say."""
        self._lock = threading.RLock()
        self._holder = 0
        self._chunks.clear()
        self._chunks_size = 0
        self._pending.clear()

    def isatty(self) -> bool:
        return False

    def close(self) -> None:
        """Stays open, as the terminal does; what waits is sent."""
        self.flush()

    # What ipykernel asks of its own streams.

    def set_parent(self, parent: Mapping[str, Any]) -> None:
        """Called for both streams, one after the other; the first one is enough."""
        if self._lane == 0:
            self._console.set_parent(parent.get("header", parent))

    @property
    def parent_header(self) -> dict[str, Any]:
        header: dict[str, Any] = json.loads(self._console.outlet.current_parent())
        return header

    def _renew_window(self) -> None:
        if self._lines_left <= 0 and (now := time.monotonic()) >= self._window_end:
            self._window_end = now + WINDOW_SECONDS
            self._lines_left = PROMPT_LINES


def _encoded(chunks: list[str | bytes]) -> bytes:
    try:
        return "".join(chunks).encode("utf-8", "backslashreplace")  # type: ignore[arg-type]
    except TypeError:  # there are bytes among them
        parts = (
            c if isinstance(c, bytes) else c.encode("utf-8", "backslashreplace") for c in chunks
        )
        return b"".join(parts)


class BinaryOutput(io.BufferedIOBase):
    """``sys.stdout.buffer``."""

    def __init__(self, stream: OutputStream) -> None:
        self.raw = stream
        self._stream = stream

    def fileno(self) -> int:
        return self._stream.fileno()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._stream.write_bytes(data)
        return memoryview(data).nbytes

    def flush(self) -> None:
        self._stream.flush()

    def close(self) -> None:
        self.flush()
