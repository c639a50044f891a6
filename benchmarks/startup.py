"""Start-up times: of a gateway, and of ``import ipybox``."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from statistics import median
from types import ModuleType

import ipybox_runtime

import ipybox
from benchmarks.contenders import IPYBOX, STOCK
from benchmarks.figures import Figure, Panel
from benchmarks.gateways import runtime_gateway, stock_gateway


async def gateway_ready(rounds: int) -> Figure:
    """Measure a gateway's start until it can start a first kernel.

    For ipybox this includes the start of the fork server.
    """
    _compile(ipybox_runtime)
    answers: list[float] = []
    times: dict[str, list[float]] = {IPYBOX: [], STOCK: []}
    for _ in range(rounds):
        start = time.perf_counter()
        async with runtime_gateway() as gateway:
            answers.append(time.perf_counter() - start)
            await gateway.wait_for_fork_server()
            times[IPYBOX].append(time.perf_counter() - start)
        start = time.perf_counter()
        async with stock_gateway(secrets.token_urlsafe(32)):
            times[STOCK].append(time.perf_counter() - start)
    medians = {name: median(values) for name, values in times.items()}
    return Figure(
        name="gateway and fork server ready, relative to the stock gateway",
        value=medians[IPYBOX] / medians[STOCK], unit="×", comparison="<=", target=0.35,
        contenders=medians, contender_unit="s",
        details={"ipybox, gateway alone, s": median(answers)},
        panel=Panel(title="Gateway start, to ready for a first kernel", best="lower"),
    )  # fmt: skip


def import_time(rounds: int) -> Figure:
    """Measure how much longer ``import ipybox`` takes than ``import asyncio``."""
    _compile(ipybox)
    times: dict[str, list[float]] = {"asyncio": [], "ipybox": []}
    for _ in range(rounds):
        for name in times:
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", f"import {name}"], check=True)
            times[name].append(time.perf_counter() - start)
    medians = {name: median(values) for name, values in times.items()}
    return Figure(
        name="import ipybox, in addition to import asyncio",
        value=medians["ipybox"] - medians["asyncio"], unit="s", comparison="<=", target=0.15,
        details={f"import {name}, s": value for name, value in medians.items()},
    )  # fmt: skip


def _compile(package: ModuleType) -> None:
    """Compile the package to byte-code, as an installer does."""
    subprocess.run([sys.executable, "-m", "compileall", "-q", *package.__path__], check=True)
