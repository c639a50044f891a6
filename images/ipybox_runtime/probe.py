"""What the system enforces against this container, read from inside before any code has run."""

import contextlib
import os
from pathlib import Path
from typing import Any

CGROUPS = Path("/sys/fs/cgroup")

NO_LIMIT_V1 = 1 << 60
"""Version 1 of control groups has no word for "no limit"; it reports a larger number than this."""

OWN_MOUNTS = ("/proc", "/sys", "/dev")
"""Where every container has mounts, which are not reported."""


def probe() -> dict[str, Any]:
    """Return the container's user, capabilities, limits and mounts as JSON values.

    Returns:
        ``user`` and ``group`` (numbers), ``capabilities`` (the bit mask in effect),
        ``no_new_privileges``, ``seccomp`` (0: off, 1: strict, 2: filter), ``memory_bytes``,
        ``pids`` and ``cpus`` (limits; None if there is none or it is unknown), and ``mounts``
        (each path to whether it is writable).
    """
    status = dict(
        line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines()
        if ":\t" in line
    )  # fmt: skip
    return {
        "user": os.getuid(),
        "group": os.getgid(),
        "capabilities": int(status.get("CapEff", "0"), 16),
        "no_new_privileges": status.get("NoNewPrivs") == "1",
        "seccomp": int(status.get("Seccomp", "0")),
        "memory_bytes": _limit("memory.max", "memory/memory.limit_in_bytes"),
        "pids": _limit("pids.max", "pids/pids.max"),
        "cpus": _cpus(),
        "mounts": _mounts(),
    }


def _limit(unified: str, v1: str) -> int | None:
    for path in (unified, v1):
        with contextlib.suppress(OSError, ValueError):
            value = int((CGROUPS / path).read_text())
            return value if value < NO_LIMIT_V1 else None
    return None


def _cpus() -> float | None:
    with contextlib.suppress(OSError, ValueError):
        quota, period = (CGROUPS / "cpu.max").read_text().split()
        return int(quota) / int(period)
    for folder in ("cpu", "cpu,cpuacct"):
        with contextlib.suppress(OSError, ValueError):
            allowed = int((CGROUPS / folder / "cpu.cfs_quota_us").read_text())
            if allowed > 0:
                return allowed / int((CGROUPS / folder / "cpu.cfs_period_us").read_text())
    return None


def _mounts() -> dict[str, bool]:
    """Map the path of each mount, except OWN_MOUNTS, to whether it is writable."""
    found = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split(" ")
        # Spaces and the like are written as octal escapes.
        path = (
            fields[4].encode().decode("unicode_escape").encode("latin-1").decode("utf-8", "replace")
        )
        if not path.startswith(OWN_MOUNTS):
            found[path] = "rw" in fields[5].split(",") and _superblock_writable(fields)
    return found


def _superblock_writable(fields: list[str]) -> bool:
    return "rw" in fields[-1].split(",")
