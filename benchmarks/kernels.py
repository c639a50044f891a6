"""Kernel starts: how fast one kernel answers, and how fast many do that start at once."""

from __future__ import annotations

import asyncio
import functools
import time
from contextlib import AsyncExitStack
from statistics import median

from benchmarks.contenders import IPYBOX, STOCK, KernelOpener, client_kernel, contenders
from benchmarks.figures import Figure, Panel, p95
from ipybox import ExecutionContainer

CONCURRENT_KERNELS = 50


async def first_result(opener: KernelOpener, stack: AsyncExitStack) -> float:
    """Return the seconds from requesting a kernel to its first result. The stack keeps it alive."""
    start = time.perf_counter()
    kernel = await stack.enter_async_context(opener())
    await kernel.run("1+1")
    return time.perf_counter() - start


async def kernel_start(rounds: int) -> tuple[Figure, Figure]:
    """Measure POST to first result: of ipybox, and as a ratio to the stock gateway."""
    times: dict[str, list[float]] = {}
    async with contenders() as openers:
        for _ in range(rounds):
            for name, opener in openers.items():
                async with AsyncExitStack() as stack:  # the shutdown is not measured
                    times.setdefault(name, []).append(await first_result(opener, stack))
    p50 = {name: median(values) for name, values in times.items()}
    start = Figure(
        name="new kernel, POST to first result, p50",
        value=p50[IPYBOX], unit="s", comparison="<=", target=0.10,
        contenders=p50, contender_unit="s",
        details={f"{name}, p95, s": p95(values) for name, values in times.items()},
        panel=Panel(title="New kernel, to its first result", best="lower"),
    )  # fmt: skip
    over_stock = Figure(
        name="new kernel, relative to the stock gateway",
        value=p50[IPYBOX] / p50[STOCK], unit="×", comparison="<=", target=0.25,
    )  # fmt: skip
    return start, over_stock


async def concurrent_starts(rounds: int) -> tuple[Figure, Figure]:
    """Start 50 kernels of one container at once: how many come up, and how late the last are."""
    async with ExecutionContainer(backend="local") as container:
        opener: KernelOpener = functools.partial(client_kernel, container.port)
        alone = []
        for number in range(rounds + 1):
            async with AsyncExitStack() as stack:
                taken = await first_result(opener, stack)
                if number:  # the first round is a warm-up
                    alone.append(taken)
        async with AsyncExitStack() as stack:
            results = await asyncio.gather(
                *(first_result(opener, stack) for _ in range(CONCURRENT_KERNELS)),
                return_exceptions=True,
            )
    times = [result for result in results if isinstance(result, float)]
    for error in {repr(result) for result in results if not isinstance(result, float)}:
        print(f"A kernel did not come up: {error}.")
    came_up = Figure(
        name=f"{CONCURRENT_KERNELS} kernels at once, number that came up",
        value=len(times), unit="", comparison="==", target=CONCURRENT_KERNELS,
    )  # fmt: skip
    late = Figure(
        name=f"{CONCURRENT_KERNELS} kernels at once, p95 relative to one alone",
        value=p95(times or [float("inf")]) / median(alone), unit="×", comparison="<=", target=10,
        details={
            "one alone, p50, s": median(alone),
            "at once, p50, s": median(times or [float("inf")]),
            "at once, p95, s": p95(times or [float("inf")]),
        },
    )  # fmt: skip
    return came_up, late
