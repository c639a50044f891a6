"""``ipybox logs``: print what a container's gateway has logged."""

from __future__ import annotations

from typing import Annotated

import typer

from ipybox.cli.options import BackendOption, report_errors, run_command
from ipybox.plugins.selection import choose_backend


def logs(
    container: Annotated[str, typer.Argument(metavar="ID", help="Container id or name.")],
    tail: Annotated[
        int, typer.Option(min=1, help="Number of lines to print, from the end of the log.")
    ] = 100,
    backend: BackendOption = None,
) -> None:
    """Print the log of a container's gateway. Output of executed code is not part of it."""

    async def work() -> int:
        chosen = await choose_backend(backend)
        async with chosen:
            for line in await chosen.logs(container, tail):
                typer.echo(line)
        return 0

    with report_errors():
        run_command(work())
