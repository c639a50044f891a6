"""Process 1 of a container: reaps processes, forwards signals, and enforces the lease.

Code in the container can kill or stop every process but this one, which the operating system
protects. So this process is the one that stops a container whose owner has gone. When process 1
exits, the operating system kills all other processes of the container.
"""

import os
import select
import signal
import sys
import time
from contextlib import suppress

from ipybox_runtime.memory import out_of_memory_kills

EXIT_LEASE = 75
"""Exit code when the lease has expired (EX_TEMPFAIL)."""

STOP_TIMEOUT = 5.0
"""Seconds that the gateway has to exit after SIGTERM."""

TICK_INTERVAL = 1.0
"""Seconds between two checks of the lease."""

MIN_START_TIMEOUT = 60.0
"""Seconds that the first lease lasts at least: nothing can renew it before the gateway answers."""

OUT_OF_MEMORY = b'{"event": "out_of_memory"}\n'
"""Announced by process 1, because some engines do not notice why the gateway was killed."""

PAUSE_THRESHOLD = 3.0
"""Seconds; a tick that took longer means that the whole container was paused. The lease is
extended by the pause."""


def supervise(gateway: int, lease_fd: int, lease_seconds: float) -> int:
    """Wait until the gateway exits, SIGTERM or SIGINT arrives, or the lease expires.

    Args:
        gateway: Process id of the gateway, a child of this process.
        lease_fd: Each byte on it renews the lease. The gateway writes the first one when it
            answers.
        lease_seconds: How long the lease lasts after each renewal; 0 for no limit.

    Returns:
        The exit code for process 1: the gateway's own (128 + N if signal N killed it), or
        EXIT_LEASE.
    """
    woken, waker = os.pipe()
    for end in (woken, waker):
        os.set_blocking(end, False)
    stopping = False

    def stop(_signum: int, _frame: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGCHLD, lambda *_: None)
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, stop)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    kills = out_of_memory_kills()
    deadline = time.monotonic() + max(lease_seconds, MIN_START_TIMEOUT)
    watched = [woken, lease_fd]
    while True:
        before = time.monotonic()
        readable, _, _ = select.select(watched, [], [], TICK_INTERVAL)
        now = time.monotonic()
        if now - before > PAUSE_THRESHOLD:
            deadline += now - before
        if lease_fd in readable:
            if os.read(lease_fd, 4096):
                deadline = now + lease_seconds
            else:
                watched.remove(lease_fd)  # the gateway is exiting
        if woken in readable:
            os.read(woken, 4096)
            code = _reap(gateway)
            if code == 128 + signal.SIGKILL and out_of_memory_kills() > kills:
                with suppress(OSError):  # standard output may be closed
                    os.write(sys.stdout.fileno(), OUT_OF_MEMORY)
            if code is not None:
                return code
        if stopping:
            return _stop(gateway)
        if lease_seconds and now > deadline:
            message = f"ipybox: stopping, the lease was not renewed for {lease_seconds:g} s"
            print(message, file=sys.stderr)
            return EXIT_LEASE


def _reap(gateway: int) -> int | None:
    """Reap all children that have exited; return the gateway's exit code if it is one of them."""
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == gateway:
            code = os.waitstatus_to_exitcode(status)
            found = code if code >= 0 else 128 - code  # as shells report signals


def _stop(gateway: int) -> int:
    """Ask the gateway to exit; return its exit code, or that of SIGKILL after STOP_TIMEOUT.

    Whatever is left is killed when process 1 exits.
    """
    os.kill(gateway, signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT
    while time.monotonic() < deadline:
        code = _reap(gateway)
        if code is not None:
            return code
        select.select([], [], [], 0.01)
    return 128 + signal.SIGKILL
