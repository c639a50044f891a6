"""Starts: of a gateway, and of a program that imports the library."""

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
    """Until a first kernel can be had: ours also has its fork server to wait for."""
    _compile(ipybox_runtime)
    answers: list[float] = []
    times: dict[str, list[float]] = {IPYBOX: [], STOCK: []}
    for _ in range(rounds):
        start = time.perf_counter()
        async with runtime_gateway() as gateway:
            answers.append(time.perf_counter() - start)
            await gateway.until_it_forks()
            times[IPYBOX].append(time.perf_counter() - start)
        start = time.perf_counter()
        async with stock_gateway(secrets.token_urlsafe(32)):
            times[STOCK].append(time.perf_counter() - start)
    medians = {name: median(values) for name, values in times.items()}
    return Figure(
        name="gateway and fork server ready, over the stock gateway",
        value=medians[IPYBOX] / medians[STOCK], unit="×", comparison="<=", target=0.35,
        contenders=medians, contender_unit="s",
        details={"ipybox, gateway alone, s": median(answers)},
        panel=Panel(title="Gateway, until it is ready for a first kernel", best="lower"),
    )  # fmt: skip


def import_time(rounds: int) -> Figure:
    """What ``import ipybox`` takes beyond ``import asyncio``."""
    _compile(ipybox)
    times: dict[str, list[float]] = {"asyncio": [], "ipybox": []}
    for _ in range(rounds):
        for name in times:
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", f"import {name}"], check=True)
            times[name].append(time.perf_counter() - start)
    medians = {name: median(values) for name, values in times.items()}
    return Figure(
        name="import ipybox, beyond import asyncio",
        value=medians["ipybox"] - medians["asyncio"], unit="s", comparison="<=", target=0.15,
        details={f"import {name}, s": value for name, value in medians.items()},
    )  # fmt: skip


def _compile(package: ModuleType) -> None:
    """Leaves it as an installer does: with byte-code."""
    subprocess.run([sys.executable, "-m", "compileall", "-q", *package.__path__], check=True)
