"""Files that take the text badly: nothing is lost without a word."""

from __future__ import annotations

import codecs
import io
from pathlib import Path
from typing import IO, Any

import pytest

from ipybox.errors import SpillError
from ipybox.outputs import spill
from ipybox.outputs.spill import Spill


class Little(io.RawIOBase):
    """Takes three bytes at a time, as a raw file may."""

    def __init__(self) -> None:
        self.taken = b""

    def write(self, data: Any) -> int:
        piece = bytes(data)[:3]
        self.taken += piece
        return len(piece)


class Blocking(io.RawIOBase):
    """Does not block, and has no room."""

    def write(self, data: Any) -> None:
        return None


class Broken(io.StringIO):
    """A file of the caller's own, with a bug."""

    def write(self, text: str) -> int:
        raise RuntimeError("a bug")


async def test_a_raw_file_gets_all() -> None:
    file = Little()
    target = Spill(file)  # type: ignore[arg-type]
    target.write("ten letters")
    await target.close()
    assert file.taken == b"ten letters"


@pytest.mark.parametrize(
    "opened", [codecs.open, lambda path, *_: codecs.getwriter("utf-8")(path.open("wb"))]
)
async def test_a_codecs_writer_takes_text(tmp_path: Path, opened: Any) -> None:
    with opened(tmp_path / "text", "w", "utf-8") as file:
        target = Spill(file)
        target.write("ü")
        await target.close()
        assert (tmp_path / "text").read_bytes() == "ü".encode()


@pytest.mark.parametrize(("file", "reason"), [(Blocking(), "not blocking"), (Broken(), "a bug")])
async def test_what_a_file_has_against_it_is_told(file: IO[str], reason: str) -> None:
    target = Spill(file)
    target.write("text")
    with pytest.raises(SpillError, match=reason):
        await target.close()


async def test_a_folder_that_fills_up_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = open("/dev/full", "w")  # noqa: SIM115 - closed by what is tested
    monkeypatch.setattr(spill, "_new_file", lambda folder: full)
    target = Spill(tmp_path)
    target.write("little enough for a buffer")
    with pytest.raises(SpillError, match=r"/dev/full.*No space left"):
        await target.close()
