"""Spilling: the whole text also goes to a folder or a file."""

from __future__ import annotations

import contextlib
import io
import tempfile
from pathlib import Path

import pytest

from ipybox.errors import ExecutionError, InvalidArgumentError, SpillError
from ipybox.testing.conformance.checks import check
from ipybox.testing.conformance.session.base import SessionChecks

MEBIBYTE = 1024 * 1024


class SpillChecks(SessionChecks):
    """Spilled text is complete, however much of it is kept in memory."""

    @check()
    async def test_spill_to_a_folder_writes_the_whole_text(self, tmp_path: Path) -> None:
        async with self.client() as client:
            code = "for i in range(20): print(str(i % 10) * 1_000_000)"
            result = await client.execute(code, spill=tmp_path)
            assert result.spilled is not None
            assert result.spilled.parent == tmp_path
            whole = "".join(str(i % 10) * 1_000_000 + "\n" for i in range(20))
            assert result.spilled.read_text() == whole
            assert result.stdout == whole[: 10 * MEBIBYTE]
            assert result.truncated.text == len(whole) - 10 * MEBIBYTE
            quiet = await client.execute("x = 1", spill=str(tmp_path))
            assert quiet.spilled is None
            assert len(list(tmp_path.iterdir())) == 1

    @check()
    async def test_spill_writes_to_text_and_binary_files(self) -> None:
        async with self.client() as client:
            text, binary = io.StringIO(), io.BytesIO()
            await client.execute("print('ü')", spill=text)
            await client.execute("print('ü')", spill=binary)
            assert (text.getvalue(), binary.getvalue()) == ("ü\n", b"\xc3\xbc\n")
            with tempfile.NamedTemporaryFile() as temporary:
                await client.execute("print('ü')", spill=temporary)
                # The file is flushed before execute() returns.
                assert Path(temporary.name).read_bytes() == b"\xc3\xbc\n"

    @check()
    async def test_spill_of_a_failed_execution_is_kept(self, tmp_path: Path) -> None:
        async with self.client() as client:
            with pytest.raises(ExecutionError) as caught:
                await client.execute("print('before')\n1/0", spill=tmp_path)
            assert caught.value.result is not None
            assert caught.value.result.spilled is not None
            assert caught.value.result.spilled.read_text() == "before\n"

    @check()
    async def test_invalid_spills_are_refused(self, tmp_path: Path) -> None:
        async with self.client() as client:
            for bad in (tmp_path / "missing", 7, object()):
                with pytest.raises(InvalidArgumentError, match="spill"):
                    await client.submit("print(1)", spill=bad)  # type: ignore[arg-type]
            closed = io.StringIO()
            closed.close()
            with pytest.raises(SpillError, match="closed"):
                await client.execute("print(1)", spill=closed)
            assert (await client.execute("2")).text == "2"

    @check()
    @pytest.mark.parametrize("size", [1, 100_000])
    async def test_spill_to_a_full_disk_is_reported(self, size: int) -> None:
        async with self.client() as client:
            # A short text stays in the file's buffer; its loss must be reported as well.
            full = open("/dev/full", "w")  # noqa: SIM115 - close() fails too
            try:
                with pytest.raises(SpillError, match="No space left"):
                    await client.execute(f"print('x' * {size})", spill=full)
            finally:
                with contextlib.suppress(OSError):
                    full.close()
            assert (await client.execute("2")).text == "2"
