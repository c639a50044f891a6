"""Where the whole text of an execution goes, when it is more than memory should hold."""

from __future__ import annotations

import asyncio
import io
import os
from pathlib import Path
from typing import IO, Any, Protocol

from ipybox.errors import InvalidArgumentError, SpillError

BACKLOG_CHARS = 1024 * 1024
"""More than this waits for the disk: then nothing more is read from the kernel."""

SpillTarget = str | os.PathLike[str] | IO[str] | IO[bytes]
"""A folder, in which a file is made; or an open file, of text or of bytes (UTF-8)."""


class Writer(Protocol):
    """What a text collector asks of a spill."""

    def write(self, text: str) -> None: ...


class Spill:
    """Writes in a thread, in order. An error of the disk is kept, and raised at the end."""

    def __init__(self, target: SpillTarget) -> None:
        self._folder: Path | None = None
        self._file: Any = None
        self.path: Path | None = None
        self._waiting: list[str] = []
        self._size = 0
        self._writing: asyncio.Task[None] | None = None
        self._failure: Exception | None = None
        if isinstance(target, str | os.PathLike):
            self._folder = Path(target)
            if not self._folder.is_dir():
                raise InvalidArgumentError(
                    f"spill is {str(target)!r}; it must be a folder that exists, or an open file."
                )
        elif callable(getattr(target, "write", None)):
            self._file = target
        else:
            raise InvalidArgumentError(
                f"spill is a {type(target).__name__}; it must be a folder or an open file."
            )

    @property
    def full(self) -> bool:
        return self._size > BACKLOG_CHARS

    def write(self, text: str) -> None:
        """Takes text in; it is written soon. Call it on the event loop."""
        self._waiting.append(text)
        self._size += len(text)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all(), name="ipybox spill")

    async def flush(self) -> None:
        """Returns when all is written. Raises what the disk had against it."""
        while self._writing is not None:
            await asyncio.wait([self._writing])
        if self._failure is not None:
            raise SpillError(
                f"The text could not be written to {self.path or self._file!r}: "
                f"{type(self._failure).__name__}: {self._failure}"
            ) from self._failure

    async def close(self) -> None:
        """Writes what waits, and closes a file that was made here."""
        try:
            await self.flush()
        finally:
            if self._folder is not None and self._file is not None:
                file, self._file = self._file, None
                await asyncio.to_thread(file.close)

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                texts, self._waiting, self._size = self._waiting, [], 0
                if self._failure is None:
                    try:
                        await asyncio.to_thread(self._write, "".join(texts))
                    except (OSError, ValueError, TypeError) as error:
                        self._failure = error
        finally:
            self._writing = None

    def _write(self, text: str) -> None:
        if self._file is None:
            assert self._folder is not None
            self._file = _new_file(self._folder)
            self.path = Path(self._file.name)
        if isinstance(self._file, io.RawIOBase | io.BufferedIOBase):
            self._file.write(text.encode(errors="replace"))
        else:
            self._file.write(text)


def _new_file(folder: Path) -> IO[str]:
    import tempfile

    return tempfile.NamedTemporaryFile(  # closed in close()
        "w", encoding="utf-8", errors="replace", newline="",
        prefix="output-", suffix=".txt", dir=folder,
        delete=False,
    )  # fmt: skip
