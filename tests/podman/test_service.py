"""Where Podman is found, and the private service that is started if none runs."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ipybox_podman import engine, listener, sockets
from ipybox_podman.backend import PodmanBackend
from ipybox_podman.service import private_service

from ipybox import BackendUnavailableError, ExecutionClient, ExecutionContainer
from ipybox.authoring import Availability, Capability
from ipybox.errors import EngineGoneError
from ipybox.testing import FaultTrials


@pytest.fixture
def no_service(podman: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Simulate a host on which no service runs."""
    monkeypatch.delenv("CONTAINER_HOST", raising=False)
    monkeypatch.setattr(sockets, "default_paths", lambda environment, uid: [])
    return podman


@pytest.fixture
async def backend(no_service: str) -> AsyncIterator[PodmanBackend]:
    async with PodmanBackend() as entered:
        yield entered


def service_of(backend: PodmanBackend) -> subprocess.Popen[bytes]:
    running = backend.engine.connection._client._listener
    assert running is not None and running._process is not None
    return running._process


async def check_works(backend: PodmanBackend) -> None:
    async with ExecutionContainer(backend=backend) as container:
        async with ExecutionClient(container.port) as client:
            assert (await client.execute("print(1)")).text == "1"


async def test_the_private_service_lives_as_long_as_the_backend(no_service: str) -> None:
    """The service listens on a socket that no other user can reach."""
    async with PodmanBackend() as backend:
        await check_works(backend)
        process = service_of(backend)
        running = backend.engine.connection._client._listener
        assert running is not None
        path = running.path
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert path.parent.stat().st_uid == os.getuid()
        # In a session of its own: Ctrl-C at the terminal must not reach it.
        assert os.getsid(process.pid) != os.getsid(0)
    assert process.returncode is not None
    assert not path.exists()


async def test_code_runs_on_when_the_service_is_killed(
    backend: PodmanBackend, faults: FaultTrials
) -> None:
    """The output of the code arrives, and the container is removed as usual."""
    async with ExecutionContainer(backend=backend) as container:
        async with ExecutionClient(container.port) as client:
            running = asyncio.create_task(
                client.execute("import time\nfor i in range(4): time.sleep(0.5); print(i)")
            )
            await asyncio.sleep(0.5)
            first = service_of(backend)
            first.kill()
            first.wait()
            await faults.run(running)
            assert running.result().text == "0\n1\n2\n3"
        assert (await container.exec(["echo", "again"])).stdout == b"again\n"
        assert service_of(backend).pid != first.pid
        name = repr(container)
    assert [info for info in await backend.list() if info.name in name] == []


async def test_wait_returns_the_exit_after_the_service_was_killed(
    backend: PodmanBackend, faults: FaultTrials
) -> None:
    async with ExecutionContainer(backend=backend) as container:
        first = service_of(backend)
        first.kill()
        first.wait()
        await container.exec(["true"])  # starts a new service
        await asyncio.to_thread(subprocess.run, ["podman", "kill", container.id], check=True)
        ended = asyncio.ensure_future(container.wait())
        await faults.run(ended)
        status = ended.result()
        assert status.code in (-9, None)


