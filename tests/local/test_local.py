"""The local backend's pure parts, and its supervisor."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ipybox_local import container as local_container
from ipybox_local import workspace
from ipybox_local.container import SUPERVISOR
from ipybox_local.processes import descendants
from ipybox_local.translate import kernel_environment, supervisor_config

from ipybox import (
    Bind,
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
from ipybox.authoring import ContainerSpec
from ipybox.errors import GatewayError


def test_environment_is_allowlisted(tmp_path: Path) -> None:
    host = {
        "AWS_SECRET_ACCESS_KEY": "x", "PYTHONPATH": "/x", "LD_PRELOAD": "x", "HOME": "/root",
        "IPYBOX_TOKEN": "t", "LC_ALL": "C", "PIP_INDEX_URL": "i", "PATH": "/bin",
    }  # fmt: skip
    found = kernel_environment(tmp_path, host_env=host, host_home=tmp_path)
    assert found["LC_ALL"] == "C"
    assert found["PIP_INDEX_URL"] == "i"
    assert found["PATH"] == f"{tmp_path}/venv/bin:/bin"
    assert found["HOME"] == f"{tmp_path}/home"
    for name in ("AWS_SECRET_ACCESS_KEY", "PYTHONPATH", "LD_PRELOAD", "IPYBOX_TOKEN"):
        assert name not in found


@pytest.mark.parametrize("failures", [1, 10_000])
def test_a_folder_that_does_not_go_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    """What is above it is not ours, whatever the reason; and there is an end."""
    tmp_path.chmod(0o755)
    (tmp_path / "root").mkdir()
    rmdir = os.rmdir
    left = [None] * failures

    def full(path: str, **options: int) -> None:
        if left:
            left.pop()
            raise OSError(39, "Directory not empty")
        rmdir(path, **options)

    monkeypatch.setattr(os, "rmdir", full)
    monkeypatch.setattr(workspace, "REMOVE_SECONDS", 0.2)
    if failures == 1:
        workspace.remove(tmp_path / "root")
    else:
        with pytest.raises(OSError, match="could not be removed"):
            workspace.remove(tmp_path / "root")
    assert (tmp_path / "root").exists() == (failures > 1)
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_config_is_json_and_keeps_secrets_out_of_argv(tmp_path: Path) -> None:
    spec = ContainerSpec(
        env={"KEY": "secret"}, binds=(Bind(host_path=tmp_path, container_path="a"),)
    )
    config = supervisor_config(
        spec, tmp_path / "r", import_paths=["/p"], host_env={}, host_home=tmp_path
    )
    assert json.loads(json.dumps(config)) == config
    assert spec.token not in " ".join(config["argv"]) and spec.token not in config["env"].values()
    assert config["env"]["KEY"] == "secret"


def test_supervisor_imports_nothing_beyond_the_standard_library() -> None:
    code = (
        "import sys, runpy; sys.argv=['x']; sys.stdin.close();"
        f"sys.path.insert(0, {str(SUPERVISOR.parent)!r}); import supervisor;"
        "print([m for m in sys.modules if m.startswith(('ipybox', 'tornado', 'jupyter'))])"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_supervisor_without_a_whole_line_ends() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(SUPERVISOR)], input=b'{"half": ', timeout=10
    )
    assert done.returncode == 0


@pytest.mark.parametrize("depth", [1, 3])
def test_descendants(depth: int) -> None:
    script = "sleep 60" if depth == 1 else "sh -c 'sh -c \"sleep 60; true\"; true'; true"
    process = subprocess.Popen(["sh", "-c", f"{script}; true"], start_new_session=True)
    try:
        deadline = time.monotonic() + 10
        while len(descendants(process.pid)) < depth and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(descendants(process.pid)) == depth
    finally:
        os.killpg(process.pid, 9)
        process.wait()
    assert descendants(process.pid) == []


async def test_a_gateway_that_does_not_start_says_why(
    local: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **kwargs: object) -> dict[str, object]:
        config = supervisor_config(*args, **kwargs)  # type: ignore[arg-type]
        config["argv"] = [sys.executable, "-c", "import no_such_module_here"]
        return config

    monkeypatch.setattr(local_container, "supervisor_config", broken)
    with pytest.raises(ContainerStartError, match="No module named 'no_such_module_here'"):
        await ExecutionContainer(backend="local").run()


async def test_a_gateway_that_is_too_slow(local: str, monkeypatch: pytest.MonkeyPatch) -> None:
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
async def test_end_of_a_part_is_the_end_of_all(local: str, victim: str) -> None:
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
async def test_a_kernel_that_dies_at_once(
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


@pytest.mark.timeout(30)  # a request that is not given up would take a minute
async def test_a_gateway_that_stands_still(local: str) -> None:
    """The time-out is told within its graces, and the client says that it is of no use."""
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
            with pytest.raises(ConnectionLostError, match="does not answer"):
                await client.execute("1")
            os.kill(gateway, signal.SIGCONT)
            await client.connect()
            assert (await client.execute("1")).text == "1"


async def test_code_that_removes_its_folder(local: str) -> None:
    async with ExecutionContainer(backend="local") as container:
        async with ExecutionClient(container.port) as client:
            await client.execute("import os, shutil; shutil.rmtree(os.getcwd())")
            assert (await client.execute("1")).text == "1"
        async with ExecutionClient(container.port) as client:
            assert (await client.execute("import os; os.listdir()")).text == "[]"


async def test_code_that_takes_away_permissions(local: str) -> None:
    async with session(backend="local") as client:
        await client.execute("""
            import os
            os.makedirs("a/b")
            open("a/b/c", "w").close()
            for name in ("a/b", "a", "..", "../tmp"):
                os.chmod(name, 0)
        """)


async def test_container_ended_under_a_client(local: str) -> None:
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


def test_availability_names_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    from ipybox_local.backend import LocalBackend

    real = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "ipykernel" else real(name)
    )
    state = asyncio.run(LocalBackend().availability())
    assert (state.ready, state.reason) == (False, "not installed: ipykernel.")
    assert "ipybox[local]" in (state.remedy or "")
