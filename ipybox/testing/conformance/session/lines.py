"""A million lines, each way that a program prints them."""

from __future__ import annotations

import asyncio

import pytest

from ipybox.outputs.limits import OutputLimits
from ipybox.testing.conformance.checks import check
from ipybox.testing.conformance.session.shared import SessionChecks

LINES = 1_000_000
LIMITS = OutputLimits(text=64 * 1024 * 1024, outputs=5000)

PATTERNS = {
    "print, flushed": f"for i in range({LINES}): print(i, flush=True)",
    "unbuffered writes": f"import os\nfor i in range({LINES}): os.write(1, b'%d\\n' % i)",
    "a child process": f"import subprocess; subprocess.run(['seq', '0', '{LINES - 1}'])",
}


def lines(text: str) -> list[int]:
    return [int(line) for line in text.splitlines()]


class LineChecks(SessionChecks):
    """None is lost, doubled or out of its order."""

    @pytest.mark.parametrize("name", PATTERNS)
    @check(seconds=250)
    async def test_a_million_lines(self, name: str) -> None:
        async with self.client(limits=LIMITS) as client:
            result = await client.execute(PATTERNS[name], timeout=250)
        assert await asyncio.to_thread(lines, result.stdout) == list(range(LINES))
        assert result.stderr == ""

    @check(seconds=250)
    async def test_a_million_lines_of_threads(self) -> None:
        code = f"""
            import sys, threading
            def work(n):
                for i in range(n, {LINES}, 8):
                    sys.stdout.write(f"{{i}}\\n")
            threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
        """
        async with self.client(limits=LIMITS) as client:
            result = await client.execute(code, timeout=250)

        def check() -> None:
            found = lines(result.stdout)
            assert len(found) == LINES
            for n in range(8):  # in order for each thread
                assert [i for i in found if i % 8 == n] == list(range(n, LINES, 8))

        await asyncio.to_thread(check)

    @check(seconds=250)
    async def test_a_million_lines_mixed_with_errors_and_displays(self) -> None:
        code = f"""
            import sys
            for i in range({LINES}):
                print(i, file=sys.stderr if i % 100 == 0 else sys.stdout)
                if i % 500 == 0: display(i)
        """
        async with self.client(limits=LIMITS) as client:
            result = await client.execute(code, timeout=250)

        def check() -> None:
            assert lines(result.stdout) == [i for i in range(LINES) if i % 100]
            assert lines(result.stderr) == list(range(0, LINES, 100))
            shown = [output.values["text/plain"] for output in result.outputs]
            assert shown == [str(i) for i in range(0, LINES, 500)]
            # One order for all of it, though it came by three ways.
            assert result.text is not None
            expected = [i for i in range(LINES) for _ in range(2 if i % 500 == 0 else 1)]
            assert lines(result.text) == expected

        await asyncio.to_thread(check)

    @check()
    async def test_order_of_all_that_prints(self) -> None:
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
    async def test_pieces_of_characters_and_terminal_codes(self) -> None:
        async with self.client() as client:
            code = """
                import os, time
                for byte in "ü€🎉".encode() * 100:
                    os.write(1, bytes([byte]))
                os.write(1, b"\\x1b]ipybox;not the secret;B9\\x07 \\xff\\n")
                print("\\x1b" * 5000 + "end")
            """
            text = (await client.execute(code)).stdout
            assert text.startswith("ü€🎉" * 100 + "\x1b]ipybox;not the secret;B9\x07 \ufffd\n")
            assert text.endswith("\x1b" * 5000 + "end\n")
