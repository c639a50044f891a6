"""What a kernel needs for itself: memory that it shares with nobody."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median

from benchmarks.contenders import IPYBOX, STOCK, ClientKernel, contenders
from benchmarks.figures import Figure, Panel


async def private_memory(further: int) -> Figure:
    """Of each further kernel beside a first one, after its first execution. Linux only."""
    sizes: dict[str, list[float]] = {}
    async with contenders() as openers, AsyncExitStack() as stack:
        for name in (IPYBOX, STOCK):
            pids = []
            for _ in range(1 + further):
                kernel = await stack.enter_async_context(openers[name]())
                assert isinstance(kernel, ClientKernel)
                await kernel.run("1+1")
                pids.append(await (pid_told(kernel) if name == IPYBOX else pid_asked(kernel)))
            # All live now: what two of them share is neither's own.
            sizes[name] = [private_bytes(pid) / 1e6 for pid in pids[1:]]
            if name == IPYBOX:
                fork_server = private_bytes(parent(pids[0])) / 1e6
    each = {name: median(values) for name, values in sizes.items()}
    return Figure(
        name="private memory of each further kernel",
        value=each[IPYBOX], unit="MB", comparison="<=", target=20,
        contenders=each, contender_unit="MB",
        details={"ipybox, largest, MB": max(sizes[IPYBOX]),
                 "ipybox, the fork server besides, MB": fork_server},
        panel=Panel(title="Private memory of each further kernel", best="lower"),
    )  # fmt: skip


async def pid_told(kernel: ClientKernel) -> int:
    """As the runtime's status tells it."""
    rows = (await kernel.client.status())["kernels"]
    return next(int(row["pid"]) for row in rows if row["id"] == kernel.client.kernel_id)


async def pid_asked(kernel: ClientKernel) -> int:
    return int(await kernel.run("import os; print(os.getpid())"))


def private_bytes(pid: int) -> int:
    rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(
        int(row.split()[1]) * 1024
        for row in rows
        if row.startswith(("Private_Clean:", "Private_Dirty:"))
    )


def parent(pid: int) -> int:
    stat = Path(f"/proc/{pid}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[1])  # the name may hold any character