async def test_a_stale_socket_is_skipped_unless_the_user_named_it(
    podman: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    monkeypatch.delenv("CONTAINER_HOST", raising=False)
    monkeypatch.setattr(sockets, "default_paths", lambda environment, uid: [path])
    async with PodmanBackend() as backend:
        await check_works(backend)
    monkeypatch.setenv("CONTAINER_HOST", f"unix://{path}")
    with pytest.raises(
        BackendUnavailableError, match=r"unix://.*/s \(no process is listening there\)"
    ):
        await ExecutionContainer(backend="podman").run()


async def test_a_socket_of_another_user_is_reported(podman: str, tmp_path: Path) -> None:
    if os.getuid() == 0:
        pytest.skip("root may use every socket")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        (tmp_path / "s").chmod(0)
        with pytest.raises(
            BackendUnavailableError, match=r"permission denied.*belongs to another user"
        ):
            async with ExecutionContainer(backend=PodmanBackend(url=f"unix://{tmp_path}/s")):
                pass


async def test_calls_over_tcp_bypass_any_proxy(
    podman: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"tcp://127.0.0.1:{port}"
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    process = await asyncio.create_subprocess_exec("podman", "system", "service", "--time=0", url)
    try:
        async with asyncio.timeout(20):
            while not (state := await PodmanBackend(url=url).availability()).ready:
                assert process.returncode is None, state.reason
        await check_works(PodmanBackend(url=url))
    finally:
        process.terminate()
        await process.wait()


async def test_diagnose_finds_no_error_on_this_host(podman: str) -> None:
    """``diagnose`` examines the real host; every finding that is not ok has a remedy."""
    found = {finding.name: finding for finding in await PodmanBackend().diagnose()}
    assert found["engine"].level == "ok"
    assert found["storage driver"].found == "overlay"
    assert ("newuidmap" in found) == (os.getuid() != 0)
    for finding in found.values():
        assert finding.level != "error", finding
        assert (finding.remedy is None) == (finding.level == "ok")


async def test_diagnose_reports_an_unreachable_engine(podman: str, tmp_path: Path) -> None:
    found, *_ = await PodmanBackend(url=f"unix://{tmp_path}/none").diagnose()
    assert (found.name, found.level) == ("engine", "error")
    assert "no such socket" in found.found
    assert found.remedy and "doctor" not in found.remedy


async def test_a_container_is_removed_although_the_service_is_killed_meanwhile(
    backend: PodmanBackend,
) -> None:
    async with ExecutionContainer(backend=backend) as container:
        first, own = service_of(backend), container.id
        first.send_signal(signal.SIGSTOP)
        killing = asyncio.create_task(container.kill())
        await asyncio.wait([killing], timeout=0.5)  # the call has been sent
        first.kill()
        first.wait()
        async with asyncio.timeout(20):
            await killing
        assert own not in [info.id for info in await backend.list()]
        assert service_of(backend).pid != first.pid


async def test_kill_waits_briefly_for_a_named_service_to_return(
    no_service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The container is removed, or the error says that it may still be running."""
    monkeypatch.setattr(engine, "AWAY_TIMEOUT", 10.0)
    running = private_service("podman")
    await asyncio.to_thread(running.ensure_listening)

    async def without_it(seconds: float, container: ExecutionContainer) -> None:
        await asyncio.to_thread(running._stop_process)
        killing = asyncio.create_task(container.kill())
        await asyncio.wait([killing], timeout=seconds)
        await asyncio.to_thread(running.ensure_listening)
        await killing

    try:
        async with PodmanBackend(url=running.url) as backend:
            async with ExecutionContainer(backend=backend) as container:
                own = container.id
                await without_it(0.5, container)
            assert own not in [info.id for info in await backend.list()]
            container = ExecutionContainer(backend=backend)
            await container.run()
            own = container.id
            with pytest.raises(EngineGoneError, match=r"may still be running.*no such socket"):
                await without_it(30.0, container)
            await backend.remove(own)
    finally:
        await asyncio.to_thread(running.stop)


async def test_a_paused_container_survives_the_death_of_the_service(
    backend: PodmanBackend,
) -> None:
    if Capability.PAUSE not in backend.capabilities:
        pytest.skip("this user cannot pause containers")
    async with ExecutionContainer(backend=backend) as container:
        ending = asyncio.ensure_future(container.wait())
        await container.pause()
        first = service_of(backend)
        first.kill()
        first.wait()
        await container.stats()  # starts a new service
        assert not (await asyncio.wait([ending], timeout=1.5))[0]
        await container.unpause()
        async with ExecutionClient(container.port) as client:
            assert (await client.execute("print(1)")).text == "1"
        ending.cancel()


async def test_a_host_without_podman_is_unavailable(
    no_service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    state = await PodmanBackend().availability()
    assert not state.ready
    assert state.reason and "Install Podman" in state.reason


@pytest.mark.parametrize("url", ["nonsense", "tcp://127.0.0.1:1", "unix://", "https://x", "tcp://"])
async def test_an_invalid_address_is_reported_with_a_remedy(podman: str, url: str) -> None:
    state = await PodmanBackend(url=url).availability()
    assert not state.ready
    assert state.reason and state.remedy


async def test_another_server_and_an_old_podman_are_refused(podman: str, tmp_path: Path) -> None:
    path = tmp_path / "fake.sock"

    def serve(server: socket.socket, head: str) -> None:
        while True:
            try:
                connection = server.accept()[0]
            except OSError:  # the socket was shut down
                return
            with connection:
                if connection.recv(65536):  # a client may only probe whether a server listens
                    answer = f"HTTP/1.1 200 OK\r\n{head}Content-Length: 2\r\n\r\nOK"
                    connection.sendall(answer.encode())

    async def availability_of(head: str) -> Availability:
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
            server.listen()
            serving = asyncio.create_task(asyncio.to_thread(serve, server, head))
            state = await PodmanBackend(url=f"unix://{path}").availability()
            server.shutdown(socket.SHUT_RDWR)
            await serving
        return state

    old = await availability_of("Libpod-API-Version: 4.2.0\r\n")
    assert not old.ready and old.reason and "4.2.0 is too old" in old.reason
    assert old.remedy and "4.3 or newer" in old.remedy
    other = await availability_of("Server: x\r\n")
    assert not other.ready and other.reason and "is not Podman" in other.reason


OWNER = """
    import asyncio, os
    from ipybox_podman import service, sockets
    from ipybox_podman.backend import PodmanBackend

    service.IDLE_TIMEOUT = 5
    sockets.default_paths = lambda environment, uid: []

    async def main():
        async with PodmanBackend() as backend:
            await backend.list()
            print(backend.engine.connection._client._listener._process.pid, flush=True)
            await asyncio.sleep(60)

    asyncio.run(main())
"""


async def test_the_service_exits_after_its_owner_was_killed(no_service: str) -> None:
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", textwrap.dedent(OWNER), stdout=asyncio.subprocess.PIPE
    )
    assert owner.stdout is not None
    pid = int(await owner.stdout.readline())
    assert b"system" in Path(f"/proc/{pid}/cmdline").read_bytes()
    owner.kill()
    await owner.wait()
    end = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        await asyncio.sleep(0.1)
    # They are empty now; the next listener would remove them only after some time.
    for folder in listener._shared_folder().glob(f"{owner.pid}-*"):
        folder.rmdir()
    with contextlib.suppress(OSError):  # other listeners still use it
        listener._shared_folder().rmdir()
    try:
        assert not Path(f"/proc/{pid}").exists()
    finally:
        if Path(f"/proc/{pid}").exists():
            os.kill(pid, signal.SIGKILL)


def test_a_folder_that_other_users_can_reach_is_refused(
    no_service: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    monkeypatch.setattr(listener, "_shared_folder", lambda: tmp_path / "open")
    with pytest.raises(BackendUnavailableError, match="is not private"):
        private_service("podman").ensure_listening()


async def test_podman_works_without_a_runtime_folder(podman: str) -> None:
    environment = {**os.environ}
    environment.pop("XDG_RUNTIME_DIR", None)
    code = "import ipybox.cli.main as m; m.app()"
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", code, "run", "--backend", "podman", "-c", "print(6 * 7)"],
        env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert "42" in done.stdout, done.stderr[-2000:]
