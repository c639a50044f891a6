"""What a container uses, summed up from the inside: for engines that can't tell."""

from __future__ import annotations

import json

from ipybox.engine.base import Engine, Ref
from ipybox.engine.exec import run_command
from ipybox.errors import BackendError
from ipybox.spec.paths import PYTHON
from ipybox.spec.status import Stats

READ_SECONDS = 10.0
MAX_BYTES = 4096
# Without its own process. Proportional shares of memory, so that nothing is counted twice.
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


async def usage_inside(engine: Engine, ref: Ref) -> Stats:
    """Processes that have ended count as far as their parents have waited for them."""
    argv = [PYTHON, "-I", "-S", "-c", SCRIPT]
    result = await run_command(engine, ref, argv, timeout=READ_SECONDS, max_bytes=MAX_BYTES)
    try:
        found = json.loads(result.stdout)
        return Stats(
            cpu_seconds=float(found["cpu"]),
            memory_bytes=int(found["memory"]),
            memory_limit_bytes=None,
            pids=int(found["pids"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise BackendError(
            f"What {ref} uses can't be told: {result.stderr.decode(errors='replace')[:200]}"
        ) from error
