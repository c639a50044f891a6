"""``ipybox ps``: the containers that carry our labels."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Sequence
from typing import Annotated

import typer

from ipybox.cli.options import BackendOption, errors_told, run_to_end
from ipybox.labels import LEASE_LABEL
from ipybox.reports import ContainerInfo
from ipybox.selection import choose_backend


def ps(
    backend: BackendOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Prints JSON, for programs.")] = False,
) -> None:
    """Lists ipybox's containers, whoever has started them."""

    async def work() -> int:
        chosen = await choose_backend(backend)
        async with chosen:
            rows = await chosen.list()
        _print_json(rows) if as_json else _print(rows)
        return 0

    with errors_told():
        run_to_end(work())


def _print_json(rows: Sequence[ContainerInfo]) -> None:
    typer.echo(json.dumps([dataclasses.asdict(row) for row in rows], indent=2))


def _print(rows: Sequence[ContainerInfo]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("id", "name", "image", "state", "age", "lease")
    for row in rows:
        state = f"{row.state}, abandoned" if row.abandoned else row.state
        age = f"{max(0, time.time() - row.created):.0f} s"
        lease = row.labels.get(LEASE_LABEL, "?")
        table.add_row(row.id[:12], escape(row.name), escape(row.image), state, age, lease)
    Console().print(table)
