"""Whoever prints: threads, tasks, children, signal handlers, late ones."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

from ipybox.testing.conformance.checks import check
from ipybox.testing.conformance.session.shared import SessionChecks


async def collect(pieces: AsyncIterator[str]) -> str:
    return "".join([piece async for piece in pieces])


class WriterChecks(SessionChecks):
    """Each line belongs to the execution that it comes of."""

    @check()
    async def test_late_output_belongs_to_its_execution(self) -> None:
        async with self.client() as client:
            code = """
                import asyncio, threading, time
                def later():
                    time.sleep(1)
                    for i in range(3):
                        time.sleep(0.2)
                        print("late", i)
                    display("shown late")
                threading.Thread(target=later).start()
                async def task():
                    await asyncio.sleep(1.3)
                    print("late task")
                started = asyncio.ensure_future(task())
                print("in time")
            """
            first = await client.submit(code)
            assert (await first.result()).text == "in time"
            streaming = asyncio.ensure_future(collect(first.stream_late(timeout=4)))
            second = await client.execute("await asyncio.sleep(2.5); print('second')")
            assert second.text == "second"
            late = await first.late()
            assert sorted(late.stdout.splitlines()) == ["late 0", "late 1", "late 2", "late task"]
            assert [output.values["text/plain"] for output in late.outputs] == ["'shown late'"]
            assert "late 2\n" in await streaming
            assert (await first.result()).text == "in time"

    @check()
    async def test_tasks_of_a_pool_belong_to_who_gave_them(self) -> None:
        async with self.client() as client:
            await client.execute("""
                from concurrent.futures import ThreadPoolExecutor
                pool = ThreadPoolExecutor(1)
                pool.submit(print, "first").result()
            """)
            result = await client.execute("pool.submit(print, 'second').result()")
            assert result.text == "second"

    @check()
    async def test_forked_workers_print(self) -> None:
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

    @check()
    async def test_signal_handlers_that_print(self) -> None:
        """In the midst of other prints, thousands of times."""
        async with self.client() as client:
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
                while time.monotonic() < end or heard <= 100:
                    print("M", said := said + 1)
                signal.setitimer(signal.ITIMER_REAL, 0)
                print("END", heard, said)
            """)
            # A handler may come between the words of a line, but no word is lost or doubled.
            *numbers, heard, said = (int(number) for number in re.findall(r"\d+", result.stdout))
            assert heard > 100
            assert sorted(numbers) == sorted([*range(1, heard + 1), *range(1, said + 1)])

    @check()
    async def test_forks_while_a_thread_prints(self) -> None:
        """What waits to be sent is the parent's to say."""
        async with self.client() as client:
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
            found = [int(line) for line in result.stdout.split()]
            assert found == list(range(len(found)))

    @check()
    async def test_a_fork_that_has_closed_all_ends_all_the_same(self) -> None:
        async with self.client() as client:
            result = await client.execute("""
                import os
                if (pid := os.fork()) == 0:
                    os.closerange(3, 4096)
                    print("nobody hears this", end="")
                    os._exit(7)
                print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            """)
            assert result.stdout == "7\n"
