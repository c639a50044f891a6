"""``ipybox logs``: what a container's gateway has logged."""

from __future__ import annotations

from typing import Annotated

import typer

from ipybox.cli.options import BackendOption, errors_told, run_to_end
from ipybox.plugins.selection import choose_backend


def logs(
    container: Annotated[str, typer.Argument(metavar="ID", help="Its id or name.")],
    tail: Annotated[int, typer.Option(min=1, help="So many lines, the last ones.")] = 100,
    backend: BackendOption = None,
) -> None:
    """Prints a container's log: the gateway's, not the code's."""

    async def work() -> int:
        chosen = await choose_backend(backend)
        async with chosen:
            for line in await chosen.logs(container, tail):
                typer.echo(line)
        return 0

    with errors_told():
        run_to_end(work())
