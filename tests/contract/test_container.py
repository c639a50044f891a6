"""Containers through the library, on each backend: arguments, token, binds, environment."""

import logging
import os
import socket
import subprocess
import sys
import traceback
from pathlib import Path

import httpx
import pytest

import ipybox
from ipybox import (
    BackendError,
    ContainerStateError,
    ExecutionClient,
    ExecutionContainer,
    InvalidArgumentError,
)
from ipybox.errors import AuthenticationError, ConnectFailedError
from ipybox.gateway.started import find_container, forget, remember


async def test_calls_need_a_running_container_and_run_needs_a_stopped_one(backend: str) -> None:
    container = ExecutionContainer()
    with pytest.raises(ContainerStateError, match=r"is not running\. Use `async with`"):
        _ = container.port
    for _ in range(2):
        await container.run()
        assert 1024 <= container.port <= 65535
        with pytest.raises(ContainerStateError, match=r"is running already\. Start a second one"):
            await container.run()
        await container.kill()
        await container.kill()
        for name in ("container", "id", "port", "endpoint", "ports", "guarantees"):
            with pytest.raises(RuntimeError, match="is not running"):  # the type of older versions
                getattr(container, name)
        for call in (container.wait, container.logs, container.stats, container.pause):
            with pytest.raises(ContainerStateError, match="is not running"):
                await call()


async def test_session_runs_code_with_its_options(backend: str) -> None:
    async with ipybox.session(backend=backend, env={"A": "1"}) as client:
        assert (await client.execute("import os; print(os.environ['A'])")).text == "1"


async def test_modules_are_imported_from_the_working_directory(client: ExecutionClient) -> None:
    await client.execute("open('helper_module.py', 'w').write('VALUE = 5')")
    assert (await client.execute("import helper_module; helper_module.VALUE")).text == "5"


