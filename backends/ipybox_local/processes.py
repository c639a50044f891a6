"""Ends every descendant of this process. Standard library only: it runs before ``site``."""

import ctypes
import os
import signal
import subprocess
import sys

PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Makes orphaned descendants children of this process (Linux), so that none escapes.

    Where the system has no such call (macOS), a process that has left its
    parent *and* whose parent has ended before the teardown is not found.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap_orphans(child: int) -> None:
    """Reaps what has ended, but for our own ``child``: whoever started it waits for it."""
    try:
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if ended.si_pid == child:
                return
            os.waitpid(ended.si_pid, 0)
    except ChildProcessError:
        return


def kill_descendants() -> None:
    """SIGKILLs and reaps all descendants; returns when none is left."""
    while pids := descendants(os.getpid()):
        # All are stopped first: a process that forks as fast as it is killed
        # would otherwise stay ahead of us.
        for signum in (signal.SIGSTOP, signal.SIGKILL):
            for pid in pids:
                try:
                    os.kill(pid, signum)
                except (ProcessLookupError, PermissionError):
                    continue
        if not _reap():
            return


def _reap() -> bool:
    """Waits for one child and takes those that have ended besides. False: no children."""
    try:
        os.waitpid(-1, 0)
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return False
    return True


def descendants(root: int) -> list[int]:
    """Process ids of all that descend from ``root``, zombies left out."""
    children: dict[int, list[int]] = {}
    for pid, parent in _processes():
        children.setdefault(parent, []).append(pid)
    found: list[int] = []
    pending = [root]
    while pending:
        below = children.get(pending.pop(), [])
        found += below
        pending += below
    return found


def _processes() -> list[tuple[int, int]]:
    """(pid, parent pid) of each living process of the machine."""
    if sys.platform == "linux":
        return [row for entry in os.listdir("/proc") if (row := _proc_row(entry))]
    listing = subprocess.run(
        ["/bin/ps", "-axo", "pid=,ppid=,stat="], capture_output=True, text=True, check=True
    )
    rows = [line.split() for line in listing.stdout.splitlines()]
    own = os.getpid()
    return [
        (int(pid), int(parent))
        for pid, parent, state in rows
        # The listing's own process is a child of ours too, and gone by now.
        if not state.startswith("Z") and not (int(parent) == own and _gone(int(pid)))
    ]


def _gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _proc_row(entry: str) -> tuple[int, int] | None:
    if not entry.isdigit():
        return None
    try:
        with open(f"/proc/{entry}/stat", "rb") as stat:
            # The name stands in parentheses and may hold any character.
            fields = stat.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] == b"Z" else (int(entry), int(fields[1]))
