"""What the engine tells of a container."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ipybox import ContainerNotFoundError, Stats

NO_LIMIT = 1 << 60


def stats_of(found: Mapping[str, Any], name: str) -> Stats:
    """Raises ContainerNotFoundError for a container that does not run."""
    memory = found.get("memory_stats") or {}
    if "usage" not in memory:
        raise ContainerNotFoundError(f"The container {name} is not running.")
    details = memory.get("stats") or {}
    cache = details.get("total_inactive_file", details.get("inactive_file", 0))
    limit = memory.get("limit")
    return Stats(
        cpu_seconds=found["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9,
        memory_bytes=max(0, memory["usage"] - cache),
        memory_limit_bytes=None if limit is None or limit > NO_LIMIT else limit,
        pids=(found.get("pids_stats") or {}).get("current"),
    )
