"""``ipybox images``: list the images that contain the ipybox runtime."""

from __future__ import annotations

from collections.abc import Sequence

from ipybox.cli.options import BackendOption, JsonOption, list_rows
from ipybox.spec.image import HASH_LABEL, RECIPE_LABEL, RUNTIME_LABEL, ImageInfo


def images(backend: BackendOption = None, as_json: JsonOption = False) -> None:
    """List the images that ipybox can run."""
    list_rows(backend, lambda chosen: chosen.images(), as_json=as_json, show=_print)


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
