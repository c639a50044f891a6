"""Of kernels, what shows on the host only, or needs packages that images leave out."""

import os
import stat
import tempfile
from pathlib import Path

import psutil

from ipybox import ExecutionClient, ExecutionContainer
from ipybox.kernel.requests import Reply


async def test_the_fork_server_is_fit_to_fork(local: str) -> None:
    """One thread, no event loop, no ZMQ; its socket is for this user alone."""
    async with ExecutionContainer(backend="local") as container:
        async with ExecutionClient(container.port) as client, ExecutionClient(container.port):
            code = "import os; print(os.getppid())"
            server = psutil.Process(int((await client.execute(code)).text or 0))
            assert "forkserver" in " ".join(server.cmdline())
            assert server.num_threads() == 1
            folder = Path(f"/proc/{server.pid}/fd")
            kinds = [os.readlink(fd) for fd in folder.iterdir()]
            assert not [kind for kind in kinds if "eventfd" in kind], kinds  # ZMQ has these
            assert len([kind for kind in kinds if "eventpoll" in kind]) == 1  # its selector
            (path,) = Path(tempfile.gettempdir(), container.id).glob("tmp/f-*/s")
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
            rows = (await client.status())["kernels"]
            assert [row["forked"] for row in rows] == [True, True]
            assert {psutil.Process(row["pid"]).ppid() for row in rows} == {server.pid}


async def test_numpy_has_a_seed_of_its_own_where_it_is_preloaded(local: str) -> None:
    async with ExecutionContainer(backend="local", env={"IPYBOX_PRELOAD": "numpy"}) as container:
        numbers = set()
        for _ in range(2):
            async with ExecutionClient(container.port) as client:
                result = await client.execute("import numpy; print(numpy.random.rand())")
                numbers.add(result.text)
    assert len(numbers) == 2


async def test_the_debugger_comes_back_by_option(local: str) -> None:
    async with ExecutionContainer(backend="local", env={"IPYBOX_DEBUGGER": "1"}) as container:
        async with ExecutionClient(container.port) as client:
            result = await client.execute("import debugpy; print(debugpy.__name__)")
            assert result.text == "debugpy"


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
