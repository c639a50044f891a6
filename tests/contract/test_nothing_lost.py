"""A million lines, each way that a program prints them; and what comes late."""

import asyncio
import re
from pathlib import Path

import pytest

from ipybox import ExecutionClient, ExecutionContainer, OutputLimits
from ipybox.kernel.requests import Reply

LINES = 1_000_000
LIMITS = OutputLimits(text=64 * 1024 * 1024, outputs=5000)

PATTERNS = {
    "print, flushed": f"for i in range({LINES}): print(i, flush=True)",
    "unbuffered writes": f"import os\nfor i in range({LINES}): os.write(1, b'%d\\n' % i)",
    "a child process": f"import subprocess; subprocess.run(['seq', '0', '{LINES - 1}'])",
}


def lines(text: str) -> list[int]:
    return [int(line) for line in text.splitlines()]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", PATTERNS)
async def test_a_million_lines(container: ExecutionContainer, name: str) -> None:
    async with ExecutionClient(container.port, limits=LIMITS) as client:
        result = await client.execute(PATTERNS[name], timeout=250)
    assert await asyncio.to_thread(lines, result.stdout) == list(range(LINES))
    assert result.stderr == ""


@pytest.mark.timeout(300)
async def test_a_million_lines_of_threads(container: ExecutionContainer) -> None:
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
        found = lines(result.stdout)
        assert len(found) == LINES
        for n in range(8):  # in order for each thread
            assert [i for i in found if i % 8 == n] == list(range(n, LINES, 8))

    await asyncio.to_thread(check)


@pytest.mark.timeout(300)
async def test_a_million_lines_mixed_with_errors_and_displays(
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
        assert lines(result.stdout) == [i for i in range(LINES) if i % 100]
        assert lines(result.stderr) == list(range(0, LINES, 100))
        shown = [output.values["text/plain"] for output in result.outputs]
        assert shown == [str(i) for i in range(0, LINES, 500)]
        # One order for all of it, though it came by three ways.
        assert result.text is not None
        expected = [i for i in range(LINES) for _ in range(2 if i % 500 == 0 else 1)]
        assert lines(result.text) == expected

    await asyncio.to_thread(check)


async def test_order_of_all_that_prints(client: ExecutionClient) -> None:
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
    assert result.text.splitlines() == [f"{i} {kind}".strip() for i in range(50) for kind in kinds]


async def test_pieces_of_characters_and_terminal_codes(client: ExecutionClient) -> None:
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


async def test_late_output_belongs_to_its_execution(client: ExecutionClient) -> None:
    code = """
        import asyncio, threading, time
        def later():
            for i in range(3):
                time.sleep(0.2)
                print("late", i)
            display("shown late")
        threading.Thread(target=later).start()
        async def task():
            await asyncio.sleep(0.3)
            print("late task")
        started = asyncio.ensure_future(task())
        print("in time")
    """
    first = await client.submit(code)
    assert (await first.result()).text == "in time"
    streaming = asyncio.ensure_future(_collect(first.stream_late(timeout=3)))
    second = await client.execute("await asyncio.sleep(1.2); print('second')")
    assert second.text == "second"
    late = await first.late()
    assert sorted(late.stdout.splitlines()) == ["late 0", "late 1", "late 2", "late task"]
    assert [output.values["text/plain"] for output in late.outputs] == ["'shown late'"]
    assert "late 2\n" in await streaming
    assert (await first.result()).text == "in time"


async def _collect(pieces: object) -> str:
    return "".join([piece async for piece in pieces])  # type: ignore[attr-defined]


async def test_tasks_of_a_pool_belong_to_who_gave_them(client: ExecutionClient) -> None:
    await client.execute("""
        from concurrent.futures import ThreadPoolExecutor
        pool = ThreadPoolExecutor(1)
        pool.submit(print, "first").result()
    """)
    result = await client.execute("pool.submit(print, 'second').result()")
    assert result.text == "second"


async def test_forked_workers_print(client: ExecutionClient) -> None:
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
    assert sorted(result.stdout.split("\n")[:20]) == sorted(f"worker {i}" for i in range(20))
    assert result.stdout.splitlines()[20:] == ["child", "parent"]


async def test_signal_handlers_that_print(client: ExecutionClient) -> None:
    """In the midst of other prints, thousands of times."""
    result = await client.execute("""
        import signal, time
        heard = 0
        def handler(*_):
            global heard
            heard += 1
            print("S", heard)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        end = time.monotonic() + 1
        said = 0
        while time.monotonic() < end:
            print("M", said := said + 1)
        signal.setitimer(signal.ITIMER_REAL, 0)
        print("END", heard, said)
    """)
    # A handler may come between the words of a line, but no word is lost or doubled.
    *numbers, heard, said = (int(number) for number in re.findall(r"\d+", result.stdout))
    assert heard > 100
    assert sorted(numbers) == sorted([*range(1, heard + 1), *range(1, said + 1)])


async def test_forks_while_a_thread_prints(client: ExecutionClient) -> None:
    """What waits to be sent is the parent's to say."""
    result = await client.execute("""
        import os, threading, warnings
        warnings.simplefilter("ignore")
        going, said = True, 0
        def talk():
            global said
            while going and said < 1_000_000:
                print(said)
                said += 1
        thread = threading.Thread(target=talk)
        thread.start()
        for _ in range(100):
            if (pid := os.fork()) == 0:
                os._exit(0)
            os.waitpid(pid, 0)
        going = False
        thread.join()
    """)
    found = lines(result.stdout)
    assert found == list(range(len(found)))


async def test_a_fork_that_has_closed_all_ends_all_the_same(client: ExecutionClient) -> None:
    result = await client.execute("""
        import os
        if (pid := os.fork()) == 0:
            os.closerange(3, 4096)
            print("nobody hears this", end="")
            os._exit(7)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    """)
    assert result.stdout == "7\n"


async def test_the_containers_log_stays_small(local: str) -> None:
    async with ExecutionContainer(backend="local") as container:
        async with ExecutionClient(container.port) as client:
            await client.execute("""
                import logging, os, subprocess, sys, warnings
                for stream in (sys.__stdout__, sys.__stderr__):
                    stream.write("x" * 5_000_000); stream.flush()
                os.write(1, b"y" * 5_000_000); os.write(2, b"y" * 5_000_000)
                subprocess.run("head -c 5000000 /dev/zero >&2", shell=True)
                for i in range(10_000): logging.getLogger("IPKernelApp").critical("z" * 300)
            """)
            for _ in range(300):
                channel = client._connected().channel
                await channel.request("shell", "x" * 10_000, {}, Reply(idle=False))
            await client.execute("1")
        inner = container._container
        log = Path(inner._root / "log")  # type: ignore[union-attr]
        assert log.stat().st_size < 2 * 1024 * 1024
