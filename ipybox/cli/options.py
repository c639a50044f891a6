"""Options, exit codes and error reporting that the commands share."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from ipybox.backend import Backend
from ipybox.errors import BackendNotFoundError, InvalidArgumentError, IpyboxError
from ipybox.plugins.selection import choose_backend
from ipybox.spec.container import Bind

EXIT_ERROR = 1
EXIT_USAGE = 2
EXIT_TIMEOUT = 124  # the same code as timeout(1)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
BackendOption = Annotated[
    str | None,
    typer.Option(
        "--backend",
        metavar="NAME",
        help="Backend to use: docker, podman, local, or one from a plugin. "
        "Default: $IPYBOX_BACKEND, else the first ready backend that isolates.",
    ),
]
BindOption = Annotated[
    list[str] | None,
    typer.Option(
        "--bind",
        metavar="HOST:CONTAINER",
        help="Mount the folder HOST at the path CONTAINER, relative to /app. Repeatable.",
    ),
]
EnvOption = Annotated[
    list[str] | None,
    typer.Option("--env", metavar="NAME=VALUE", help="Set an environment variable. Repeatable."),
]


def parse_binds(values: Sequence[str] | None) -> list[Bind]:
    binds = []
    for value in values or ():
        host, separator, target = value.rpartition(":")
        if not separator or not host or not target:
            raise typer.BadParameter(
                f"{value!r} is not of the form HOST:CONTAINER.", param_hint="--bind"
            )
        binds.append(Bind(host_path=Path(host).expanduser(), container_path=target))
    return binds


def parse_env(values: Sequence[str] | None) -> dict[str, str]:
    env = {}
    for value in values or ():
        name, separator, content = value.partition("=")
        if not separator or not name:
            # The message omits what follows the "=": it may be a secret.
            raise typer.BadParameter(f"{name!r} is not of the form NAME=VALUE.", param_hint="--env")
        env[name] = content
    return env


def list_rows(
    backend: str | None,
    fetch: Callable[[Backend], Awaitable[Sequence[Any]]],
    *,
    as_json: bool,
    show: Callable[[Sequence[Any]], None],
) -> None:
    """Fetch dataclasses from a backend and print them, with ``show`` or as JSON."""

    async def work() -> int:
        chosen = await choose_backend(backend)
        async with chosen:
            rows = await fetch(chosen)
        if as_json:
            typer.echo(json.dumps([dataclasses.asdict(row) for row in rows], indent=2))
        else:
            show(rows)
        return 0

    with report_errors():
        run_command(work())


def run_command(work: Coroutine[Any, Any, int]) -> int:
    """Run a command and return its exit code. SIGTERM cancels it with teardown, as Ctrl-C does."""

    async def main() -> int:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    try:
        return asyncio.run(main())
    except asyncio.CancelledError:
        return 128 + signal.SIGTERM


@contextmanager
def report_errors() -> Iterator[None]:
    """Print an IpyboxError without a traceback, and exit with its exit code."""
    try:
        yield
    except IpyboxError as error:
        typer.echo(f"ipybox: {error}", err=True)
        wrong_use = isinstance(error, InvalidArgumentError | BackendNotFoundError)
        raise typer.Exit(EXIT_USAGE if wrong_use else EXIT_ERROR) from error
