"""Progress of a build or a pull: bars on a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ipybox.spec.image import BuildEvent

if TYPE_CHECKING:
    import rich.progress

MAX_TEXT_LENGTH = 72  # characters


class Progress:
    """Context manager that shows build events on standard error."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._bars: rich.progress.Progress | None = None
        self._tasks: dict[str, rich.progress.TaskID] = {}
        self._printed: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    def show(self, event: BuildEvent) -> None:
        if event.kind == "done":
            self._stop()
            return
        if self._bars is None and sys.stderr.isatty():
            self._start()
        if self._bars is not None:
            self._show_bar(self._bars, event)
        elif event.kind == "step":
            self._print_line(f"step {event.step}/{event.steps}: {_shorten(event.text)}")
        elif event.kind == "output":
            self._print_line(f"  {event.text}")
        elif event.kind == "progress" and self._printed.get(event.item) != event.text:
            self._printed[event.item] = event.text  # once per status, not per chunk of bytes
            self._print_line(f"{event.item}: {event.text}" if event.item else event.text)

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
        self._bars = Bars(*columns, console=Console(stderr=True))
        self._bars.start()

    def _stop(self) -> None:
        bars, self._bars = self._bars, None
        self._tasks = {}
        if bars is not None:
            bars.stop()

    def _show_bar(self, bars: rich.progress.Progress, event: BuildEvent) -> None:
        from rich.markup import escape

        if event.kind == "output":
            bars.console.print(escape(event.text), style="dim", highlight=False)
            return
        key = event.item if event.kind == "progress" else ""
        if key not in self._tasks:
            self._tasks[key] = bars.add_task(self._name, total=None)
        if event.kind == "step":
            text = f"{event.step}/{event.steps} {_shorten(event.text)}"
            bars.update(
                self._tasks[key], description=escape(text), completed=event.step - 1,
                total=event.steps,
            )  # fmt: skip
        elif event.kind == "progress":
            bars.update(
                self._tasks[key], description=escape(f"{event.item} {event.text}"),
                completed=event.current, total=event.total or None,
            )  # fmt: skip

    def _print_line(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_TEXT_LENGTH else line[: MAX_TEXT_LENGTH - 1] + "…"
