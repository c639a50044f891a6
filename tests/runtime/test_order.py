"""One order for all output, though it takes three ways out of the kernel.

Text of stdout and stderr leaves the kernel through a pipe each, messages through a socket.
"""

import asyncio

import pytest

from ipybox import ExecutionClient, ExecutionContainer, OutputLimits

LINES = 1_000_000
LIMITS = OutputLimits(text=64 * 1024 * 1024, outputs=5000)


def numbers(text: str) -> list[int]:
    return [int(line) for line in text.splitlines()]


@pytest.mark.timeout(310)
async def test_a_million_lines_of_threads_keep_each_threads_order(
    container: ExecutionContainer,
) -> None:
    code = f"""
        import sys, threading
        def work(n):
            for i in range(n, {LINES}, 8):
                sys.stdout.write(f"{{i}}\\n")
        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
    """
    async with ExecutionClient(container.port, limits=LIMITS) as client:
        result = await client.execute(code, timeout=250)

    def check() -> None:
        found = numbers(result.stdout)
        assert len(found) == LINES
        for n in range(8):
            assert [i for i in found if i % 8 == n] == list(range(n, LINES, 8))

    await asyncio.to_thread(check)


@pytest.mark.timeout(310)
async def test_a_million_lines_keep_their_place_among_errors_and_displays(
    container: ExecutionContainer,
) -> None:
    code = f"""
        import sys
        for i in range({LINES}):
            print(i, file=sys.stderr if i % 100 == 0 else sys.stdout)
            if i % 500 == 0: display(i)
    """
    async with ExecutionClient(container.port, limits=LIMITS) as client:
        result = await client.execute(code, timeout=250)

    def check() -> None:
        assert numbers(result.stdout) == [i for i in range(LINES) if i % 100]
        assert numbers(result.stderr) == list(range(0, LINES, 100))
        shown = [output.values["text/plain"] for output in result.outputs]
        assert shown == [str(i) for i in range(0, LINES, 500)]
        assert result.text is not None
        expected = [i for i in range(LINES) for _ in range(2 if i % 500 == 0 else 1)]
        assert numbers(result.text) == expected

    await asyncio.to_thread(check)


async def test_50_concurrent_results_follow_their_text(container: ExecutionContainer) -> None:
    async with ExecutionClient(container.port) as client:
        results = await asyncio.gather(*(client.execute(f"print({i})\n{i}") for i in range(50)))
    assert [result.text for result in results] == [f"{i}\n{i}" for i in range(50)]


async def test_partial_characters_and_terminal_codes_arrive_unchanged(
    client: ExecutionClient,
) -> None:
    """Single bytes of a character, a code that looks like the channel's own marks, and many
    escape characters; a byte that is not UTF-8 becomes U+FFFD."""
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
