"""``ipybox doctor``: show which backends are ready, and how to fix the others."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import typer

from ipybox.cli.options import JsonOption
from ipybox.errors import IpyboxError
from ipybox.plugins.registry import registry
from ipybox.plugins.selection import PREFERRED, load_backend
from ipybox.spec.status import Availability, Finding

CHECK_TIMEOUT = 15.0


def doctor(
    as_json: JsonOption = False,
) -> None:
    """Check each backend: whether it is ready and, if not, why and how to fix it."""
    rows = asyncio.run(_check_all())
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    else:
        _print(rows)


async def _check_all() -> list[dict[str, Any]]:
    known = registry().backends
    absent = [name for name in PREFERRED if name not in known]
    states = await asyncio.gather(*(_check(name) for name in known))
    rows = [
        {
            "name": name,
            "isolation": known[name].isolation,
            **dataclasses.asdict(state),
            "findings": [dataclasses.asdict(finding) for finding in findings],
        }
        for name, (state, findings) in zip(known, states, strict=True)
    ]
    missing = Availability(
        ready=False,
        reason="No installed plugin provides this backend.",
        remedy="Run `ipybox plugins` to list the plugins that were found.",
    )
    return rows + [
        {"name": name, "isolation": "container", **dataclasses.asdict(missing), "findings": []}
        for name in absent
    ]


async def _check(name: str) -> tuple[Availability, Sequence[Finding]]:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT):
            backend = load_backend(name)
            return await backend.availability(), await backend.diagnose()
    except TimeoutError:
        return Availability(
            ready=False, reason=f"The backend did not answer within {CHECK_TIMEOUT:.0f} s."
        ), ()
    except IpyboxError as error:
        return Availability(ready=False, reason=str(error)), ()
    # A plugin may raise anything; the other backends must still be checked.
    except Exception as error:
        return Availability(ready=False, reason=f"{type(error).__name__}: {error}"), ()


def _print(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("backend", "ready", "isolation", "version", "reason and remedy")
    for row in rows:
        advice = " ".join(filter(None, [row["reason"], row["remedy"]]))
        table.add_row(
            row["name"],
            "[green]yes[/]" if row["ready"] else "[red]no[/]",
            row["isolation"],
            row["version"] or "",
            escape(advice),
        )
    console = Console()
    console.print(table)
    for row in rows:
        for finding in row["findings"]:
            if finding["level"] != "ok":
                colour = "red" if finding["level"] == "error" else "yellow"
                finding_text = escape(f"{row['name']}: {finding['name']}: {finding['found']}.")
                console.print(f"[{colour}]{finding['level']}[/] {finding_text}")
                console.print(escape(f"    {finding['remedy']}"), soft_wrap=True)
