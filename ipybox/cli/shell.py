"""``ipybox shell``: an interactive session in a container."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from ipybox.cli.options import (
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
from ipybox.errors import ExecutionError, ExecutionFailedError
from ipybox.session import session
from ipybox.spec.container import DEFAULT_TAG

if TYPE_CHECKING:
    from prompt_toolkit.completion import CompleteEvent, Completion
    from prompt_toolkit.document import Document

EXIT_COMMANDS = ("exit", "exit()", "quit", "quit()")


def shell(backend: BackendOption = None, bind: BindOption = None, env: EnvOption = None) -> None:
    """Start an interactive session in a new container, with history and completion.

    Input that ends with a colon, an open bracket or a backslash continues on the next
    line; an empty line finishes it. Ctrl-C interrupts running code, Ctrl-D exits.
    """
    with report_errors():
        container = session(
            backend=backend, binds=parse_binds(bind), env=parse_env(env),
            show_pull_progress=Progress(DEFAULT_TAG).show,
        )  # fmt: skip
        run_command(_shell(container))


async def _shell(container: AbstractAsyncContextManager[ExecutionClient]) -> int:
    async with container as client:
        print("Python in a new container. Ctrl-C interrupts running code, Ctrl-D exits.")
        async for code in _inputs(client):
            await _execute(client, code)
    return 0


async def _execute(client: ExecutionClient, code: str) -> None:
    import asyncio
    import signal

    execution = await client.submit(code)
    loop = asyncio.get_running_loop()
    interrupts: set[asyncio.Task[None]] = set()
    loop.add_signal_handler(
        signal.SIGINT, lambda: interrupts.add(loop.create_task(client.interrupt()))
    )
    try:
        async for source, text in execution.stream_sources(None):
            stream = sys.stderr if source == "stderr" else sys.stdout
            print(text, end="", flush=True, file=stream)
    except ExecutionError as error:
        print(error.trace or error, file=sys.stderr)
    except ExecutionFailedError as error:
        print(f"ipybox: {error}", file=sys.stderr)
        await client.restart()
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        if interrupts:
            await asyncio.wait(interrupts)


async def _inputs(client: ExecutionClient) -> AsyncIterator[str]:
    """Yield each complete input of the user, until Ctrl-D or an exit command."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import Completer
    from prompt_toolkit.completion import Completion as Choice
    from prompt_toolkit.history import FileHistory

    class KernelCompleter(Completer):
        def get_completions(self, document: Document, event: CompleteEvent) -> list[Completion]:
            return []

        async def get_completions_async(
            self, document: Document, event: CompleteEvent
        ) -> AsyncGenerator[Completion, None]:
            position = document.cursor_position
            completions = await client.complete(document.text, position)
            for match in completions.matches:
                yield Choice(match, start_position=completions.start - position)

    prompts: PromptSession[str] = PromptSession(
        history=FileHistory(_history_file()),
        completer=KernelCompleter(),
        complete_while_typing=False,
    )
    while True:
        lines: list[str] = []
        try:
            while not lines or (_needs_more(lines) and lines[-1]):
                prompt = "... " if lines else ">>> "
                lines.append(await prompts.prompt_async(prompt))
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        code = "\n".join(lines).strip("\n")
        if code.strip() in EXIT_COMMANDS:
            return
        if code:
            yield code


def _needs_more(lines: list[str]) -> bool:
    """Return whether the input is incomplete, by the rules of Python's own prompt."""
    import codeop

    source = "\n".join(lines)
    if source.lstrip().startswith(("!", "%", "?")) or source.rstrip().endswith("?"):
        return False
    try:
        return codeop.compile_command(source) is None
    except (SyntaxError, ValueError, OverflowError):
        return False


def _history_file() -> str:
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    folder = Path(base) / "ipybox"
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder / "history")