async def test_kernel_starts_beside_files_named_like_modules(backend: str, tmp_path: Path) -> None:
    for name in ("random", "inspect", "IPython", "ipykernel", "traitlets", "config", "logging"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(9)")
    binds = {str(path): path.name for path in tmp_path.iterdir()}
    async with ipybox.session(backend=backend, binds=binds) as client:
        assert (await client.execute("print('up')")).text == "up"


async def test_silent_code_may_outlast_the_heartbeat(container: ExecutionContainer) -> None:
    async with ExecutionClient(container.port, heartbeat_interval=2) as client:
        result = await client.execute("import time; time.sleep(33); print('still here')")
        assert result.text == "still here"


async def test_binds_map_host_paths_into_the_container(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "existing").mkdir()
    (tmp_path / "existing/in.txt").write_text("from the host")
    (tmp_path / "one.txt").write_text("a file")
    binds = {"existing": "in", str(tmp_path / "created/deep"): "out/deep", "one.txt": "one.txt"}
    async with ipybox.session(backend=backend, binds=binds) as client:
        result = await client.execute("""
            print(open('in/in.txt').read(), open('one.txt').read())
            _ = open('out/deep/result.txt', 'w').write('from the code')
        """)
        assert result.text == "from the host a file"
    assert (tmp_path / "created/deep/result.txt").read_text() == "from the code"
    assert (tmp_path / "created/deep/result.txt").stat().st_uid == os.getuid()
    assert (tmp_path / "existing/in.txt").exists()


async def test_gateway_and_client_need_the_token(
    container: ExecutionContainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = container.endpoint.token
    assert len(token) >= 43  # 256 bits in base64
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{container.port}", timeout=20) as http:
        for path in ("/api", "/api/kernels", "/api/kernelspecs", "/api/sessions"):
            status = (await http.get(path)).status_code
            assert status in (401, 403) or path == "/api", path
        assert (await http.post("/api/kernels", json={})).status_code == 401

    started = find_container("localhost", container.port)
    assert started is not None
    forget(started)  # as if another process had started the container
    try:
        with pytest.raises(AuthenticationError, match=r"401.*IPYBOX_TOKEN"):
            await ExecutionClient(container.port).connect()
        with pytest.raises(AuthenticationError, match="does not match"):
            await ExecutionClient(container.port, token="wrong").connect()
        async with ExecutionClient(container.port, token=token) as client:
            assert (await client.execute("1")).text == "1"
        monkeypatch.setenv("IPYBOX_TOKEN", token)
        async with ExecutionClient(container.port, "127.0.0.1") as client:
            assert (await client.execute("2")).text == "2"
    finally:
        remember(started)


async def test_secrets_show_in_no_repr_log_or_traceback(
    backend: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    seen = []
    async with ExecutionContainer(env={"SECRET": "s3cr3t-value"}) as container:
        token = container.endpoint.token
        async with ExecutionClient(container.port) as client:
            seen += [repr(client), repr(await client.submit("1"))]
            try:
                await client.execute("1/0")
            except ipybox.ExecutionError as error:
                seen += traceback.format_exception(error)
            environment = await client.execute("import os; print(dict(os.environ))")
            seen.append(environment.stdout.replace("s3cr3t-value", ""))
        try:
            await ExecutionClient(container.port, token=token[:-1]).connect()
        except AuthenticationError as error:
            seen += traceback.format_exception(error)
        seen += [repr(container), repr(container.endpoint), repr(vars(container))]
        seen += await container.logs()
        for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.append(cmdline.read_text(errors="replace"))
            except OSError:
                continue
    seen += [record.getMessage() for record in caplog.records]
    seen += list(capfd.readouterr())
    everything = "\n".join(seen)
    assert token not in everything
    assert token[:-1] not in everything
    assert "s3cr3t-value" not in everything


async def test_connect_to_a_closed_port_raises_connect_failed_error() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    client = ExecutionClient(port)
    with pytest.raises(ConnectFailedError, match=f":{port}"):
        await client.connect(retries=2, retry_interval=0.01)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"binds": {"x": "/abs"}}, "must be relative"),
        ({"binds": {"x": "../up"}}, "may not leave"),
        ({"binds": {"x": "a/../../b"}}, "may not leave"),
        ({"binds": {"x": "t", "y": "t"}}, "share"),
        ({"binds": {"x": "t", "y": "./t/"}}, "share"),
        ({"binds": {"x": "t", "y": "t/below"}}, "inside each other"),
        ({"binds": {"x": ""}}, "empty"),
        ({"binds": {"x": "."}}, "empty"),
        ({"binds": {"": "t"}}, "host path"),
        ({"binds": {"x": "a\0b"}}, "NUL"),
        ({"binds": {"x": 7}}, "paths"),
        ({"binds": "x:y"}, "binds"),
        ({"env": {"A=B": "1"}}, "'='"),
        ({"env": {"A\0": "1"}}, "NUL"),
        ({"env": {"": "1"}}, "empty"),
        ({"env": {"A": "1\0"}}, "NUL"),
        ({"env": {"A": 1}}, "int"),
        ({"env": ["A"]}, "list"),
        ({"port": 0}, "1 to 65535"),
        ({"port": 65536}, "1 to 65535"),
        ({"port": "8888"}, "1 to 65535"),
        ({"port": True}, "1 to 65535"),
        ({"port_allocation_timeout": 0}, "above 0"),
        ({"start_timeout": -1}, "above 0"),
        ({"env": {"A": "\ud800"}}, "Unicode"),
        ({"env": {"\ud800": "1"}}, "valid Unicode"),
        ({"binds": {"x": "\ud800"}}, "Unicode"),
        ({"binds": {"x": "b" * 300}}, "255 bytes"),
        ({"binds": {"x": "b/" * 800}}, "1000"),
        ({"tag": ""}, "tag"),
        ({"backend": 7}, "backend"),
    ],
    ids=repr,
)
def test_invalid_container_arguments_are_refused(
    arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        ExecutionContainer(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "arguments",
    [
        {"port": None}, {"port": 0}, {"port": 99999}, {"port": 1, "host": ""},
        {"port": 1, "host": "[::1"}, {"port": 1, "token": "ü"}, {"port": 1, "token": 5},
        {"port": 1, "token": "a\nb"}, {"port": 1, "limits": {"text": 1}},
        {"port": 1, "host": "a/b"}, {"port": 1, "heartbeat_interval": 0},
        {"port": 1, "timeouts": {"interrupt": 1}},
    ],
    ids=repr,
)  # fmt: skip
def test_invalid_client_arguments_are_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(InvalidArgumentError):
        ExecutionClient(**arguments)  # type: ignore[arg-type]


def test_container_of_a_killed_host_process_leaves_nothing(local: str, tmp_path: Path) -> None:
    """The owner gets SIGKILL while children of the kernel run.

    On backends with leases, the lease does the cleanup; that has its own tests.
    """
    script = """
import asyncio, os, signal, ipybox
async def main():
    async with ipybox.session() as client:
        result = await client.execute('''
            import os, subprocess
            plain = subprocess.Popen(["sleep", "600"])
            far = subprocess.Popen(["sleep", "601"], start_new_session=True)
            lost = subprocess.run("setsid sh -c 'sleep 602 >/dev/null 2>&1 & echo $!'",
                                  shell=True, capture_output=True, text=True).stdout.strip()
            print(os.getpid(), plain.pid, far.pid, lost, os.getcwd())
        ''')
        print(result.text, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == -9, done.stderr
    *pids, folder = done.stdout.split()
    gone = [Path(f"/proc/{pid}") for pid in pids] + [Path(folder).parent]
    assert len(gone) == 5
    assert wait_until_gone(gone, seconds=30)


def wait_until_gone(paths: list[Path], seconds: float) -> bool:
    import time

    deadline = time.monotonic() + seconds
    while any(path.exists() and not is_zombie(path) for path in paths):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def is_zombie(path: Path) -> bool:
    try:
        return (path / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False


async def test_unknown_backend_raises_backend_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BackendError, match="Did you mean 'local'"):
        await ExecutionContainer(backend="locla").run()
    monkeypatch.setenv("IPYBOX_BACKEND", "nowhere")
    with pytest.raises(BackendError, match="no backend 'nowhere'"):
        await ExecutionContainer().run()
