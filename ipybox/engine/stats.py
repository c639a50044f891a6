"""What a container uses, measured from inside: for engines that cannot report it."""

from __future__ import annotations

import json

from ipybox.engine.base import Engine
from ipybox.engine.exec import run_command
from ipybox.engine.inspection import Ref
from ipybox.errors import BackendError
from ipybox.spec.paths import PYTHON
from ipybox.spec.status import Stats

READ_TIMEOUT = 10.0
MAX_BYTES = 4096
UNLIMITED_BYTES = 1 << 60
"""Engines report 'no limit' as a value of at least this."""
# Leaves out its own process. Memory is the proportional share, so that nothing counts twice.
SCRIPT = """
import glob, json, os
cpu = memory = count = 0
for path in glob.glob("/proc/[0-9]*"):
    if path == f"/proc/{os.getpid()}":
        continue
    try:
        fields = open(f"{path}/stat").read().rpartition(")")[2].split()
        rollup = open(f"{path}/smaps_rollup").read().split()
        threads = len(os.listdir(f"{path}/task"))
    except OSError:
        continue
    cpu += sum(map(int, fields[11:15]))
    memory += int(rollup[rollup.index("Pss:") + 1]) * 1024
    count += threads
print(json.dumps({"cpu": cpu / os.sysconf("SC_CLK_TCK"), "memory": memory, "pids": count}))
"""


def memory_limit(reported: int | None) -> int | None:
    """Interpret the memory limit that an engine reports.

    Args:
        reported: What it reports, in bytes; None if it reports nothing.

    Returns:
        The limit in bytes; None if there is no limit.
    """
    return reported if reported is not None and 0 < reported <= UNLIMITED_BYTES else None


async def stats_from_proc(engine: Engine, ref: Ref) -> Stats:
    """Return what a container's processes use, as /proc inside the container shows it.

    The CPU time of a process that has exited counts once its parent has waited for it.

    Args:
        engine: The engine.
        ref: A running container.

    Raises:
        BackendError: If the numbers cannot be read inside the container.
    """
    argv = [PYTHON, "-I", "-S", "-c", SCRIPT]
    result = await run_command(engine, ref, argv, timeout=READ_TIMEOUT, max_bytes=MAX_BYTES)
    try:
        found = json.loads(result.stdout)
        return Stats(
            cpu_seconds=float(found["cpu"]),
            memory_bytes=int(found["memory"]),
            memory_limit_bytes=None,
            pids=int(found["pids"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        reason = result.stderr.decode(errors="replace")[:200].strip()
        raise BackendError(
            f"The usage of container {ref} could not be read inside it: {reason or 'no output'}."
        ) from error
