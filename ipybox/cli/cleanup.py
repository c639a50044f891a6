"""``ipybox cleanup``: removes what dead owners have left."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from ipybox.cli.options import BackendOption, errors_told, run_to_end
from ipybox.errors import InvalidArgumentError
from ipybox.plugins.selection import choose_backend


def cleanup(
    everything: Annotated[
        bool, typer.Option("--all", help="All of ipybox's containers, those in use as well.")
    ] = False,
    older_than: Annotated[
        float | None, typer.Option(metavar="S", help="Those made more than so many seconds ago.")
    ] = None,
    backend: BackendOption = None,
) -> None:
    """Removes the containers whose owner is dead. Touches only what carries our labels."""

    async def work() -> int:
        chosen = await choose_backend(backend)
        async with chosen:
            if everything or older_than is not None:
                limit = time.time() - (0 if older_than is None else older_than)
                removed = [info for info in await chosen.list() if info.created <= limit]
                for info in removed:
                    await chosen.remove(info.id)
            else:
                removed = list(await chosen.sweep())
        for info in removed:
            typer.echo(info.name)
        typer.echo(f"{len(removed)} removed", err=True)
        return 0

    with errors_told():
        if everything and older_than is not None:
            raise InvalidArgumentError("give either --all or --older-than.")
        if older_than is not None and not older_than >= 0:
            raise InvalidArgumentError(f"--older-than is {older_than}; it must be 0 or more.")
        run_to_end(work())
