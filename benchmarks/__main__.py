"""``python -m benchmarks``: prints a table, and writes ``benchmarks/results/latest.json``.

``--quick`` measures few rounds, to see that all of it runs.
"""

import asyncio
import dataclasses
import json
import os
import platform
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.measures import (
    Figure,
    execution_round_trip,
    gateway_ready,
    import_time,
    stdout_complete,
)

RESULTS = Path(__file__).parent / "results" / "latest.json"


async def measure(*, quick: bool) -> list[Figure]:
    return [
        await execution_round_trip(rounds=20 if quick else 300),
        await gateway_ready(rounds=1 if quick else 7),
        *await stdout_complete(),
        import_time(rounds=1 if quick else 15),
    ]


def show(figures: list[Figure]) -> None:
    table = Table("figure", "measured", "target", "reached", "in detail")
    for figure in figures:
        table.add_row(
            figure.name,
            f"{figure.value:.3f} {figure.unit}".strip(),
            f"{figure.comparison} {figure.target:g} {figure.unit}".strip(),
            "yes" if figure.reached else "NO",
            "\n".join(f"{name}: {value:,.3f}" for name, value in figure.details.items()),
        )
    Console(width=max(100, Console().width)).print(table)


def main() -> None:
    figures = asyncio.run(measure(quick="--quick" in sys.argv))
    show(figures)
    RESULTS.parent.mkdir(exist_ok=True)
    machine = {"python": platform.python_version(), "system": platform.system(),
               "cores": os.cpu_count()}  # fmt: skip
    rows = [{**dataclasses.asdict(figure), "reached": figure.reached} for figure in figures]
    RESULTS.write_text(json.dumps({"machine": machine, "figures": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
