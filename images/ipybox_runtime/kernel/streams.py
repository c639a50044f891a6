"""sys.stdout and sys.stderr of a kernel."""

import io
import json
import threading
import time
from collections.abc import Mapping
from typing import Any

from ipybox_runtime.kernel.outlet import PARENT, Outlet
from ipybox_runtime.wire import LANE_NAMES, parent_bytes

FULL_BYTES = 4096
PROMPT_LINES = 200
"""As many lines in a window leave at once, each by itself; more of them wait for company."""
WINDOW_SECONDS = 0.02


class Console:
    """Both streams: keeps their order, and sends what waits before long."""

    def __init__(self, outlet: Outlet) -> None:
        self.outlet = outlet
        outlet.before_message = self.flush
        self.stdout, self.stderr = (OutputStream(self, lane) for lane in range(len(LANE_NAMES)))
        self._last: OutputStream | None = None
        self._waiting = threading.Event()
        self._flusher: threading.Thread | None = None

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
        """Called before a stream is written to: where it changes, the order is marked."""
        if self._last is not None and self._last is not stream:
            self._last.flush()
            self.outlet.send_barrier()
        self._last = stream

    def flush_soon(self) -> None:
        if self._flusher is None or not self._flusher.is_alive():  # not yet, or a forked child
            self._waiting = threading.Event()
            self._flusher = threading.Thread(target=self._flush_waiting, name="flush", daemon=True)
            self._flusher.start()
        self._waiting.set()

    def _flush_waiting(self) -> None:
        while True:
            self._waiting.wait()
            self._waiting.clear()
            time.sleep(WINDOW_SECONDS)  # for more to come: one write for many lines
            self.flush()


class OutputStream(io.TextIOBase):
    """Text to one lane. A line leaves at once, unless many come; then they leave together."""

    def __init__(self, console: Console, lane: int) -> None:
        self._console = console
        self._lane = lane
        self._lock = threading.RLock()
        self._pending = bytearray()
        self._parent = b""
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
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self.write_bytes(text.encode("utf-8", "backslashreplace"))
        return len(text)

    def write_bytes(self, data: bytes | bytearray | memoryview) -> None:
        data = bytes(data)
        if not data:
            return
        parent = self._console.outlet.current_parent()
        self._console.take_turn(self)
        with self._lock:
            if self._pending and parent != self._parent:
                self.flush()
            self._parent = parent
            self._pending += data
            if len(self._pending) >= FULL_BYTES or (b"\n" in data and self._prompt()):
                self.flush()
                return
        self._console.flush_soon()

    def flush(self) -> None:
        if not self._pending:
            return
        with self._lock:
            self._console.outlet.write_text(self._lane, self._parent, self._pending)

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

    def _prompt(self) -> bool:
        now = time.monotonic()
        if now > self._window_end:
            self._window_end = now + WINDOW_SECONDS
            self._lines_left = PROMPT_LINES
        self._lines_left -= 1
        return self._lines_left >= 0


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
