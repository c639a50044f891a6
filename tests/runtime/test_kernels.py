"""Kernels of local containers: how the host sees them, and packages that images leave out."""

import os
import stat
import tempfile
from pathlib import Path

import psutil

from ipybox import ExecutionClient, ExecutionContainer
from ipybox.kernel.requests import Reply


async def test_fork_server_has_one_thread_and_a_private_socket(local: str) -> None:
    """A process may fork safely only with one thread, and without an event loop and ZMQ."""
    async with ExecutionContainer(backend="local") as container:
        async with ExecutionClient(container.port) as client, ExecutionClient(container.port):
            code = "import os; print(os.getppid())"
            server = psutil.Process(int((await client.execute(code)).text or 0))
            assert "forkserver" in " ".join(server.cmdline())
            assert server.num_threads() == 1
            folder = Path(f"/proc/{server.pid}/fd")
            kinds = [os.readlink(fd) for fd in folder.iterdir()]
            assert not [kind for kind in kinds if "eventfd" in kind], kinds  # ZMQ would have some
            assert len([kind for kind in kinds if "eventpoll" in kind]) == 1  # the selector
            (path,) = Path(tempfile.gettempdir(), container.id).glob("tmp/f-*/s")
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
            rows = (await client.status()).kernels
            assert [row.forked for row in rows] == [True, True]
            assert {psutil.Process(row.pid).ppid() for row in rows} == {server.pid}


async def test_kernels_seed_a_preloaded_numpy_differently(local: str) -> None:
    async with ExecutionContainer(backend="local", env={"IPYBOX_PRELOAD": "numpy"}) as container:
        numbers = set()
        for _ in range(2):
            async with ExecutionClient(container.port) as client:
                result = await client.execute("import numpy; print(numpy.random.rand())")
                numbers.add(result.text)
    assert len(numbers) == 2


async def test_debugger_can_be_enabled(local: str) -> None:
    async with ExecutionContainer(backend="local", env={"IPYBOX_DEBUGGER": "1"}) as container:
        async with ExecutionClient(container.port) as client:
            result = await client.execute("import debugpy; print(debugpy.__name__)")
            assert result.text == "debugpy"


async def test_container_log_stays_small(local: str) -> None:
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
        log = Path(container.container._root / "log")  # type: ignore[attr-defined]  # a local one
        assert log.stat().st_size < 2 * 1024 * 1024
