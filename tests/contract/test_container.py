"""Containers through the library, on each backend: arguments, token, binds, environment."""

import logging
import os
import traceback
from pathlib import Path

import httpx
import pytest

import ipybox
from ipybox import (
    ContainerStateError,
    ExecutionClient,
    ExecutionContainer,
)
from ipybox.errors import AuthenticationError
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
        await container.aclose()
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
