"""``ipybox rm``: ends containers and removes them."""

from __future__ import annotations

from typing import Annotated

import typer

from ipybox.cli.options import EXIT_ERROR, BackendOption, errors_told, run_to_end
from ipybox.errors import BackendError
from ipybox.plugins.selection import choose_backend


def rm(
    containers: Annotated[list[str], typer.Argument(metavar="ID…", help="Ids or names.")],
    backend: BackendOption = None,
) -> None:
    """Ends containers of ipybox's and removes them. Others are refused."""

    async def work() -> int:
        code = 0
        chosen = await choose_backend(backend)
        async with chosen:
            for container in containers:
                try:
                    await chosen.remove(container)
                    typer.echo(container)
                except BackendError as error:  # the others are removed all the same
                    typer.echo(f"ipybox: {error}", err=True)
                    code = EXIT_ERROR
        return code

    with errors_told():
        code = run_to_end(work())
    raise typer.Exit(code)
