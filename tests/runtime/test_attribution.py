"""Output belongs to the execution that started its thread, task or pool job."""

import asyncio
from collections.abc import AsyncIterator

from ipybox import ExecutionClient


async def collect(pieces: AsyncIterator[str]) -> str:
    return "".join([piece async for piece in pieces])


async def test_late_output_belongs_to_its_execution(client: ExecutionClient) -> None:
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


async def test_output_of_a_pool_job_belongs_to_its_submitter(client: ExecutionClient) -> None:
    """The pool's thread was started by an earlier execution."""
    await client.execute("""
        from concurrent.futures import ThreadPoolExecutor
        pool = ThreadPoolExecutor(1)
        pool.submit(print, "first").result()
    """)
    result = await client.execute("pool.submit(print, 'second').result()")
    assert result.text == "second"
