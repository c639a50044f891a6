"""``python -m benchmarks``: prints a table, and writes ``benchmarks/results/latest.json``
and ``benchmarks/plot.svg``.

``--quick`` measures few rounds, to see that all of it runs, and leaves the plot as it is.
It measures other libraries only where they were installed before; ``--peers`` installs them.
"""

import asyncio
import dataclasses
import json
import os
import platform
import sys
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import plot
from benchmarks.containers import container_figures
from benchmarks.contenders import IPYBOX
from benchmarks.executions import round_trip, stdout
from benchmarks.figures import Figure, LeftOut
from benchmarks.kernels import kernel_start, many_at_once
from benchmarks.memory import private_memory
from benchmarks.startup import gateway_ready, import_time

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results" / "latest.json"
PLOT = FOLDER / "plot.svg"


async def measure(*, quick: bool, peers: bool) -> list[Figure | LeftOut]:
    return [
        *await kernel_start(rounds=1 if quick else 9),
        # The system tells what is private to a process on Linux alone.
        *([await private_memory(further=1 if quick else 4)] if sys.platform == "linux" else []),
        await round_trip(rounds=20 if quick else 300),
        *await stdout(rounds=1 if quick else 5),
        await gateway_ready(rounds=1 if quick else 7),
        *await many_at_once(rounds=3 if quick else 15),
        import_time(rounds=1 if quick else 15),
        *await container_figures(quick=quick, peers=peers),
    ]


def show(figures: list[Figure], left_out: list[LeftOut]) -> None:
    table = Table("figure", "measured", "target", "reached", "in detail")
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
    for row in left_out:
        table.add_row(row.name, "left out", "", "", row.reason)
    Console(width=max(120, Console().width)).print(table)


def main() -> None:
    quick = "--quick" in sys.argv
    measured = asyncio.run(measure(quick=quick, peers=not quick or "--peers" in sys.argv))
    figures = [item for item in measured if isinstance(item, Figure)]
    left_out = [item for item in measured if isinstance(item, LeftOut)]
    show(figures, left_out)
    machine = {"python": platform.python_version(), "system": platform.system(),
               "cores": os.cpu_count()}  # fmt: skip
    rows = [{**dataclasses.asdict(figure), "reached": figure.reached} for figure in figures]
    results = {
        "machine": machine, "quick": quick, "figures": rows,
        "left_out": [dataclasses.asdict(row) for row in left_out],
    }  # fmt: skip
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    if not quick:
        where = (
            f"{machine['system']}, {machine['cores']} cores, Python {machine['python']}; "
            f"one run, contenders in turn; {date.today()}"
        )
        PLOT.write_text(plot.svg(figures, ours=IPYBOX, subtitle=where))


if __name__ == "__main__":
    main()
