"""Local containers whose gateway, kernel, supervisor or folder fails."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest
from ipybox_local import container as local_container
from ipybox_local.processes import descendants
from ipybox_local.translate import supervisor_config

from ipybox import (
    ConnectionLostError,
    ContainerLostError,
    ContainerStartError,
    ExecutionClient,
    ExecutionContainer,
    ExecutionTimeoutError,
    KernelDiedError,
    NotConnectedError,
    Timeouts,
    session,
)
from ipybox.errors import GatewayError


async def test_a_failed_start_reports_why_the_gateway_exited(
    local: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **kwargs: object) -> dict[str, object]:
        config = supervisor_config(*args, **kwargs)  # type: ignore[arg-type]
        config["argv"] = [sys.executable, "-c", "import no_such_module_here"]
        return config

    monkeypatch.setattr(local_container, "supervisor_config", broken)
    with pytest.raises(ContainerStartError, match="No module named 'no_such_module_here'"):
        await ExecutionContainer(backend="local").run()


async def test_a_start_that_is_too_slow_names_the_timeout(
    local: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*args: object, **kwargs: object) -> dict[str, object]:
        config = supervisor_config(*args, **kwargs)  # type: ignore[arg-type]
        config["argv"] = [sys.executable, "-c", "import time; time.sleep(60)"]
        return config

    monkeypatch.setattr(local_container, "supervisor_config", slow)
    with pytest.raises(ContainerStartError, match="port_allocation_timeout"):
        await ExecutionContainer(backend="local", port_allocation_timeout=0.5).run()
    with pytest.raises(ContainerStartError, match="start_timeout"):
        await ExecutionContainer(backend="local", start_timeout=0.5).run()


@pytest.mark.parametrize("victim", ["supervisor", "gateway"])
async def test_the_death_of_supervisor_or_gateway_stops_every_process(
    local: str, victim: str
) -> None:
    container = ExecutionContainer(backend="local")
    await container.run()
    inner = container._container
    assert isinstance(inner, local_container.LocalContainer)
    assert inner._process is not None
    pids = [inner._process.pid, *descendants(inner._process.pid)]
    os.kill(pids[0] if victim == "supervisor" else pids[1], 9)
    await container.wait()
    await container.kill()
    deadline = time.monotonic() + 5
    while (alive := [pid for pid in pids if is_alive(pid)]) and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    assert alive == []
    assert not inner._root.exists()


@pytest.mark.parametrize("kernel", ["/bin/false", "/no/such/python"])
async def test_connect_fails_if_the_kernel_cannot_start(
    local: str, kernel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **kwargs: object) -> dict[str, object]:
        config = supervisor_config(*args, **kwargs)  # type: ignore[arg-type]
        config["gateway"]["kernel_python"] = kernel
        return config

    monkeypatch.setattr(local_container, "supervisor_config", broken)
    async with ExecutionContainer(backend="local") as container:
        with pytest.raises((KernelDiedError, GatewayError)) as caught:
            await ExecutionClient(container.port).connect()
        assert isinstance(caught.value, KernelDiedError) == (kernel == "/bin/false")
        with pytest.raises(NotConnectedError):
            await ExecutionClient(container.port).execute("1")


@pytest.mark.timeout(30)  # a request without a timeout of its own would take a minute
async def test_a_timeout_is_raised_although_the_gateway_is_stopped(local: str) -> None:
    """The timeout is raised in time; after that the client refuses to execute until it connects."""
    async with ExecutionContainer(backend="local") as container:
        inner = container._container
        assert isinstance(inner, local_container.LocalContainer)
        assert inner._process is not None
        gateway = descendants(inner._process.pid)[0]
        async with ExecutionClient(container.port, timeouts=Timeouts(interrupt=1)) as client:
            os.kill(gateway, signal.SIGSTOP)
            with pytest.raises(ExecutionTimeoutError) as caught:
                await client.execute("1", timeout=1)
            assert caught.value.state == "lost"
            with pytest.raises(ConnectionLostError, match="did not accept an interrupt"):
                await client.execute("1")
            os.kill(gateway, signal.SIGCONT)
            await client.connect()
            assert (await client.execute("1")).text == "1"


async def test_code_may_remove_its_working_directory(local: str) -> None:
    async with ExecutionContainer(backend="local") as container:
        async with ExecutionClient(container.port) as client:
            await client.execute("import os, shutil; shutil.rmtree(os.getcwd())")
            assert (await client.execute("1")).text == "1"
        async with ExecutionClient(container.port) as client:
            assert (await client.execute("import os; os.listdir()")).text == "[]"


async def test_folders_without_permissions_are_removed(local: str) -> None:
    async with session(backend="local") as client:
        await client.execute("""
            import os
            os.makedirs("a/b")
            open("a/b/c", "w").close()
            for name in ("a/b", "a", "..", "../tmp"):
                os.chmod(name, 0)
        """)


async def test_killing_the_container_ends_an_execution_with_its_output(local: str) -> None:
    container = ExecutionContainer(backend="local")
    await container.run()
    async with ExecutionClient(container.port) as client:
        running = await client.submit("print('on', flush=True)\nimport time; time.sleep(60)")
        async for _ in running.stream():
            await container.kill()
            break
        with pytest.raises(ContainerLostError) as caught:
            await running.result()
        assert caught.value.text == "on"


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
