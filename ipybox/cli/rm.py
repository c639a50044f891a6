"""``ipybox rm``: stop containers and remove them."""

from __future__ import annotations

from typing import Annotated

import typer

from ipybox.cli.options import EXIT_ERROR, BackendOption, report_errors, run_command
from ipybox.errors import BackendError
from ipybox.plugins.selection import choose_backend


def rm(
    containers: Annotated[list[str], typer.Argument(metavar="ID…", help="Container ids or names.")],
    backend: BackendOption = None,
) -> None:
    """Stop and remove containers of ipybox. Other containers are refused."""

    async def work() -> int:
        code = 0
        chosen = await choose_backend(backend)
        async with chosen:
            for container in containers:
                try:
                    await chosen.remove(container)
                    typer.echo(container)
                except BackendError as error:  # go on with the other containers
                    typer.echo(f"ipybox: {error}", err=True)
                    code = EXIT_ERROR
        return code

    with report_errors():
        code = run_command(work())
    raise typer.Exit(code)
