"""Output limits: output beyond a limit is cut, counted and reported."""

from __future__ import annotations

import tracemalloc

import pytest

from ipybox.errors import ExecutionError
from ipybox.outputs.limits import OutputLimits
from ipybox.testing.conformance.checks import check
from ipybox.testing.conformance.session.base import SessionChecks

MEBIBYTE = 1024 * 1024


class LimitChecks(SessionChecks):
    """Output beyond one limit does no harm to other output."""

    @check()
    async def test_20_mb_of_text_arrive_complete(self) -> None:
        limits = OutputLimits(text=32 * 1024 * 1024)
        async with self.client(limits=limits) as client:
            result = await client.execute("for i in range(200_000): print(f'{i:0100d}')")
        assert len(result.stdout) == 200_000 * 101
        lines = result.stdout.splitlines()
        assert [int(line) for line in lines] == list(range(200_000))
        assert not result.truncated

    @check()
    async def test_a_line_above_the_usual_frame_limit_arrives(self) -> None:
        async with self.client() as client:
            result = await client.execute("import sys\n_ = sys.stdout.write('y' * 5_000_000)")
            assert result.stdout == "y" * 5_000_000

    @check()
    async def test_truncation_counts_what_was_cut(self) -> None:
        limits = OutputLimits(text=1000, outputs=2)
        async with self.client(limits=limits) as client:
            result = await client.execute("print('z' * 4999)\nfor i in range(5): display(i)")
            assert len(result.stdout) == 1000
            assert len(result.outputs) == 2
            assert result.truncated
            assert result.truncated.outputs == 3
            assert result.truncated.text >= 4000
            assert (await client.execute("print('on')")).text == "on"

    @check()
    async def test_text_above_the_default_limit_takes_bounded_memory(self) -> None:
        """The client cuts the text at 10 MiB, and takes a bounded amount of memory for it."""
        async with self.client() as client:
            await client.execute("1")
            tracemalloc.start()
            try:
                result = await client.execute(
                    "for i in range(100): print('x' * 1_000_000)\nprint('end')"
                )
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            assert len(result.stdout) == 10 * MEBIBYTE
            assert result.truncated.text == 100 * 1_000_001 + 4 - 10 * MEBIBYTE
            assert not result.truncated.outputs
            assert peak < (10 + 64) * MEBIBYTE
            assert (await client.execute("print('on')")).text == "on"

    @pytest.mark.parametrize("write", ["os.write(1, b'x\\n')", "print('x', file=sys.stderr)"])
    @check()
    async def test_many_small_writes_take_bounded_memory(self, write: str) -> None:
        async with self.client() as client:
            tracemalloc.start()
            try:
                code = f"import os, sys\nfor i in range(300_000):\n    {write}"
                result = await client.execute(code)
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            assert len(result.stdout + result.stderr) == 600_000
            assert peak < 64 * MEBIBYTE

    @check()
    async def test_the_text_limit_counts_bytes_and_splits_no_character(self) -> None:
        limits = OutputLimits(text=10)
        async with self.client(limits=limits) as client:
            result = await client.execute("print('€€€€', end='')\nprint('x')")
        assert result.stdout == "€€€"  # nothing follows the cut, even if it would fit
        assert result.truncated.text == 5

    @check()
    async def test_a_message_above_the_limit_is_dropped_and_counted(self) -> None:
        limits = OutputLimits(message=MEBIBYTE)
        async with self.client(limits=limits) as client:
            result = await client.execute("""
                display({"application/json": "x" * 3_000_000}, raw=True)
                display("small")
                print("y" * 3_000_000)  # text comes in pieces, and has a limit of its own
            """)
            assert [output.values["text/plain"] for output in result.outputs] == ["'small'"]
            assert result.truncated.messages == 1
            assert 3_000_000 < result.truncated.message_bytes < 3_010_000
            assert len(result.stdout) == 3_000_001
            with pytest.raises(ExecutionError) as caught:
                await client.execute("raise ValueError('z' * 3_000_000)")
            assert caught.value.args[0].startswith("ValueError: zzz")
            assert len(caught.value.args[0]) < 20_000
            assert caught.value.result is not None
            assert caught.value.result.truncated.messages >= 1
            assert (await client.execute("print('on')")).text == "on"

    @check()
    async def test_the_message_limit_does_not_apply_to_text(self) -> None:
        async with self.client(limits=OutputLimits(message=1000)) as client:
            result = await client.execute("print('\\0' * 3_000_000)")
            assert result.stdout == "\0" * 3_000_000 + "\n"
            assert not result.truncated

    @check()
    async def test_a_30_mb_message_below_the_limit_arrives(self) -> None:
        async with self.client() as client:
            data = "'x' * 30_000_000"
            result = await client.execute(f"display({{'application/json': {data}}}, raw=True)")
            assert result.outputs[0].values["application/json"] == "x" * 30_000_000
            assert not result.truncated
