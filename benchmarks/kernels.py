"""New kernels: how soon they answer, and how they do when many are wanted at once."""

from __future__ import annotations

import asyncio
import functools
import time
from contextlib import AsyncExitStack
from statistics import median

from benchmarks.contenders import IPYBOX, STOCK, KernelOpener, client_kernel, contenders
from benchmarks.figures import Figure, Panel, p95
from ipybox import ExecutionContainer

AT_ONCE = 50


async def first_result(opener: KernelOpener, stack: AsyncExitStack) -> float:
    """Seconds from the order of a kernel to its first result; it lives on in the stack."""
    start = time.perf_counter()
    kernel = await stack.enter_async_context(opener())
    await kernel.run("1+1")
    return time.perf_counter() - start


async def kernel_start(rounds: int) -> tuple[Figure, Figure]:
    """POST to first result: ours, and ours over the stock gateway's."""
    times: dict[str, list[float]] = {}
    async with contenders() as openers:
        for _ in range(rounds):
            for name, opener in openers.items():
                async with AsyncExitStack() as stack:  # its end is not measured
                    times.setdefault(name, []).append(await first_result(opener, stack))
    p50 = {name: median(values) for name, values in times.items()}
    start = Figure(
        name="new kernel, POST to first result, p50",
        value=p50[IPYBOX], unit="s", comparison="<=", target=0.10,
        contenders=p50, contender_unit="s",
        details={f"{name}, p95, s": p95(values) for name, values in times.items()},
        panel=Panel(title="New kernel, until its first result", best="lower"),
    )  # fmt: skip
    over_stock = Figure(
        name="new kernel, over the stock gateway",
        value=p50[IPYBOX] / p50[STOCK], unit="×", comparison="<=", target=0.25,
    )  # fmt: skip
    return start, over_stock


async def many_at_once(rounds: int) -> tuple[Figure, Figure]:
    """50 kernels of one container, ordered at once: who comes up, and how late the last."""
    async with ExecutionContainer(backend="local") as container:
        opener: KernelOpener = functools.partial(client_kernel, container.port)
        alone = []
        for number in range(rounds + 1):
            async with AsyncExitStack() as stack:
                taken = await first_result(opener, stack)
                if number:  # the first one warms up
                    alone.append(taken)
        async with AsyncExitStack() as stack:
            results = await asyncio.gather(
                *(first_result(opener, stack) for _ in range(AT_ONCE)), return_exceptions=True
            )
    times = [result for result in results if isinstance(result, float)]
    for error in {repr(result) for result in results if not isinstance(result, float)}:
        print(f"a kernel did not come up: {error}")
    came_up = Figure(
        name=f"{AT_ONCE} kernels at once, number that came up",
        value=len(times), unit="", comparison="==", target=AT_ONCE,
    )  # fmt: skip
    late = Figure(
        name=f"{AT_ONCE} kernels at once, p95 over one alone",
        value=p95(times or [float("inf")]) / median(alone), unit="×", comparison="<=", target=10,
        details={
            "one alone, p50, s": median(alone),
            "at once, p50, s": median(times or [float("inf")]),
            "at once, p95, s": p95(times or [float("inf")]),
        },
    )  # fmt: skip
    return came_up, late
