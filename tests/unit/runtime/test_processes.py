"""Kernels' processes, and what they have started."""

import asyncio
import os
import subprocess

import pytest
from ipybox_runtime.gateway.processes import KernelProcess


class Started(KernelProcess):
    def signal(self, signum: int) -> None:
        os.killpg(self.pid, signum)


async def test_a_group_has_gone_when_all_of_it_is_reaped() -> None:
    child = subprocess.Popen(["sleep", "60"], start_new_session=True)
    process = Started(child.pid)
    process.signal(9)
    # It has been killed, but nobody has taken it in: others still see it.
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await process.group_gone()
    child.wait()
    await process.group_gone()
