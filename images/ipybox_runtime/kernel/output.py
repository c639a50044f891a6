"""Where output leaves a kernel's process. Each write returns once the system has the data."""

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

from ipybox_runtime.kernel.attribution import CURRENT_REQUEST
from ipybox_runtime.wire import NO_PARENT, PIPE_BUF, Marks, frame_v1, packets

EXIT_CUT_OFF = 70
"""Exit code of a kernel whose code closed the pipes or the socket to the gateway (EX_SOFTWARE)."""

SEND_FLAGS = socket.MSG_DONTWAIT if sys.platform == "linux" else 0
DELIMITER = b"<IDS|MSG>"

INTERRUPT_RETRY_INTERVAL = 0.01
"""Seconds between two attempts to raise an interrupt that has to wait."""

DUPLICATE_INTERRUPT_WINDOW = 0.005
"""Seconds after a KeyboardInterrupt was raised in which further interrupts count as the same one
(a retry may be in flight)."""

INTERRUPT_MAX_DELAY = 0.5
"""Seconds that an interrupt waits at most for the user's code to run."""

end_process = os._exit
"""The original ``os._exit``: :mod:`ipybox_runtime.kernel.app` puts a flush before it."""


class OutputChannel:
    """The kernel's end of the two pipes and the socket, for any thread and forked children.

    It takes the place of ipykernel's iopub socket and of the thread that serves it:
    ``send_multipart`` accepts a message as jupyter_client's Session serializes it.

    Args:
        pipes: File descriptors for stdout and stderr. The channel owns them from now on.
        messages: The socket for packets.
        secret: The secret in the kernel's marks.

    Attributes:
        in_kernel_process: False in forked children of the kernel.
        parent: JSON of the parent header for output that has no request of its own.
        in_user_code: Returns whether a frame belongs to the user's code.
        before_message: Called before each message, to write the text that precedes it.
    """

    closed = False

    def __init__(self, pipes: Sequence[int], messages: socket.socket, secret: str) -> None:
        self._pipes = tuple(_without_blocking(pipe) for pipe in pipes)
        self._messages = messages
        self._marks = Marks(secret)
        self.in_kernel_process = True
        self._main_thread = threading.main_thread().ident or get_ident()
        self._barrier = 0
        self.parent = NO_PARENT
        self._lock = threading.RLock()
        # Whether the main thread is where an interrupt would lose text or write it twice.
        self._uninterruptible = False
        self._interrupt_since = 0.0  # since when an interrupt waits to be raised; 0: none does
        self._raised_at = 0.0  # when the last one was raised
        self.in_user_code: Callable[[FrameType | None], bool] = lambda _frame: True
        self.before_message: Callable[[], None] = lambda: None
        os.register_at_fork(
            before=self._before_fork,
            after_in_parent=self._after_fork_in_parent,
            after_in_child=self._after_fork_in_child,
        )

    def set_parent(self, parent: bytes) -> None:
        """Assign output that has no request of its own to this one, from now on."""
        with self._lock:
            self.parent = parent
            for pipe in self._pipes:
                self._write(pipe, self._marks.parent(parent))

    def current_parent(self) -> bytes:
        """Return the parent header, as JSON, of what this thread or task writes."""
        return CURRENT_REQUEST.get(self.parent)

    def write_text(self, stream: int, parent: bytes, pending: bytearray) -> None:
        """Write a request's text; remove from ``pending`` what was written.

        Args:
            stream: 0 for stdout, 1 for stderr.
            parent: JSON of the request's header.
            pending: UTF-8 text; empty afterwards, unless an interrupt was raised.
        """
        pipe = self._pipes[stream]
        with self._lock:
            plain = self.in_kernel_process and (parent is self.parent or parent == self.parent)
            room = PIPE_BUF if plain else PIPE_BUF - len(self._marks.scoped(parent, b""))
            while pending:
                size = _piece_size(pending, room)
                data = bytes(pending[:size])
                if not plain:
                    data = self._marks.scoped(parent, data)
                self._write(pipe, data, taken=(pending, size))

    def send_barrier(self) -> None:
        """Order what was written to any stream before this call before what is written later."""
        if self.in_kernel_process:
            self._send(b"")

    def send_multipart(self, parts: Sequence[Any], *_: Any, **__: Any) -> None:
        """Send a message in Jupyter's wire format to the gateway, as a v1 WebSocket frame."""
        whole = [bytes(part) for part in parts]
        signature = whole.index(DELIMITER) + 1
        self.before_message()
        self._send(frame_v1(b"iopub", whole[signature + 1 :]))

    def send_to_gateway(self, data: bytes) -> None:
        """Send bytes that are meant for the gateway itself and for no client."""
        self._send(data)

    def interrupt(self, _signum: int, frame: FrameType | None) -> None:
        """Handle SIGINT: raise KeyboardInterrupt, in the user's code only.

        In the middle of a write, it would lose text; in the kernel's own code, it would lose the
        reply. There the interrupt waits, INTERRUPT_MAX_DELAY at most in the kernel's code.

        Raises:
            KeyboardInterrupt: The signal arrived in the user's code.
        """
        is_new = time.monotonic() > self._raised_at + DUPLICATE_INTERRUPT_WINDOW
        if is_new and not self._try_raise(frame):
            self._raise_later()

    def forget_interrupt(self) -> None:
        """Drop an interrupt that waits: the request it was meant for is over or not started."""
        self._interrupt_since = self._raised_at = 0.0

    def start(self) -> None:
        """Do nothing. Required by ipykernel's IOPubThread interface; this channel has no thread."""

    def stop(self) -> None:
        """Do nothing, like :meth:`start`."""

    def close(self) -> None:
        """Do nothing: the interpreter may still write while it exits."""

    def _send(self, data: bytes) -> None:
        with self._lock:
            number = 0
            if self.in_kernel_process:
                self._barrier = number = self._barrier + 1
                for pipe in self._pipes:
                    self._write(pipe, self._marks.barrier(number))
            for packet in packets(number, data, os.getpid()):
                self._write(None, _with_length(packet))

    def _write(
        self, pipe: int | None, data: bytes, taken: tuple[bytearray, int] | None = None
    ) -> None:
        """Write to a pipe, or to the socket for None, all at once.

        An interrupt is raised while the write waits for room, when nothing has been written.
        """
        try:
            while not self._try_write(pipe, data, taken):
                poll = select.poll()
                poll.register(self._messages if pipe is None else pipe, select.POLLOUT)
                poll.poll()
        except (OSError, ValueError):
            if not self.in_kernel_process:
                raise
            # Nothing can reach the client any more. It is notified when the process exits.
            end_process(EXIT_CUT_OFF)
        self._raise_waiting_interrupt()

    @contextmanager
    def uninterrupted(self) -> Iterator[None]:
        """Hold interrupts back while the block runs; raise a waiting one after it.

        Raises:
            KeyboardInterrupt: An interrupt arrived during the block, or waited before it.
        """
        in_main = get_ident() == self._main_thread  # interrupts are raised in no other thread
        if in_main:
            self._uninterruptible = True
        try:
            yield
        finally:
            if in_main:
                self._uninterruptible = False
        self._raise_waiting_interrupt()

    def _raise_waiting_interrupt(self) -> None:
        """Raise the interrupt that waits, if there is one and this is the place for it."""
        if self._interrupt_since and get_ident() == self._main_thread:
            self._try_raise(sys._getframe())

    def _try_raise(self, frame: FrameType | None) -> bool:
        """Raise KeyboardInterrupt, or return False if it has to wait."""
        waiting = self._interrupt_since
        overdue = waiting and time.monotonic() - waiting > INTERRUPT_MAX_DELAY
        if self._uninterruptible or not (overdue or self.in_user_code(frame)):
            return False
        self._interrupt_since, self._raised_at = 0.0, time.monotonic()
        raise KeyboardInterrupt

    def _raise_later(self) -> None:
        """Repeat the signal until the interrupt is raised or forgotten."""
        if not self._interrupt_since:
            self._interrupt_since = time.monotonic()
            # RuntimeError: the system has no more threads. The next interrupt is raised instead.
            with suppress(RuntimeError):
                start_new_thread(self._repeat_signal, ())

    def _repeat_signal(self) -> None:
        while self._interrupt_since:
            time.sleep(INTERRUPT_RETRY_INTERVAL)
            # The code may have installed another handler, or removed ours.
            if self._interrupt_since and signal.getsignal(signal.SIGINT) == self.interrupt:
                # interrupt_main() would not wake a system call that the code has begun meanwhile.
                signal.pthread_kill(self._main_thread, signal.SIGINT)

    def _try_write(
        self, pipe: int | None, data: bytes, taken: tuple[bytearray, int] | None
    ) -> bool:
        """Write, or return False if there is no room."""
        in_main = get_ident() == self._main_thread
        if in_main:
            self._uninterruptible = True
        try:
            if taken is not None:
                # Removed before the write: a signal handler that raises in between loses a piece
                # of the print it breaks off. The other way round, it would print it twice.
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
                self._uninterruptible = False
        return True

    def _before_fork(self) -> None:
        # An exception in a fork handler is swallowed, and the handler stops half-way.
        if get_ident() == self._main_thread:
            self._uninterruptible = True

    def _after_fork_in_parent(self) -> None:
        if get_ident() == self._main_thread:
            self._uninterruptible = False

    def _after_fork_in_child(self) -> None:
        self.in_kernel_process = False
        self._main_thread = get_ident()
        self._lock = threading.RLock()  # another thread of the parent may hold the old one
        waiting, self._interrupt_since = self._interrupt_since, 0.0
        if waiting:
            self._raise_later()  # the thread that repeated the signal exists in the parent only
        self._uninterruptible = False


def _without_blocking(pipe: int) -> int:
    """Return a descriptor for the same pipe whose writes do not block, in place of ``pipe``.

    The pipe is opened again, because child processes share the old description and expect
    blocking writes. Where that is impossible (macOS), return ``pipe``: then our writes block, too.
    """
    try:
        own = os.open(f"/proc/self/fd/{pipe}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return pipe
    os.close(pipe)
    return own


def _with_length(packet: bytes) -> bytes:
    """Put the length before a packet, where the socket is a byte stream (not on Linux)."""
    return packet if sys.platform == "linux" else struct.pack("<I", len(packet)) + packet


def _piece_size(data: bytearray, room: int) -> int:
    """Return the size of the next piece: at most ``room`` bytes, and no character is split."""
    if len(data) <= room:
        return len(data)
    end = room
    while end > room - 4 and data[end] & 0xC0 == 0x80:  # inside a character
        end -= 1
    return end
