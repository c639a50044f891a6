"""An engine behind ssh: a real sshd on loopback, for the user who runs the tests."""

import asyncio
import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
from ipybox_podman.backend import PodmanBackend
from ipybox_podman.service import private_service
from ipybox_podman.tunnel import host_of, tunnel

from ipybox import BackendUnavailableError, ExecutionClient, ExecutionContainer

SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
SETTINGS = """
HostKey {folder}/host
AuthorizedKeysFile {folder}/key.pub
StrictModes no
UsePAM no
PermitRootLogin yes
PidFile none
ListenAddress 127.0.0.1
Port {port}
"""


class Server(NamedTuple):
    url: str
    known_hosts: Path
    process: asyncio.subprocess.Process


@pytest.fixture
async def server(
    podman: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Server]:
    """Run sshd with a Podman service behind it, and an ssh whose settings know the host key."""
    if SSHD is None:
        pytest.skip("no sshd is installed")
    for name in ("host", "key"):
        await _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name))
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = tmp_path / "sshd_config"
    settings.write_text(SETTINGS.format(folder=tmp_path, port=port))
    known = tmp_path / "known_hosts"
    known.write_text(f"[127.0.0.1]:{port} {(tmp_path / 'host.pub').read_text()}")
    (tmp_path / "bin").mkdir()
    ssh = tmp_path / "bin/ssh"
    ssh.write_text(
        f"#!/bin/sh\nexec {shutil.which('ssh')} -F none -oUserKnownHostsFile={known} "
        f'-oGlobalKnownHostsFile=none "$@"\n'
    )
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ssh.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("CONTAINER_SSHKEY", str(tmp_path / "key"))
    engine = private_service("podman")
    await asyncio.to_thread(engine.ensure_listening)
    process = await asyncio.create_subprocess_exec(
        SSHD, "-D", "-e", "-f", str(settings), stderr=asyncio.subprocess.PIPE
    )
    try:
        assert process.stderr is not None
        async with asyncio.timeout(10):
            while b"listening" not in (line := await process.stderr.readline()):
                assert line, "sshd has exited"
        user = getpass.getuser()
        yield Server(f"ssh://{user}@127.0.0.1:{port}{engine.path}", known, process)
    finally:
        process.terminate()
        await process.wait()
        await asyncio.to_thread(engine.stop)


async def _run(*command: str) -> None:
    await asyncio.to_thread(subprocess.run, command, check=True)


async def test_a_container_runs_on_an_engine_behind_ssh(server: Server, tmp_path: Path) -> None:
    async with PodmanBackend(url=server.url) as backend:
        async with ExecutionContainer(tag="ipybox/minimal", backend=backend) as container:
            async with ExecutionClient(container.port) as client:
                assert (await client.execute("print(6 * 7)")).text == "42"
            done = await container.exec(["cat"], stdin=b"through" * 100_000)
            assert done.stdout == b"through" * 100_000
        assert str(tmp_path / "key") not in repr(backend)


async def test_a_broken_tunnel_is_opened_again(server: Server) -> None:
    async with PodmanBackend(url=server.url) as backend:
        before = await backend.list()
        running = backend.engine.connection._client._listener
        assert running is not None and running._process is not None
        running._process.kill()
        await asyncio.to_thread(running._process.wait)
        assert await backend.list() == before


async def test_a_host_with_an_unknown_key_is_refused(server: Server) -> None:
    server.known_hosts.write_text("")
    state = await PodmanBackend(url=server.url).availability()
    assert not state.ready
    assert state.reason and "Host key verification failed" in state.reason


async def test_an_alias_in_the_ssh_settings_is_resolved(server: Server, tmp_path: Path) -> None:
    """The alias stands for this machine, so the engine sees this machine's folders."""
    port = urlsplit(server.url).port
    ssh = Path(shutil.which("ssh") or "")
    settings = tmp_path / "ssh_config"
    settings.write_text(f"Host box\n  HostName 127.0.0.1\n  Port {port}\n")
    ssh.write_text(ssh.read_text().replace("-F none", f"-F {settings}"))
    url = server.url.replace(f"127.0.0.1:{port}", "box")
    assert host_of(url) == "127.0.0.1"
    (tmp_path / "data").mkdir()
    async with PodmanBackend(url=url) as backend:
        assert (await backend.engine.placement()).local
        assert await backend.list() is not None


async def test_an_unreachable_ssh_server_is_reported(podman: str) -> None:
    state = await PodmanBackend(url="ssh://x@127.0.0.1:1/run/podman.sock").availability()
    assert not state.ready
    assert state.reason and "127.0.0.1" in state.reason and "refused" in state.reason


@pytest.mark.parametrize(
    "url", ["ssh://", "ssh://host", "ssh://host/", "ssh:///run/podman.sock", "ssh://a:s3cret@h/x"]
)
def test_incomplete_ssh_addresses_are_refused(url: str) -> None:
    with pytest.raises(BackendUnavailableError, match="ssh://USER@HOST/PATH") as caught:
        tunnel(url, {})
    assert "s3cret" not in str(caught.value)
