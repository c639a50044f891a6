"""Run the benchmarks: ``python -m benchmarks [--quick] [--peers] [NAME ...]``.

Prints a table and writes ``benchmarks/results/latest.json``. A full run of all benchmarks also
draws ``benchmarks/plot.svg``.
"""

import argparse
import asyncio
import dataclasses
import json
import os
import platform
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import plot
from benchmarks.containers import container_figures
from benchmarks.contenders import IPYBOX
from benchmarks.executions import round_trip, stdout
from benchmarks.figures import Figure, SkippedFigure
from benchmarks.kernels import concurrent_starts, kernel_start
from benchmarks.memory import private_memory
from benchmarks.startup import gateway_ready, import_time

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results" / "latest.json"
PLOT = FOLDER / "plot.svg"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line asks for.

    Attributes:
        quick: Measure few rounds, to check that every benchmark runs.
        peers: Install other libraries and build their images where they are missing.
    """

    quick: bool
    peers: bool


Measured = Sequence[Figure | SkippedFigure]


async def _kernel_start(options: Options) -> Measured:
    return await kernel_start(rounds=1 if options.quick else 9)


async def _memory(options: Options) -> Measured:
    if sys.platform != "linux":  # only Linux reports the private memory of a process
        return [SkippedFigure(name="private memory", reason="Only Linux reports it.")]
    return [await private_memory(further=1 if options.quick else 4)]


async def _round_trip(options: Options) -> Measured:
    return [await round_trip(rounds=20 if options.quick else 300)]


async def _stdout(options: Options) -> Measured:
    return await stdout(rounds=1 if options.quick else 5)


async def _gateway_start(options: Options) -> Measured:
    return [await gateway_ready(rounds=1 if options.quick else 7)]


async def _concurrent_starts(options: Options) -> Measured:
    return await concurrent_starts(rounds=3 if options.quick else 15)


async def _import(options: Options) -> Measured:
    return [import_time(rounds=1 if options.quick else 15)]


async def _containers(options: Options) -> Measured:
    return await container_figures(quick=options.quick, peers=options.peers)


BENCHMARKS: dict[str, Callable[[Options], Awaitable[Measured]]] = {
    "kernel-start": _kernel_start,
    "memory": _memory,
    "round-trip": _round_trip,
    "stdout": _stdout,
    "gateway-start": _gateway_start,
    "concurrent-starts": _concurrent_starts,
    "import": _import,
    "containers": _containers,
}
"""Each benchmark by the name that selects it, in the order in which they run."""


async def measure(names: Sequence[str], options: Options) -> list[Figure | SkippedFigure]:
    """Run the named benchmarks, one after the other."""
    return [item for name in names for item in await BENCHMARKS[name](options)]


def show(figures: list[Figure], skipped: list[SkippedFigure]) -> None:
    """Print the figures and what was skipped as a table."""
    table = Table("figure", "measured", "target", "reached", "details")
    for figure in figures:
        details = {
            **{f"{name}, {figure.contender_unit}".removesuffix(", "): value
               for name, value in figure.contenders.items()},
            **figure.details,
        }  # fmt: skip
        table.add_row(
            figure.name,
            f"{figure.value:.3f} {figure.unit}".strip(),
            f"{figure.comparison} {figure.target:g} {figure.unit}".strip(),
            "yes" if figure.reached else "NO",
            "\n".join(f"{name}: {value:,.3f}" for name, value in details.items()),
        )
    for row in skipped:
        table.add_row(row.name, "skipped", "", "", row.reason)
    Console(width=max(120, Console().width)).print(table)


def parse_arguments() -> tuple[list[str], Options]:
    """Return the names of the benchmarks to run, and their options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Run benchmarks.")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"default: all of {', '.join(BENCHMARKS)}"
    )
    parser.add_argument(
        "--quick", action="store_true",
        help="measure few rounds, to check that everything runs; the plot is not redrawn",
    )  # fmt: skip
    parser.add_argument(
        "--peers", action="store_true",
        help="with --quick: install other libraries that are missing, as a full run does",
    )  # fmt: skip
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(BENCHMARKS):
        parser.error(
            f"unknown benchmark {', '.join(sorted(unknown))}; choose from {', '.join(BENCHMARKS)}"
        )
    options = Options(quick=arguments.quick, peers=arguments.peers or not arguments.quick)
    return [name for name in BENCHMARKS if name in (arguments.names or BENCHMARKS)], options


def main() -> None:
    names, options = parse_arguments()
    measured = asyncio.run(measure(names, options))
    figures = [item for item in measured if isinstance(item, Figure)]
    skipped = [item for item in measured if isinstance(item, SkippedFigure)]
    show(figures, skipped)
    machine = {"python": platform.python_version(), "system": platform.system(),
               "cores": os.cpu_count()}  # fmt: skip
    rows = [{**dataclasses.asdict(figure), "reached": figure.reached} for figure in figures]
    results = {
        "machine": machine, "quick": options.quick, "figures": rows,
        "skipped": [dataclasses.asdict(row) for row in skipped],
    }  # fmt: skip
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    if not options.quick and names == list(BENCHMARKS):
        subtitle = (
            f"{machine['system']}, {machine['cores']} cores, Python {machine['python']}; "
            f"one run, contenders interleaved; {date.today()}"
        )
        PLOT.write_text(plot.svg(figures, own_name=IPYBOX, subtitle=subtitle))


if __name__ == "__main__":
    main()
