"""What the engine tells of a container."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ipybox import ContainerNotFoundError, Stats
from ipybox_docker.errors import engine_call

NO_LIMIT = 1 << 60


async def last_lines(container: Any, name: str, tail: int) -> list[str]:
    """Of its log, without the runtime's events."""
    if container is None:
        return []
    async with engine_call(f"tell the log of {name}"):
        lines = await container.log(stdout=True, stderr=True, tail=tail)
    return [
        line.rstrip("\r\n")
        for piece in lines
        for line in piece.splitlines()
        if not line.startswith('{"event"')
    ]


async def read_stats(container: Any, name: str) -> Stats:
    async with engine_call(f"tell what {name} uses"):
        async with container.docker._query(
            f"containers/{container.id}/stats", params={"stream": "0", "one-shot": "1"}
        ) as response:
            found = await response.json()
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


def seconds_of(timestamp: str) -> float:
    """The engine's time, in seconds since the epoch; its nanoseconds are cut."""
    head, _, rest = timestamp.partition(".")
    zone = "+00:00" if not rest or rest.endswith("Z") else rest[-6:]
    return datetime.fromisoformat(f"{head.removesuffix('Z')}{zone}").timestamp()
