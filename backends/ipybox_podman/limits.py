"""Limits of processes that an engine of root can't raise: where it runs in a container itself.

Podman gives what root starts its own high limits. Without the right to raise limits, no
container would start; so it is told those that there are.
"""

from __future__ import annotations

import resource
from collections.abc import Mapping
from pathlib import Path

CAP_SYS_RESOURCE = 1 << 24
PODMAN_DEFAULT = 1 << 20
LIMITS = {"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC}
STATUS = Path("/proc/self/status")
PID_MAX = Path("/proc/sys/kernel/pid_max")


def ceilings(status: str, hard: Mapping[str, int], pid_max: int) -> dict[str, int]:
    """By limit, what can't be exceeded. ``status``: the text of ``/proc/PID/status`` of a
    process of root; ``hard``: its hard limits. Empty where Podman's defaults can be set."""
    for line in status.splitlines():
        name, _, value = line.partition(":")
        if name == "CapBnd" and int(value, 16) & CAP_SYS_RESOURCE:
            return {}
    known = {name: value for name, value in hard.items() if value >= 0}  # infinite is -1
    # Podman gives itself no more processes than there are ids for.
    known["nproc"] = min(known.get("nproc", pid_max), pid_max)
    return {name: value for name, value in known.items() if value < PODMAN_DEFAULT}


def own_ceilings() -> dict[str, int]:
    """Of this process, and of an engine of root beside it."""
    try:
        status, pid_max = STATUS.read_text(), int(PID_MAX.read_text())
    except OSError:  # no Linux: the engine is in a machine of its own
        return {}
    hard = {name: resource.getrlimit(which)[1] for name, which in LIMITS.items()}
    return ceilings(status, hard, pid_max)
