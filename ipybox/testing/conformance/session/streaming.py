"""Large output, from each way in which a program can print."""

from __future__ import annotations

import asyncio

import pytest

from ipybox.outputs.limits import OutputLimits
from ipybox.testing.conformance.checks import check
from ipybox.testing.conformance.session.base import SessionChecks

LINES = 1_000_000
LIMITS = OutputLimits(text=64 * 1024 * 1024)

PATTERNS = {
    "print, flushed": f"for i in range({LINES}): print(i, flush=True)",
    "unbuffered writes": f"import os\nfor i in range({LINES}): os.write(1, b'%d\\n' % i)",
    "a child process": f"import subprocess; subprocess.run(['seq', '0', '{LINES - 1}'])",
}


def lines(text: str) -> list[int]:
    return [int(line) for line in text.splitlines()]


class StreamingChecks(SessionChecks):
    """No line is lost, doubled or out of order."""

    @pytest.mark.parametrize("name", PATTERNS)
    @check(seconds=250)
    async def test_a_million_lines_arrive_in_order(self, name: str) -> None:
        async with self.client(limits=LIMITS) as client:
            result = await client.execute(PATTERNS[name], timeout=250)
        assert await asyncio.to_thread(lines, result.stdout) == list(range(LINES))
        assert result.stderr == ""

    @check()
    async def test_all_ways_of_printing_share_one_order(self) -> None:
        async with self.client() as client:
            code = """
                import ctypes, os, subprocess, sys
                libc = ctypes.CDLL(None)
                for i in range(50):
                    print(i, "print")
                    os.write(1, b"%d write\\n" % i)
                    sys.stdout.buffer.write(b"%d buffer\\n" % i); sys.stdout.flush()
                    libc.printf(b"%d C\\n", i); libc.fflush(None)
                    subprocess.run(["echo", f"{i} child"])
                    print(i, "error", file=sys.stderr)
                    display(i)
            """
            result = await client.execute(code)
            assert result.text is not None
            kinds = ("print", "write", "buffer", "C", "child", "error", "")
            assert result.text.splitlines() == [
                f"{i} {kind}".strip() for i in range(50) for kind in kinds
            ]

    @check()
    async def test_output_of_forked_processes_arrives(self) -> None:
        async with self.client() as client:
            code = """
                import multiprocessing, os
                def work(i):
                    print("worker", i)
                with multiprocessing.get_context("fork").Pool(3) as pool:
                    pool.map(work, range(20))
                if (pid := os.fork()) == 0:
                    print("child")
                    os._exit(0)
                os.waitpid(pid, 0)
                print("parent")
            """
            result = await client.execute(code)
            assert sorted(result.stdout.split("\n")[:20]) == sorted(
                f"worker {i}" for i in range(20)
            )
            assert result.stdout.splitlines()[20:] == ["child", "parent"]
