"""The limits on processes that an engine of root inherits and cannot raise.

Podman sets high limits for containers that root starts. Where it runs in a container itself,
without the right to raise limits, no container would start; so it is given the limits that it
has.
"""

from __future__ import annotations

import resource
from collections.abc import Mapping
from pathlib import Path

CAP_SYS_RESOURCE = 1 << 24
"""Bit of the capability to raise limits, in a CapBnd of /proc/PID/status."""
PODMAN_DEFAULT = 1 << 20
"""Both limits of a container that root starts, unless others are given."""
LIMITS = {"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC}
STATUS = Path("/proc/self/status")
PID_MAX = Path("/proc/sys/kernel/pid_max")


def inherited_limits(status: str, hard: Mapping[str, int], pid_max: int) -> dict[str, int]:
    """Return the limits that a process of root cannot exceed.

    Args:
        status: The text of the process's /proc/PID/status.
        hard: The process's hard limits by name, -1 for infinite.
        pid_max: The content of /proc/sys/kernel/pid_max.

    Returns:
        The limits by name; empty if Podman's defaults can be set.
    """
    for line in status.splitlines():
        name, _, value = line.partition(":")
        if name == "CapBnd" and int(value, 16) & CAP_SYS_RESOURCE:
            return {}
    finite = {name: value for name, value in hard.items() if value >= 0}
    # Podman does not give itself more processes than there are ids.
    finite["nproc"] = min(finite.get("nproc", pid_max), pid_max)
    return {name: value for name, value in finite.items() if value < PODMAN_DEFAULT}


def read_inherited_limits() -> dict[str, int]:
    """Return the limits that this process, and an engine of root beside it, cannot exceed."""
    try:
        status, pid_max = STATUS.read_text(), int(PID_MAX.read_text())
    except OSError:  # not Linux: the engine is in a virtual machine
        return {}
    hard = {name: resource.getrlimit(which)[1] for name, which in LIMITS.items()}
    return inherited_limits(status, hard, pid_max)
