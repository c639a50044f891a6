"""Where the whole text of an execution goes, when it is more than memory should hold."""

from __future__ import annotations

import asyncio
import codecs
import io
import os
from collections.abc import Callable
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
        """Returns when nothing waits. Raises SpillError with what the file had against it."""
        await self._until_written()
        if self._failure is not None:
            raise SpillError(
                f"The text could not be written to {self.path or self._file!r}: "
                f"{type(self._failure).__name__}: {self._failure}"
            ) from self._failure

    async def close(self) -> None:
        """Writes what waits, buffers included, and closes a file that was made here."""
        await self._until_written()
        # Even now the disk may refuse what Python has held back.
        await self._in_thread(self._end)
        await self.flush()

    async def _until_written(self) -> None:
        while self._writing is not None:
            await asyncio.wait([self._writing])

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                texts, self._waiting, self._size = self._waiting, [], 0
                if self._failure is None:
                    await self._in_thread(self._write, "".join(texts))
        finally:
            self._writing = None

    async def _in_thread(self, work: Callable[..., None], *arguments: str) -> None:
        try:
            await asyncio.to_thread(work, *arguments)
        except Exception as error:  # an open file is anybody's code
            self._failure = self._failure or error

    def _write(self, text: str) -> None:
        if self._file is None:
            assert self._folder is not None
            self._file = _new_file(self._folder)
            self.path = Path(self._file.name)
        if _is_binary(self._file):
            _write_bytes(self._file, text.encode(errors="replace"))
        else:
            self._file.write(text)

    def _end(self) -> None:
        if self._folder is None:
            flush = getattr(self._file, "flush", None)
            if callable(flush):
                flush()
        elif self._file is not None:
            self._file.close()


def _is_binary(file: Any) -> bool:
    if isinstance(file, codecs.StreamWriter | codecs.StreamReaderWriter):
        return False  # and its mode is that of the file below
    # Temporary files are wrappers, of no class of io's.
    return isinstance(file, io.RawIOBase | io.BufferedIOBase) or "b" in str(
        getattr(file, "mode", "")
    )


def _write_bytes(file: Any, data: bytes) -> None:
    rest = memoryview(data)
    while rest:  # a file without a buffer takes as much as it likes
        taken = file.write(rest)
        if taken is None:
            raise BlockingIOError("the file is not blocking, and takes no more")
        rest = rest[taken:]


def _new_file(folder: Path) -> IO[str]:
    import tempfile

    return tempfile.NamedTemporaryFile(  # closed in close()
        "w", encoding="utf-8", errors="replace", newline="",
        prefix="output-", suffix=".txt", dir=folder,
        delete=False,
    )  # fmt: skip
