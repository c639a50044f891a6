"""``ipybox run``: one piece of code, its output as it comes."""

from __future__ import annotations

import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Annotated

import typer

from ipybox.cli.options import (
    EXIT_ERROR,
    EXIT_TIMEOUT,
    BackendOption,
    BindOption,
    EnvOption,
    errors_told,
    parse_binds,
    parse_env,
    run_to_end,
)
from ipybox.cli.progress import Progress
from ipybox.client import ExecutionClient
from ipybox.errors import ExecutionError, ExecutionTimeoutError, InvalidArgumentError
from ipybox.outputs.result import ExecutionResult
from ipybox.session import session
from ipybox.spec.container import DEFAULT_TAG


def run(
    file: Annotated[
        str | None, typer.Argument(metavar="[FILE | -]", help="A file; - is standard input.")
    ] = None,
    code: Annotated[str | None, typer.Option("-c", metavar="CODE", help="The code itself.")] = None,
    backend: BackendOption = None,
    bind: BindOption = None,
    env: EnvOption = None,
    timeout: Annotated[float, typer.Option(help="Seconds until the code is interrupted.")] = 120.0,
    save_images: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Saves the images there, as PNG.")
    ] = None,
) -> None:
    """Runs Python code in a container of its own.

    Exits with 0; 1 on an error in the code; 124 on a time-out; 2 on wrong use.
    """
    source = _source(file, code)
    with errors_told():
        if not timeout > 0:
            raise InvalidArgumentError(f"timeout is {timeout}; it must be above 0 seconds.")
        container = session(
            backend=backend, binds=parse_binds(bind), env=parse_env(env),
            show_pull_progress=Progress(DEFAULT_TAG).show,
        )  # fmt: skip
        exit_code = run_to_end(_run(container, source, timeout, save_images))
    raise typer.Exit(exit_code)


def _source(file: str | None, code: str | None) -> str:
    if (file is None) == (code is None):
        raise typer.BadParameter("give either a FILE (- for standard input) or -c CODE")
    if code is not None:
        return code
    assert file is not None
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{file}: {error}") from error


async def _run(
    container: AbstractAsyncContextManager[ExecutionClient],
    source: str,
    timeout: float,
    save_images: Path | None,
) -> int:
    async with container as client:
        execution = await client.submit(source)
        result: ExecutionResult | None
        try:
            async for source_name, text in execution.stream_sources(timeout):
                stream = sys.stderr if source_name == "stderr" else sys.stdout
                print(text, end="", flush=True, file=stream)
            result, exit_code = await execution.result(timeout), 0
        except ExecutionError as error:
            print(error.trace or error, file=sys.stderr)
            result, exit_code = error.result, EXIT_ERROR
        except ExecutionTimeoutError as error:
            print(f"ipybox: {error}", file=sys.stderr)
            result, exit_code = error.result, EXIT_TIMEOUT
    if result is not None:
        _report(result, save_images)
    return exit_code


def _report(result: ExecutionResult, save_images: Path | None) -> None:
    if result.truncated:
        cut = result.truncated
        print(
            f"ipybox: output truncated by {cut.text} characters and {cut.outputs} outputs",
            file=sys.stderr,
        )
    if save_images is not None:
        save_images.mkdir(parents=True, exist_ok=True)
        for number, image in enumerate(result.images, 1):
            image.save(save_images / f"image-{number}.png")
    elif result.images:
        print(
            f"ipybox: {len(result.images)} image(s) not saved; --save-images DIR saves them",
            file=sys.stderr,
        )
