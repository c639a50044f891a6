"""Writing the whole text of an execution to a file, if it is more than memory should hold."""

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
"""Characters that may wait for the disk; with more, nothing is read from the kernel."""

SpillTarget = str | os.PathLike[str] | IO[str] | IO[bytes]
"""A folder, in which a file is created, or an open file: text, or binary (gets UTF-8)."""


class Writer(Protocol):
    """What an output collector needs of a spill."""

    def write(self, text: str) -> None: ...


class Spill:
    """A writer that appends text to a file, in order, in a worker thread.

    The first error of the file is kept, and raised by :meth:`flush` and :meth:`close`.

    Attributes:
        path: The file that was created in the folder; None before the first text, and for a
            file of the caller's.
    """

    def __init__(self, target: SpillTarget) -> None:
        """Prepare for writing. A file is created with the first text.

        Args:
            target: An existing folder, or an open file, which stays open.

        Raises:
            InvalidArgumentError: If ``target`` is neither.
        """
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
                    f"spill must be an existing folder or an open file, got {str(target)!r}."
                )
        elif callable(getattr(target, "write", None)):
            self._file = target
        else:
            raise InvalidArgumentError(
                f"spill must be an existing folder or an open file, got {type(target).__name__}."
            )

    @property
    def full(self) -> bool:
        """Whether so much text waits for the disk that the caller should wait (:meth:`flush`)."""
        return self._size > BACKLOG_CHARS

    def write(self, text: str) -> None:
        """Queue text to be written soon. Call it on the event loop."""
        self._waiting.append(text)
        self._size += len(text)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all(), name="ipybox spill")

    async def flush(self) -> None:
        """Wait until all text has been handed to the file.

        Raises:
            SpillError: If the file could not be created or written to.
        """
        await self._wait_until_written()
        if self._failure is not None:
            raise SpillError(
                f"Could not write the text to {self.path or self._file!r}: "
                f"{type(self._failure).__name__}: {self._failure}"
            ) from self._failure

    async def close(self) -> None:
        """Write what is queued or buffered, and close the file if it was created here.

        Raises:
            SpillError: If the file could not be created, written to or closed.
        """
        await self._wait_until_written()
        # Python may still hold text in its buffer, and the disk may refuse it now.
        await self._in_thread(self._finish)
        await self.flush()

    async def _wait_until_written(self) -> None:
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
        except Exception as error:  # an open file is the caller's code, and may raise anything
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

    def _finish(self) -> None:
        if self._folder is None:
            flush = getattr(self._file, "flush", None)
            if callable(flush):
                flush()
        elif self._file is not None:
            self._file.close()


def _is_binary(file: Any) -> bool:
    if isinstance(file, codecs.StreamWriter | codecs.StreamReaderWriter):
        return False  # They take text, although their mode is that of the binary file below.
    # A temporary file is a wrapper, which is no instance of the classes in io.
    return isinstance(file, io.RawIOBase | io.BufferedIOBase) or "b" in str(
        getattr(file, "mode", "")
    )


def _write_bytes(file: Any, data: bytes) -> None:
    rest = memoryview(data)
    while rest:  # An unbuffered file may take only a part.
        taken = file.write(rest)
        if taken is None:
            raise BlockingIOError("the file is non-blocking and accepts no more data")
        rest = rest[taken:]


def _new_file(folder: Path) -> IO[str]:
    import tempfile

    return tempfile.NamedTemporaryFile(  # closed in close()
        "w", encoding="utf-8", errors="replace", newline="",
        prefix="output-", suffix=".txt", dir=folder,
        delete=False,
    )  # fmt: skip
