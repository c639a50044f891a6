"""Kill every descendant of this process.

Standard library only: the supervisor imports this file in an interpreter without ``site``.
"""

import ctypes
import os
import signal
import subprocess
import sys

PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Make orphaned descendants children of this process (Linux), so that none escapes.

    Where the system has no such call (macOS), the teardown does not find a process that has
    detached from its parent, and whose parent has exited before.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap_orphans(child: int) -> None:
    """Reap the children that have exited, except ``child``, which its starter waits for."""
    try:
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if ended.si_pid == child:
                return
            os.waitpid(ended.si_pid, 0)
    except ChildProcessError:
        return


def kill_descendants() -> None:
    """Send SIGKILL to all descendants and reap them; return when none is left."""
    while pids := descendants(os.getpid()):
        # All are stopped first: otherwise processes that fork faster than they are killed
        # would never run out.
        for signum in (signal.SIGSTOP, signal.SIGKILL):
            for pid in pids:
                try:
                    os.kill(pid, signum)
                except (ProcessLookupError, PermissionError):
                    continue
        if not _reap():
            return


def _reap() -> bool:
    """Wait for one child, and reap those that have exited too; return False without children."""
    try:
        os.waitpid(-1, 0)
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return False
    return True


def descendants(root: int) -> list[int]:
    """Return the process ids of all descendants of ``root``, without zombies.

    Args:
        root: The process id of the ancestor, which is not part of the result.
    """
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
    """Return the process id and the parent's id of each living process on this machine."""
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
        # The `ps` process itself was a child of this process too; it has exited by now.
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
            # The process name is in parentheses and may hold any character.
            fields = stat.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] == b"Z" else (int(entry), int(fields[1]))
