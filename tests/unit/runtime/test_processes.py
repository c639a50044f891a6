"""Processes of kernels, and the processes they have started."""

import asyncio
import os
import subprocess

import pytest
from ipybox_runtime.gateway.processes import KernelProcess


class StartedProcess(KernelProcess):
    """A process that the test has started."""

    def signal(self, signum: int) -> None:
        os.killpg(self.pid, signum)


async def test_wait_for_group_returns_once_all_processes_are_reaped() -> None:
    child = subprocess.Popen(["sleep", "60"], start_new_session=True)
    process = StartedProcess(child.pid)
    process.signal(9)
    # Killed, but not reaped yet: other processes still see it.
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await process.wait_for_group()
    child.wait()
    await process.wait_for_group()
