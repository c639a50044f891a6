"""``ipybox images``: the images with our runtime."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Annotated

import typer

from ipybox.cli.options import BackendOption, errors_told, run_to_end
from ipybox.image import HASH_LABEL, RECIPE_LABEL, RUNTIME_LABEL, ImageInfo
from ipybox.selection import choose_backend


def images(
    backend: BackendOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Prints JSON, for programs.")] = False,
) -> None:
    """Lists the images that ipybox can run."""

    async def work() -> int:
        chosen = await choose_backend(backend)
        async with chosen:
            rows = await chosen.images()
        if as_json:
            typer.echo(json.dumps([dataclasses.asdict(row) for row in rows], indent=2))
        else:
            _print(rows)
        return 0

    with errors_told():
        run_to_end(work())


def _print(rows: Sequence[ImageInfo]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("image", "recipe", "hash", "runtime", "size")
    for row in rows:
        table.add_row(
            escape("\n".join(row.tags) or row.id[:19]),
            escape(row.labels.get(RECIPE_LABEL, "")),
            row.labels.get(HASH_LABEL, "")[:12],
            row.labels.get(RUNTIME_LABEL, ""),
            f"{row.size_bytes / 1_000_000:.0f} MB",
        )
    Console().print(table)
