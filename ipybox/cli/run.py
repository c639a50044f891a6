"""``ipybox run``: run one piece of code and print its output as it arrives."""

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
    parse_binds,
    parse_env,
    report_errors,
    run_command,
)
from ipybox.cli.progress import Progress
from ipybox.client import ExecutionClient
from ipybox.errors import ExecutionError, ExecutionTimeoutError, InvalidArgumentError
from ipybox.outputs.limits import Truncation
from ipybox.outputs.result import ExecutionResult
from ipybox.session import session
from ipybox.spec.container import DEFAULT_TAG


def run(
    file: Annotated[
        str | None,
        typer.Argument(metavar="FILE | -", help="File with the code; - for standard input."),
    ] = None,
    code: Annotated[
        str | None, typer.Option("-c", metavar="CODE", help="Code to run, instead of FILE.")
    ] = None,
    backend: BackendOption = None,
    bind: BindOption = None,
    env: EnvOption = None,
    timeout: Annotated[
        float, typer.Option(help="Seconds after which the code is interrupted.")
    ] = 120.0,
    save_images: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Save displayed images as PNG files in DIR.")
    ] = None,
) -> None:
    """Run Python code in a new container and remove the container afterwards.

    Exit codes: 0 on success, 1 if the code or the container fails, 2 on wrong usage,
    124 on a timeout.
    """
    source = _source(file, code)
    with report_errors():
        if not timeout > 0:
            raise InvalidArgumentError(f"--timeout must be above 0 seconds, got {timeout}.")
        container = session(
            backend=backend, binds=parse_binds(bind), env=parse_env(env),
            show_pull_progress=Progress(DEFAULT_TAG).show,
        )  # fmt: skip
        exit_code = run_command(_run(container, source, timeout, save_images))
    raise typer.Exit(exit_code)


def _source(file: str | None, code: str | None) -> str:
    if (file is None) == (code is None):
        raise typer.BadParameter("Give either a FILE (- for standard input) or -c CODE.")
    if code is not None:
        return code
    assert file is not None
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"File {file!r} can't be read: {error}.") from error


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
        print(f"ipybox: {describe_truncation(result.truncated)}", file=sys.stderr)
    if save_images is not None:
        save_images.mkdir(parents=True, exist_ok=True)
        for number, image in enumerate(result.images, 1):
            image.save(save_images / f"image-{number}.png")
    elif result.images:
        images = _count(len(result.images), "image")
        print(f"ipybox: {images} not saved. Use --save-images DIR to save them.", file=sys.stderr)


def describe_truncation(truncation: Truncation) -> str:
    """Describe what the output limits dropped, each kind with its own unit."""
    dropped = []
    if truncation.text:
        dropped.append(f"{_count(truncation.text, 'byte')} of text")
    if truncation.outputs:
        dropped.append(f"{_count(truncation.outputs, 'output')} above the maximum number")
    if truncation.messages:
        size = _count(truncation.message_bytes, "byte")
        dropped.append(f"{_count(truncation.messages, 'oversized message')} ({size})")
    return f"Output truncated: dropped {', '.join(dropped)}."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
