"""What is measured, one function a figure. Contenders take turns, so that noise meets all alike."""

from __future__ import annotations

import asyncio
import json
import secrets
import statistics
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass

import ipybox
from benchmarks.contenders import (
    Contender,
    ipybox_local,
    raw_zmq,
    stock_gateway,
    stock_gateway_process,
    until_it_answers,
)

STDOUT_LINES = 200_000
STDOUT_BYTES = STDOUT_LINES * 101


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured figure, beside its target: at most ``target``, or exactly it."""

    name: str
    value: float
    target: float
    comparison: str  # "<=" or "=="
    unit: str
    details: dict[str, float]

    @property
    def reached(self) -> bool:
        return self.value == self.target if self.comparison == "==" else self.value <= self.target


async def execution_round_trip(rounds: int) -> Figure:
    """p50 of one small execution: ours over raw ZMQ."""
    times: dict[str, list[float]] = {"ipybox": [], "stock gateway": [], "raw ZMQ": []}
    async with AsyncExitStack() as stack:
        contenders: dict[str, Contender] = {
            "ipybox": await stack.enter_async_context(ipybox_local()),
            "stock gateway": await stack.enter_async_context(stock_gateway()),
            "raw ZMQ": await stack.enter_async_context(raw_zmq()),
        }
        for number in range(rounds + 20):
            for name, contender in contenders.items():
                start = time.perf_counter()
                await contender.run(f"x = {number}")
                if number >= 20:  # the first ones warm up
                    times[name].append(time.perf_counter() - start)
    p50 = {name: statistics.median(values) * 1000 for name, values in times.items()}
    return Figure(
        name="execution round trip, p50, over raw ZMQ",
        value=p50["ipybox"] / p50["raw ZMQ"], target=1.3, comparison="<=", unit="×",
        details={f"{name}, ms": value for name, value in p50.items()},
    )  # fmt: skip


async def gateway_ready(rounds: int) -> Figure:
    """Time until a gateway answers HTTP: ours over the stock one."""
    ours: list[float] = []
    stock: list[float] = []
    for _ in range(rounds):
        start = time.perf_counter()
        async with stock_gateway_process(secrets.token_urlsafe(32)):
            stock.append(time.perf_counter() - start)
        ours.append(await _our_gateway_ready())
    return Figure(
        name="gateway ready, over the stock gateway",
        value=statistics.median(ours) / statistics.median(stock),
        target=0.4, comparison="<=", unit="×",
        details={"ipybox, s": statistics.median(ours), "stock, s": statistics.median(stock)},
    )  # fmt: skip


async def _our_gateway_ready() -> float:
    start = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "ipybox_runtime",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(json.dumps({"token": secrets.token_urlsafe(32)}).encode() + b"\n")
    port = json.loads(await process.stdout.readline())["port"]
    await until_it_answers(port)
    taken = time.perf_counter() - start
    process.stdin.close()
    await process.wait()
    return taken


async def stdout_complete() -> tuple[Figure, Figure]:
    """20 MB of stdout: how much arrives, and how fast beside raw ZMQ."""
    code = f"for i in range({STDOUT_LINES}): print(f'{{i:0100d}}')"
    arrived: dict[str, float] = {}
    rate: dict[str, float] = {}
    openers = {"ipybox": ipybox_local, "stock gateway": stock_gateway, "raw ZMQ": raw_zmq}
    for name, opener in openers.items():
        async with opener() as contender:
            start = time.perf_counter()
            text = await contender.run(code)
            rate[name] = len(text) / (time.perf_counter() - start) / 1e6
            arrived[name] = len(text)
    complete = Figure(
        name="20 MB of stdout, share that arrives",
        value=arrived["ipybox"] / STDOUT_BYTES, target=1.0, comparison="==", unit="",
        details={f"{name}, bytes": value for name, value in arrived.items()},
    )  # fmt: skip
    slower = Figure(
        name="20 MB of stdout, time over raw ZMQ",
        value=rate["raw ZMQ"] / rate["ipybox"], target=1.25, comparison="<=", unit="×",
        details={f"{name}, MB/s": value for name, value in rate.items()},
    )  # fmt: skip
    return complete, slower


def import_time(rounds: int) -> Figure:
    """What ``import ipybox`` takes beyond ``import asyncio``."""
    # As an installer leaves it: with byte-code.
    subprocess.run([sys.executable, "-m", "compileall", "-q", *ipybox.__path__], check=True)
    times: dict[str, list[float]] = {"asyncio": [], "ipybox": []}
    for _ in range(rounds):
        for name in times:
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", f"import {name}"], check=True)
            times[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in times.items()}
    return Figure(
        name="import ipybox, beyond import asyncio",
        value=medians["ipybox"] - medians["asyncio"], target=0.15, comparison="<=", unit="s",
        details={f"{name}, s": value for name, value in medians.items()},
    )  # fmt: skip
