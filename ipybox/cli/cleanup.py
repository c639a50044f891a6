"""``ipybox cleanup``: remove containers whose owners are dead."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from ipybox.cli.options import BackendOption, report_errors, run_command
from ipybox.errors import InvalidArgumentError
from ipybox.plugins.selection import choose_backend


def cleanup(
    everything: Annotated[
        bool, typer.Option("--all", help="Remove all containers of ipybox, even those in use.")
    ] = False,
    older_than: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Remove containers created more than SECONDS ago, even those in use.",
        ),
    ] = None,
    backend: BackendOption = None,
) -> None:
    """Remove containers whose owner process is dead. Only containers of ipybox are touched."""

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

    with report_errors():
        if everything and older_than is not None:
            raise InvalidArgumentError("Give either --all or --older-than, not both.")
        if older_than is not None and not older_than >= 0:
            raise InvalidArgumentError(f"--older-than must be 0 or more seconds, got {older_than}.")
        run_command(work())
