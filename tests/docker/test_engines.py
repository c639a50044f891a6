"""Where a Docker engine may be: another socket, a context, TCP, TLS, or
the engine of the host that this program's container runs on."""

import asyncio
import hashlib
import json
import ssl
import subprocess
from pathlib import Path

import pytest
from ipybox_docker.backend import DockerBackend

from ipybox import ExecutionClient, ExecutionContainer
from tests.engine_proxy import EngineProxy
from tests.engines.engine_cli import DOCKER_SOCKET, EngineCli

ROOT = Path(__file__).parents[2]


async def check_that_it_works() -> None:
    async with ExecutionContainer(backend="docker") as container:
        async with ExecutionClient(container.port) as client:
            assert (await client.execute("print(1)")).text == "1"
        assert (await container.exec(["cat"], stdin=b"x" * 70_000)).stdout == b"x" * 70_000


async def test_an_engine_over_tcp_works(docker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with EngineProxy(DOCKER_SOCKET).running() as proxy:
        monkeypatch.setenv("DOCKER_HOST", proxy.url)
        await check_that_it_works()


def certificates(folder: Path) -> None:
    """Make an authority, and one certificate of it for both sides."""
    commands = [
        "req -x509 -newkey rsa:2048 -nodes -keyout ca-key.pem -out ca.pem -subj /CN=ca -days 2 "
        "-addext keyUsage=critical,keyCertSign",
        "req -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj /CN=localhost",
        "x509 -req -in request.pem -CA ca.pem -CAkey ca-key.pem -CAcreateserial -out cert.pem "
        "-days 2 -extfile names",
    ]
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    for command in commands:
        subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)


async def test_an_engine_over_tls_works_by_variables_and_by_context(
    docker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "far"
    folder = hashlib.sha256(name.encode()).hexdigest()
    contexts = tmp_path / ".docker/contexts"
    tls = contexts / "tls" / folder / "docker"
    tls.mkdir(parents=True)
    await asyncio.to_thread(certificates, tls)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls / "cert.pem", tls / "key.pem")
    context.load_verify_locations(tls / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    monkeypatch.setenv("HOME", str(tmp_path))
    async with EngineProxy(DOCKER_SOCKET).running(context) as proxy:
        # By the variables of Docker's command line.
        monkeypatch.setenv("DOCKER_HOST", f"tcp://localhost:{proxy.port}")
        monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
        monkeypatch.setenv("DOCKER_CERT_PATH", str(tls))
        await check_that_it_works()
        for variable in ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
            monkeypatch.delenv(variable)
        # By a context.
        meta = contexts / "meta" / folder / "meta.json"
        meta.parent.mkdir(parents=True)
        endpoint = {"Host": f"tcp://localhost:{proxy.port}", "SkipTLSVerify": False}
        meta.write_text(json.dumps({"Name": name, "Endpoints": {"docker": endpoint}}))
        monkeypatch.setenv("DOCKER_CONTEXT", name)
        await check_that_it_works()


async def test_settings_that_name_no_engine_come_with_reason_and_remedy(
    docker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for url in ("nonsense", "tcp://127.0.0.1:1", "tcp://", "ssh://", "unix://"):
        state = await DockerBackend(url=url).availability()
        assert not state.ready, url
        assert state.reason and state.remedy, url
    monkeypatch.setenv("DOCKER_CONTEXT", "nowhere")
    state = await DockerBackend().availability()
    assert not state.ready
    assert state.reason is not None and "nowhere" in state.reason


async def test_docker_is_chosen_without_settings(
    docker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("IPYBOX_BACKEND", raising=False)
    async with ExecutionContainer() as container:
        assert container.guarantees.isolation == "container"


INSIDE = """
import asyncio, pathlib
from ipybox import ExecutionClient, ExecutionContainer

async def main():
    pathlib.Path("/shared/data").mkdir(exist_ok=True)
    pathlib.Path("/shared/data/x").write_text("seen")
    async with ExecutionContainer(backend="docker", binds={"/shared/data": "data"}) as container:
        print(container.endpoint.host != "127.0.0.1", container.port)
        async with ExecutionClient(container.port, container.endpoint.host) as client:
            print((await client.execute("print(open('data/x').read())")).text)
        try:
            await ExecutionContainer(backend="docker", binds={"/opt": "opt"}).run()
        except Exception as error:
            print(type(error).__name__, "Mount the folder" in str(error))

asyncio.run(main())
"""


@pytest.mark.index
@pytest.mark.timeout(300)
async def test_a_program_in_a_container_can_use_its_hosts_engine(
    docker: str, tmp_path: Path
) -> None:
    """ipybox is installed in a container that has the engine's socket and a folder of the host."""
    listed = ("ps", "-q", "--filter", "label=ipybox.container")
    before = await EngineCli("docker")(*listed)
    (tmp_path / "script.py").write_text(INSIDE)
    script = "cp -r /src /tmp/src && pip install -q /tmp/src[docker] && python /shared/script.py"
    done = await asyncio.to_thread(
        subprocess.run,
        ["docker", "run", "--rm", "-u", "0:0", "-v", f"{DOCKER_SOCKET}:{DOCKER_SOCKET}", "-v",
         f"{tmp_path}:/shared", "-v", f"{ROOT}/ipybox:/src/ipybox:ro",
         "-v", f"{ROOT}/backends:/src/backends:ro", "-v", f"{ROOT}/images:/src/images:ro",
         "-v", f"{ROOT}/pyproject.toml:/src/pyproject.toml:ro",
         "-v", f"{ROOT}/README.md:/src/README.md:ro", "-v", f"{ROOT}/LICENSE:/src/LICENSE:ro",
         "--entrypoint", "sh", "gradion/ipybox", "-c", script],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["True 8888", "seen", "InvalidArgumentError True"], (
        done.stderr[-3000:]
    )
    assert await EngineCli("docker")(*listed) == before
