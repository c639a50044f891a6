"""Private memory of a kernel: memory that it shares with no other process."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median

from benchmarks.contenders import IPYBOX, STOCK, ClientKernel, contenders
from benchmarks.figures import Figure, Panel


async def private_memory(further: int) -> Figure:
    """Measure each further kernel beside a first one, after its first execution. Linux only."""
    sizes: dict[str, list[float]] = {}
    async with contenders() as openers, AsyncExitStack() as stack:
        for name in (IPYBOX, STOCK):
            pids = []
            for _ in range(1 + further):
                kernel = await stack.enter_async_context(openers[name]())
                assert isinstance(kernel, ClientKernel)
                await kernel.run("1+1")
                pids.append(
                    await (pid_from_status(kernel) if name == IPYBOX else pid_from_kernel(kernel))
                )
            # All kernels are alive now, so memory that two of them share is not counted as private.
            sizes[name] = [private_bytes(pid) / 1e6 for pid in pids[1:]]
            if name == IPYBOX:
                fork_server = private_bytes(parent(pids[0])) / 1e6
    each = {name: median(values) for name, values in sizes.items()}
    return Figure(
        name="private memory of each further kernel",
        value=each[IPYBOX], unit="MB", comparison="<=", target=20,
        contenders=each, contender_unit="MB",
        details={"ipybox, largest, MB": max(sizes[IPYBOX]),
                 "ipybox, fork server in addition, MB": fork_server},
        panel=Panel(title="Private memory of each further kernel", best="lower"),
    )  # fmt: skip


async def pid_from_status(kernel: ClientKernel) -> int:
    """Return the kernel's process id as the runtime's status reports it."""
    kernels = (await kernel.client.status()).kernels
    return next(one.pid for one in kernels if one.id == kernel.client.kernel_id and one.pid)


async def pid_from_kernel(kernel: ClientKernel) -> int:
    """Return the process id that the kernel itself reports."""
    return int(await kernel.run("import os; print(os.getpid())"))


def private_bytes(pid: int) -> int:
    """Return the private memory of a process in bytes, from /proc/PID/smaps_rollup."""
    rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(
        int(row.split()[1]) * 1024
        for row in rows
        if row.startswith(("Private_Clean:", "Private_Dirty:"))
    )


def parent(pid: int) -> int:
    """Return the process id of the parent of a process."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[1])  # the process name may contain any character
