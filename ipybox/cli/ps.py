"""``ipybox ps``: list the containers that carry ipybox's labels."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ipybox.cli.options import BackendOption, JsonOption, list_rows
from ipybox.runtime.labels import LEASE_LABEL
from ipybox.spec.status import ContainerInfo


def ps(backend: BackendOption = None, as_json: JsonOption = False) -> None:
    """List all containers of ipybox, including those that other processes started."""
    list_rows(backend, lambda chosen: chosen.list(), as_json=as_json, show=_print)


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
