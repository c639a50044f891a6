"""Executions in a running kernel: a small one, and one with much output."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from statistics import median

from benchmarks.contenders import IPYBOX, RAW, STOCK, contenders
from benchmarks.figures import Figure, Panel

WARM_UP = 20
STDOUT_LINES = 200_000
STDOUT_BYTES = STDOUT_LINES * 101


async def round_trip(rounds: int) -> Figure:
    """Measure the p50 of a small execution, as the ratio of ipybox to raw ZMQ."""
    times: dict[str, list[float]] = {}
    async with contenders() as openers, AsyncExitStack() as stack:
        kernels = {
            name: await stack.enter_async_context(opener()) for name, opener in openers.items()
        }
        for number in range(WARM_UP + rounds):
            for name, kernel in kernels.items():
                start = time.perf_counter()
                await kernel.run(f"x = {number}")
                if number >= WARM_UP:
                    times.setdefault(name, []).append(time.perf_counter() - start)
    p50 = {name: median(values) * 1000 for name, values in times.items()}
    return Figure(
        name="execution round trip, p50, relative to raw ZMQ",
        value=p50[IPYBOX] / p50[RAW], unit="×", comparison="<=", target=1.10,
        contenders=p50, contender_unit="ms",
        panel=Panel(title="Round trip of a small execution", best="lower"),
    )  # fmt: skip


async def stdout(rounds: int) -> tuple[Figure, Figure]:
    """Print 20 MB of numbered lines: how much arrives, and at what rate relative to raw ZMQ."""
    code = f"for i in range({STDOUT_LINES}): print(f'{{i:0100d}}')"
    expected = "".join(f"{number:0100d}\n" for number in range(STDOUT_LINES))
    arrived: dict[str, list[float]] = {}
    rates: dict[str, list[float]] = {}
    async with contenders() as openers:
        for _ in range(rounds):
            for name, opener in openers.items():
                async with opener() as kernel:
                    start = time.perf_counter()
                    text = await kernel.run(code)
                    taken = time.perf_counter() - start
                arrived.setdefault(name, []).append(len(text) / STDOUT_BYTES)
                # ipybox and raw ZMQ count only when complete; the stock gateway never is.
                if text == expected or name == STOCK:
                    rates.setdefault(name, []).append(len(text) / taken / 1e6)
    least = {name: min(shares) for name, shares in arrived.items()}
    rate = {name: median(rates.get(name, [0.0])) for name in arrived}
    complete = Figure(
        name="20 MB of stdout, share that arrives",
        value=least[IPYBOX], unit="", comparison="==", target=1.0,
        contenders=least,
    )  # fmt: skip
    fast = Figure(
        name="20 MB of stdout, rate relative to raw ZMQ",
        value=rate[IPYBOX] / rate[RAW] if rate[RAW] else 0.0, unit="×",
        comparison=">=", target=0.8,
        contenders=rate, contender_unit="MB/s",
        panel=Panel(
            title="Rate of printing 20 MB to stdout", best="higher",
            notes={name: f"{share:.0%} arrives" for name, share in least.items() if share < 1},
        ),
    )  # fmt: skip
    return complete, fast
