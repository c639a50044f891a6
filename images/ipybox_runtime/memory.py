"""How often the system has killed a process of this container because memory ran out."""

from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


def out_of_memory_kills() -> int:
    """Return the count for this process's control group; 0 if the system keeps none."""
    try:
        rows = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return 0
    for row in rows:
        _, controllers, path = row.split(":", 2)
        if controllers == "memory":  # version 1
            return _count(CGROUPS / "memory", path, "memory.oom_control")
        if controllers == "":  # version 2, or a hybrid whose memory controller is version 1
            count = _count(CGROUPS, path, "memory.events")
            if count:
                return count
    return 0


def _count(root: Path, path: str, name: str) -> int:
    # In a container, the group may be mounted as the root.
    for folder in (root / path.lstrip("/"), root):
        try:
            rows = (folder / name).read_text().split("\n")
        except OSError:
            continue
        for row in rows:
            if row.startswith("oom_kill "):
                return int(row.split()[1])
    return 0
