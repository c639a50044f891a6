"""Where a kernel's output leaves its process. Each call returns when the system has it."""

import contextvars
import os
import select
import signal
import socket
import struct
import sys
import threading
import time
from _thread import start_new_thread
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import get_ident
from types import FrameType
from typing import Any

from ipybox_runtime.wire import NO_PARENT, PIPE_BUF, Marks, frame_v1, packets

EXIT_CUT_OFF = 70  # sysexits, EX_SOFTWARE: the code closed what leads to the gateway
SEND_FLAGS = socket.MSG_DONTWAIT if sys.platform == "linux" else 0
DELIMITER = b"<IDS|MSG>"
AGAIN_SECONDS = 0.01
ECHO_SECONDS = 0.005
"""An interrupt so soon after one that was raised is the same: who asks again may be late."""
PATIENCE_SECONDS = 0.5
"""How long an interrupt waits at most for code of the user's to run."""

end_process = os._exit
"""Before :mod:`ipybox_runtime.kernel.app` puts a flush before it."""

PARENT: contextvars.ContextVar[bytes] = contextvars.ContextVar("ipybox_parent")
"""The request whose output this thread or task writes; unset: the last one."""


class Outlet:
    """The kernel's end of the three lanes. Any thread may use it, and forked children.

    It stands where ipykernel has its iopub socket and the thread for it: ``send_multipart``
    takes a message as jupyter_client's Session serializes it.
    """

    closed = False

    def __init__(self, pipes: Sequence[int], messages: socket.socket, secret: str) -> None:
        self._pipes = tuple(_unblocked(pipe) for pipe in pipes)
        self._messages = messages
        self._marks = Marks(secret)
        self.owned = True
        """Whether this is the kernel's own process, and no fork of it."""
        self._main_thread = threading.main_thread().ident or get_ident()
        self._barrier = 0
        self.parent = NO_PARENT
        self._lock = threading.RLock()
        self._writing = False  # the main thread, where an interrupt would lose or double text
        self._interrupted = 0.0  # since when an interrupt waits for its moment
        self._raised = 0.0  # when one was, last
        self.in_user_code: Callable[[FrameType | None], bool] = lambda _frame: True
        self.before_message: Callable[[], None] = lambda: None
        os.register_at_fork(
            before=self._fork_begins,
            after_in_parent=self._fork_ended,
            after_in_child=self._is_fork,
        )

    def set_parent(self, parent: bytes) -> None:
        """Output that belongs to no request of its own belongs to this one from now on."""
        with self._lock:
            self.parent = parent
            for pipe in self._pipes:
                self._write(pipe, self._marks.parent(parent))

    def current_parent(self) -> bytes:
        return PARENT.get(self.parent)

    def write_text(self, lane: int, parent: bytes, pending: bytearray) -> None:
        """Writes text of a request, and takes what was written out of ``pending``."""
        pipe = self._pipes[lane]
        with self._lock:
            plain = self.owned and (parent is self.parent or parent == self.parent)
            room = PIPE_BUF if plain else PIPE_BUF - len(self._marks.scoped(parent, b""))
            while pending:
                size = _piece(pending, room)
                data = bytes(pending[:size])
                if not plain:
                    data = self._marks.scoped(parent, data)
                self._write(pipe, data, taken=(pending, size))

    def send_barrier(self) -> None:
        """What was written before comes before what is written after, in all lanes."""
        if self.owned:
            self._send(b"")

    def send_multipart(self, parts: Sequence[Any], *_: Any, **__: Any) -> None:
        """A message in Jupyter's wire format; it travels as a v1 WebSocket frame."""
        whole = [bytes(part) for part in parts]
        signature = whole.index(DELIMITER) + 1
        self.before_message()  # what was printed until now
        self._send(frame_v1(b"iopub", whole[signature + 1 :]))

    def say(self, word: bytes) -> None:
        """Something for the gateway itself."""
        self._send(word)

    def interrupt(self, _signum: int, frame: FrameType | None) -> None:
        """The handler of SIGINT: raises KeyboardInterrupt in the user's code alone. In
        mid-write it would lose text, and in the kernel's own code the answer."""
        if time.monotonic() > self._raised + ECHO_SECONDS and not self._raises(frame):
            self._ask_again()

    def forget_interrupt(self) -> None:
        """What it was meant for has ended, or has not begun."""
        self._interrupted = self._raised = 0.0

    def start(self) -> None:
        """Part of the interface of ipykernel's thread: there is none."""

    def stop(self) -> None:
        """As :meth:`start`."""

    def close(self) -> None:
        """As :meth:`start`: it stays open for what the interpreter says at its end."""

    def _send(self, data: bytes) -> None:
        with self._lock:
            number = 0
            if self.owned:
                self._barrier = number = self._barrier + 1
                for pipe in self._pipes:
                    self._write(pipe, self._marks.barrier(number))
            for packet in packets(number, data, os.getpid()):
                self._write(None, _stream_packet(packet))

    def _write(
        self, pipe: int | None, data: bytes, taken: tuple[bytearray, int] | None = None
    ) -> None:
        """One write, whole. An interrupt meets us while we wait, when nothing is written."""
        try:
            while not self._try_write(pipe, data, taken):
                poll = select.poll()
                poll.register(self._messages if pipe is None else pipe, select.POLLOUT)
                poll.poll()
        except (OSError, ValueError):
            if not self.owned:
                raise
            end_process(EXIT_CUT_OFF)  # it can't be heard any more: so its end is told
        self._raise_interrupt()

    @contextmanager
    def uninterrupted(self) -> Iterator[None]:
        """For what an interrupt in its middle would lose; it is raised at the end."""
        in_main = get_ident() == self._main_thread  # interrupts are raised there alone
        if in_main:
            self._writing = True
        try:
            yield
        finally:
            if in_main:
                self._writing = False
        self._raise_interrupt()

    def _raise_interrupt(self) -> None:
        """Raises one that waits, where it may be raised by now."""
        if self._interrupted and get_ident() == self._main_thread:
            self._raises(sys._getframe())

    def _raises(self, frame: FrameType | None) -> bool:
        """Raises KeyboardInterrupt, or returns False: it waits."""
        waiting = self._interrupted
        late = waiting and time.monotonic() - waiting > PATIENCE_SECONDS
        if self._writing or not (late or self.in_user_code(frame)):
            return False
        self._interrupted, self._raised = 0.0, time.monotonic()
        raise KeyboardInterrupt

    def _ask_again(self) -> None:
        """The handler is called again and again, until the interrupt is raised or forgotten."""
        if not self._interrupted:
            self._interrupted = time.monotonic()
            # RuntimeError: no more threads; then the next interrupt is the one.
            with suppress(RuntimeError):
                start_new_thread(self._insist, ())

    def _insist(self) -> None:
        while self._interrupted:
            time.sleep(AGAIN_SECONDS)
            # The code may have put another handler there, or none.
            if self._interrupted and signal.getsignal(signal.SIGINT) == self.interrupt:
                # Not interrupt_main(): that wakes no call which the code has begun meanwhile.
                signal.pthread_kill(self._main_thread, signal.SIGINT)

    def _try_write(
        self, pipe: int | None, data: bytes, taken: tuple[bytearray, int] | None
    ) -> bool:
        """Writes if there is room."""
        in_main = get_ident() == self._main_thread
        if in_main:
            self._writing = True
        try:
            if taken is not None:
                # Before it is written: a handler that raises in between then loses a
                # piece of the print that it breaks off, and doubles none.
                pending, size = taken
                piece = bytes(pending[:size])
                del pending[:size]
            if pipe is None:
                self._messages.send(data, SEND_FLAGS)
            else:
                os.write(pipe, data)
        except BlockingIOError:
            if taken is not None:
                pending[:0] = piece
            return False
        finally:
            if in_main:
                self._writing = False
        return True

    def _fork_begins(self) -> None:
        # An exception in the midst of it is lost, and what it breaks off is not done.
        if get_ident() == self._main_thread:
            self._writing = True

    def _fork_ended(self) -> None:
        if get_ident() == self._main_thread:
            self._writing = False

    def _is_fork(self) -> None:
        """In a child of the kernel."""
        self.owned = False
        self._main_thread = get_ident()
        self._lock = threading.RLock()  # another thread of the parent may hold the old one
        interrupted, self._interrupted = self._interrupted, 0.0
        if interrupted:
            self._ask_again()  # the thread that did so is the parent's
        self._writing = False


def _unblocked(pipe: int) -> int:
    """The pipe, opened anew so that a write of ours does not wait in it: child processes
    have the same one, and expect to. Where that can't be (macOS), ours waits too."""
    try:
        own = os.open(f"/proc/self/fd/{pipe}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return pipe
    os.close(pipe)
    return own


def _stream_packet(packet: bytes) -> bytes:
    """A packet for the socket: where that is a stream, the length goes before."""
    return packet if sys.platform == "linux" else struct.pack("<I", len(packet)) + packet


def _piece(data: bytearray, room: int) -> int:
    """The size of the next piece, of at most ``room`` bytes; no character is cut."""
    if len(data) <= room:
        return len(data)
    end = room
    while end > room - 4 and data[end] & 0xC0 == 0x80:  # inside a character
        end -= 1
    return end
