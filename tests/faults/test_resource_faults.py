"""Code that uses up all memory or all processes, in control groups that the tests create."""

import asyncio
import contextlib
import os
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from ipybox import (
    ExecutionClient,
    ExecutionContainer,
    ExecutionTimeoutError,
    KernelDiedError,
    Timeouts,
)
from ipybox.testing import FaultTrials

CGROUPS = Path("/sys/fs/cgroup")


@contextlib.asynccontextmanager
async def limited(controller: str, name: str, value: int) -> AsyncIterator[None]:
    """Put all processes that this process has started into a control group with a limit."""
    v1 = CGROUPS / controller
    group = (v1 if v1.is_dir() else CGROUPS) / f"ipybox-test-{uuid.uuid4().hex[:8]}"
    file = {"memory": "memory.limit_in_bytes", "pids": "pids.max"}[controller]
    if not v1.is_dir():
        file = {"memory": "memory.max", "pids": "pids.max"}[controller]
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be created: {error}")
    try:
        if not (group / file).exists():
            pytest.skip(f"control groups have no {name} on this machine")
        (group / file).write_text(str(value))
        for process in psutil.Process().children(recursive=True):
            (group / "cgroup.procs").write_text(str(process.pid))
        yield
    finally:
        await _remove(group)


async def _remove(group: Path) -> None:
    """Remove the group once it is empty: killed processes take a moment to exit."""
    deadline = time.monotonic() + 20
    while True:
        for pid in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                (group.parent / "cgroup.procs").write_text(pid)
        try:
            group.rmdir()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.02)


async def test_a_kernel_that_runs_out_of_memory_is_reported_as_such(
    local: str, faults: FaultTrials
) -> None:
    async with ExecutionContainer(backend="local") as container:
        async with limited("memory", "memory limit", 400 * 1024 * 1024):
            async with ExecutionClient(container.port) as client:
                for _ in range(3):
                    code = "print('filling')\nx = []\nwhile True: x.append(b'x' * 10_000_000)"
                    error = await faults.expect(KernelDiedError, client.execute(code))
                    assert error.exit_code == -9
                    assert error.out_of_memory
                    assert "out of memory" in str(error)
                    assert error.text == "filling"
                    await client.restart()
                    # A SIGKILL that has another reason is not reported as out of memory.
                    code = "import os; os.kill(os.getpid(), 9)"
                    error = await faults.expect(KernelDiedError, client.execute(code))
                    assert not error.out_of_memory
                    await client.restart()
                    await faults.run(client.execute("1"))


async def test_a_timeout_stops_a_fork_bomb(local: str, faults: FaultTrials) -> None:
    async with ExecutionContainer(backend="local") as container:
        async with limited("pids", "process limit", 150):
            async with ExecutionClient(container.port, timeouts=Timeouts(interrupt=1)) as client:
                for _ in range(3):
                    bomb = """
                        import os
                        print("bomb", flush=True)
                        while True:
                            try:
                                os.fork()
                            except BaseException:
                                pass
                    """
                    error = await faults.expect(
                        ExecutionTimeoutError, client.execute(bomb, timeout=1)
                    )
                    assert error.state == "lost"
                    assert error.text is not None
                    assert error.text.startswith("bomb")
                    await faults.run(client.execute("print('again')"))
        left = [process.pid for process in psutil.Process().children(recursive=True)]
        assert len(left) < 10, left
        assert os.getpid() not in left
