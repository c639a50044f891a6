"""Process 1 of a container: reaps, passes signals on, and holds the lease.

Code in the container can kill or stop every process but this one, which the kernel
protects: so it is here that a container ends whose owner has gone. When process 1 ends,
the kernel ends all others of the container.
"""

import os
import select
import signal
import sys
import time
from contextlib import suppress

from ipybox_runtime.memory import out_of_memory_kills

EXIT_LEASE = 75  # sysexits, EX_TEMPFAIL
STOP_SECONDS = 5.0
TICK_SECONDS = 1.0
START_SECONDS = 60.0
"""Nobody can renew a lease before the gateway answers: so long it may take, or as its lease."""
OUT_OF_MEMORY = b'{"event": "out_of_memory"}\n'
"""Said by process 1: some engines do not notice why the gateway was killed."""
FROZEN_SECONDS = 3.0
"""A tick that took longer: the whole container was paused, its clock should have been too."""


def supervise(gateway: int, lease_fd: int, lease_seconds: float) -> int:
    """Returns the exit code when the process ``gateway`` has ended, or the lease has.

    A byte on ``lease_fd`` renews the lease: the gateway's first says that it answers.
    0 seconds: there is none.
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
    deadline = time.monotonic() + max(lease_seconds, START_SECONDS)
    watched = [woken, lease_fd]
    while True:
        before = time.monotonic()
        readable, _, _ = select.select(watched, [], [], TICK_SECONDS)
        now = time.monotonic()
        if now - before > FROZEN_SECONDS:
            deadline += now - before
        if lease_fd in readable:
            if os.read(lease_fd, 4096):
                deadline = now + lease_seconds
            else:
                watched.remove(lease_fd)  # the gateway ends
        if woken in readable:
            os.read(woken, 4096)
            code = _reap(gateway)
            if code == 128 + signal.SIGKILL and out_of_memory_kills() > kills:
                with suppress(OSError):  # nobody listens
                    os.write(sys.stdout.fileno(), OUT_OF_MEMORY)
            if code is not None:
                return code
        if stopping:
            return _stop(gateway)
        if lease_seconds and now > deadline:
            print(f"ipybox: nobody has renewed the lease for {lease_seconds:g} s", file=sys.stderr)
            return EXIT_LEASE


def _reap(gateway: int) -> int | None:
    """Takes in what has ended; the gateway's exit code, if it is among it."""
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
            found = code if code >= 0 else 128 - code  # as a shell has it


def _stop(gateway: int) -> int:
    """Asks the gateway to end; whatever is left goes with process 1."""
    os.kill(gateway, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline:
        code = _reap(gateway)
        if code is not None:
            return code
        select.select([], [], [], 0.01)
    return 128 + signal.SIGKILL
