"""Faults of a Docker engine: each raises an error of its own, and leaves nothing behind."""

import asyncio
import concurrent.futures.thread  # noqa: F401  # the user nobody could not read its source
import contextlib
import multiprocessing
import os
import signal
import subprocess
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from ipybox_docker.backend import DockerBackend

from ipybox import (
    BackendUnavailableError,
    Bind,
    ContainerLostError,
    ExecutionClient,
    ExecutionContainer,
    InvalidArgumentError,
    Resources,
)
from ipybox.authoring import Availability, ContainerSpec
from ipybox.engine import Placement
from ipybox.testing import FaultTrials

ROOT = Path(__file__).parents[2]
ENGINE_PID = Path(os.environ.get("IPYBOX_ENGINES_STATE", "/run/ipybox-engines"), "dockerd.pid")


async def test_a_missing_socket_raises_with_advice(docker: str, tmp_path: Path) -> None:
    backend = DockerBackend(url=f"unix://{tmp_path}/none.sock")
    with pytest.raises(BackendUnavailableError, match=r"none\.sock.*no such socket.*start Docker"):
        await ExecutionContainer(backend=backend).run()


async def test_a_stale_socket_raises_with_advice(docker: str, tmp_path: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "stale.sock"))
    backend = DockerBackend(url=f"unix://{tmp_path}/stale.sock")
    with pytest.raises(BackendUnavailableError, match=r"nothing listens.*Start the Docker engine"):
        await ExecutionContainer(backend=backend).run()


def test_a_user_without_permission_is_advised_to_join_the_group(docker: str) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become another user")

    async def ask() -> Availability:
        return await DockerBackend(url="unix:///var/run/docker.sock").availability()

    state = as_nobody(ask)
    assert isinstance(state, Availability)
    assert not state.ready and state.reason and state.remedy
    assert "permission denied" in state.reason
    assert "group docker" in state.remedy


def as_nobody(ask: Callable[[], Coroutine[Any, Any, object]]) -> object:
    """Return the result of a coroutine that runs in a process of the user nobody."""
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)

    def run() -> None:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        send.send(asyncio.run(ask()))

    child = context.Process(target=run)
    child.start()
    assert receive.poll(20)
    found: object = receive.recv()
    child.join()
    return found


def test_binds_that_the_user_cannot_read_are_refused(docker: str, tmp_path: Path) -> None:
    """Otherwise the engine, which runs as root, would let the code read them."""
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    (tmp_path / "secret").mkdir(mode=0o700)
    tmp_path.chmod(0o755)
    bind = Bind(host_path=tmp_path / "secret", container_path="x")

    async def ask() -> str:
        backend = DockerBackend()
        backend.engine.cache.placement = Placement()  # the user nobody cannot ask the engine
        try:
            await backend.create(ContainerSpec(binds=(bind,)))
        except InvalidArgumentError as error:
            return str(error)
        return "the bind was accepted"

    assert "this user may not read it" in str(as_nobody(ask))


def test_too_little_memory_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"memory_bytes must be at least .* got 1000000"):
        Resources(memory_bytes=1_000_000)


@pytest.mark.timeout(180)
async def test_an_engine_restart_during_an_execution_loses_the_container(
    docker: str, faults: FaultTrials
) -> None:
    if not ENGINE_PID.exists() or os.getuid() != 0:
        pytest.skip("only an engine that was started for the tests may be restarted")
    async with ExecutionContainer() as container:
        async with ExecutionClient(container.port) as client:
            await client.execute("kept = 1")
            running = asyncio.create_task(client.execute("import time; time.sleep(60)"))
            await asyncio.sleep(0.5)
            restarting = asyncio.create_task(asyncio.to_thread(_restart_engine))
            try:
                started = time.monotonic()
                await faults.expect(ContainerLostError, running)
                assert (
                    time.monotonic() - started < 60
                )  # usually within 10 s, as the table of faults shows
            finally:
                await restarting
    async with ExecutionContainer() as container:
        async with ExecutionClient(container.port) as client:
            assert (await client.execute("print('again')")).text == "again"


def _restart_engine() -> None:
    pid = int(ENGINE_PID.read_text())
    os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + 60
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        state = _state(pid)
        if state in ("", "Z"):
            break
        time.sleep(0.05)
    subprocess.run([str(ROOT / ".ci/docker")], check=True, capture_output=True)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
