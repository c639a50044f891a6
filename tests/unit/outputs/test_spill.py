"""Spill files that accept text in part, or not at all: no text is lost without an error."""

from __future__ import annotations

import codecs
import io
from pathlib import Path
from typing import IO, Any

import pytest

from ipybox.errors import SpillError
from ipybox.outputs import spill
from ipybox.outputs.spill import Spill


class PartialWriter(io.RawIOBase):
    """Accepts three bytes at a time, as a raw file may."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: Any) -> int:
        piece = bytes(data)[:3]
        self.written += piece
        return len(piece)


class NonBlocking(io.RawIOBase):
    """A non-blocking file that accepts nothing."""

    def write(self, data: Any) -> None:
        return None


class Broken(io.StringIO):
    """A file of the caller's, with a bug."""

    def write(self, text: str) -> int:
        raise RuntimeError("a bug")


async def test_a_raw_file_gets_the_whole_text() -> None:
    file = PartialWriter()
    target = Spill(file)  # type: ignore[arg-type]
    target.write("ten letters")
    await target.close()
    assert file.written == b"ten letters"


@pytest.mark.parametrize(
    "opened", [codecs.open, lambda path, *_: codecs.getwriter("utf-8")(path.open("wb"))]
)
async def test_a_codecs_writer_gets_text(tmp_path: Path, opened: Any) -> None:
    with opened(tmp_path / "text", "w", "utf-8") as file:
        target = Spill(file)
        target.write("ü")
        await target.close()
        assert (tmp_path / "text").read_bytes() == "ü".encode()


@pytest.mark.parametrize(("file", "reason"), [(NonBlocking(), "non-blocking"), (Broken(), "a bug")])
async def test_an_error_of_the_file_becomes_a_spill_error(file: IO[str], reason: str) -> None:
    target = Spill(file)
    target.write("text")
    with pytest.raises(SpillError, match=reason):
        await target.close()


async def test_a_full_disk_becomes_a_spill_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = open("/dev/full", "w")  # noqa: SIM115 - closed by Spill
    monkeypatch.setattr(spill, "_new_file", lambda folder: full)
    target = Spill(tmp_path)
    target.write("little enough for a buffer")
    with pytest.raises(SpillError, match=r"/dev/full.*No space left"):
        await target.close()
