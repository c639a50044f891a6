"""What a container can be asked for, each on a real engine."""

import asyncio
import os
import socket
from pathlib import Path

import pytest

from ipybox import (
    BackendError,
    Bind,
    ContainerNotFoundError,
    EngineTimeoutError,
    ExecutionClient,
    ExecutionContainer,
    KernelDiedError,
    NameTakenError,
    Port,
    PortTakenError,
    Resources,
)
from tests.docker.witness import engine, inspect


async def test_name_and_labels(docker: str) -> None:
    async with ExecutionContainer(name="ipybox-test-name", labels={"team": "x"}) as container:
        found = inspect("ipybox-test-name")
        assert found["Id"] == container.id
        config = found["Config"]
        assert isinstance(config, dict)
        assert config["Labels"]["team"] == "x"
        assert config["Labels"]["ipybox.container"] == "ipybox-test-name"
        with pytest.raises(NameTakenError, match="ipybox-test-name"):
            await ExecutionContainer(name="ipybox-test-name").run()
        assert inspect("ipybox-test-name")["Id"] == container.id  # the first one lives


async def test_a_port_that_is_taken(docker: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(PortTakenError, match="Choose another"):
            await ExecutionContainer(port=taken.getsockname()[1]).run()


async def test_further_ports(docker: str) -> None:
    async with ExecutionContainer(ports=[Port(container_port=8000)]) as container:
        async with ExecutionClient(container.port) as client:
            await client.execute("""
                import http.server, threading
                server = http.server.HTTPServer(("", 8000), http.server.SimpleHTTPRequestHandler)
                threading.Thread(target=server.serve_forever, daemon=True).start()
            """)
            reader, writer = await asyncio.open_connection("127.0.0.1", container.ports[8000])
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            assert (await reader.readline()).startswith(b"HTTP/1.0 200")
            writer.close()


async def test_binds_belong_to_the_host_user(docker: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/data").write_text("from the host")
    binds = [
        Bind(host_path=tmp_path / "in", container_path="in", read_only=True),
        Bind(host_path=tmp_path / "out", container_path="deep/out"),
    ]
    async with ExecutionContainer(binds=binds) as container:
        async with ExecutionClient(container.port) as client:
            result = await client.execute("""
                print(open("in/data").read())
                open("deep/out/made", "w").write("from inside")
                try:
                    open("in/data", "w")
                except OSError as error:
                    print(type(error).__name__, error.errno)
            """)
        assert container.guarantees.details["bind in"] == "enforced"
    assert result.text == "from the host\nOSError 30"
    made = tmp_path / "out/made"
    assert made.read_text() == "from inside"
    assert (made.stat().st_uid, made.stat().st_gid) == (os.getuid(), os.getgid())
    made.write_text("the host may write it too")


async def test_exec(container: ExecutionContainer) -> None:
    result = await container.exec(["sh", "-c", "cat; echo bad >&2; exit 3"], stdin=b"x" * 100_000)
    assert (result.exit_code, result.stdout, result.stderr) == (3, b"x" * 100_000, b"bad\n")
    result = await container.exec(["sh", "-c", "echo $A; pwd"], env={"A": "1 2"}, workdir="/tmp")
    assert result.stdout == b"1 2\n/tmp\n"


async def test_exec_of_what_is_not_there(container: ExecutionContainer) -> None:
    with pytest.raises(BackendError, match=r"'/no/such/program' could not be started"):
        await container.exec(["/no/such/program"])


async def test_exec_ends_in_time_and_leaves_nothing(container: ExecutionContainer) -> None:
    with pytest.raises(EngineTimeoutError, match="1 s"):
        await container.exec(["sh", "-c", "sleep 987 & sleep 987"], timeout=1)
    seen = (await container.exec(["sh", "-c", "cat /proc/[0-9]*/cmdline"])).stdout
    assert b"sleep\x00987\x00" not in seen.replace(b"sleep 987 &", b"")


async def test_exec_streams_and_bounds(container: ExecutionContainer) -> None:
    inner = container._current()
    pieces: list[bytes] = []
    result = await inner.exec(
        ["sh", "-c", "head -c 300000 /dev/zero"],
        on_output=lambda lane, data: pieces.append(data),
        max_bytes=1000,
    )
    assert sum(map(len, pieces)) == 300_000
    assert (len(result.stdout), result.truncated) == (1000, 299_000)


async def test_a_byte_stream(container: ExecutionContainer) -> None:
    async with await container.open_stream(["cat"]) as stream:
        await stream.write(b"ping")
        assert await stream.read() == b"ping"
        data = os.urandom(500_000)

        async def feed() -> None:
            await stream.write(data)
            await stream.write_eof()

        feeding = asyncio.create_task(feed())
        back = b""
        while piece := await stream.read():
            back += piece
        await feeding
        assert back == data
        assert await stream.exit_code() == 0


async def test_stats_and_pause(container: ExecutionContainer) -> None:
    stats = await container.stats()
    assert stats.cpu_seconds > 0
    assert 10 * 2**20 < stats.memory_bytes < 2**30
    assert stats.memory_limit_bytes == 4 * 2**30
    assert stats.pids is not None and stats.pids >= 3
    await container.pause()
    assert inspect(container.id)["State"]["Paused"]  # type: ignore[index]
    await container.unpause()
    async with ExecutionClient(container.port) as client:
        assert (await client.execute("print(1)")).text == "1"


async def test_the_end_is_told(docker: str) -> None:
    async with ExecutionContainer() as container:
        engine("kill", container.id)
        status = await asyncio.wait_for(container.wait(), 10)
        assert status.code == -9
        assert not status.out_of_memory
    async with ExecutionContainer() as container:
        stopping = asyncio.create_task(container.wait())
        await container.stop()
        assert (await asyncio.wait_for(stopping, 10)).code == 0


async def test_out_of_memory_is_told(docker: str) -> None:
    limits = Resources(memory_bytes=400 * 2**20)
    async with ExecutionContainer(resources=limits) as container:
        async with ExecutionClient(container.port) as client:
            with pytest.raises(KernelDiedError) as caught:
                await client.execute("x = b'x' * 2_000_000_000")
            assert caught.value.out_of_memory
            await client.restart()
            assert (await client.execute("print(1)")).text == "1"


async def test_a_read_only_root(docker: str) -> None:
    async with ExecutionContainer(read_only_root=True, strict=True) as container:
        assert container.guarantees.details["root file system"] == "enforced"
        async with ExecutionClient(container.port) as client:
            result = await client.execute("""
                for path in ("/opt/x", "/etc/x", "/app/x", "/tmp/x", "/home/ipybox/x"):
                    try:
                        open(path, "w").close()
                        print(path, "written")
                    except OSError as error:
                        print(path, error.errno)
            """)
    assert result.text is not None
    assert [line.split()[1] for line in result.text.splitlines()] == ["30", "30"] + ["written"] * 3


async def test_an_engine_init(docker: str) -> None:
    async with ExecutionContainer(engine_init=True) as container:
        async with ExecutionClient(container.port) as client:
            result = await client.execute("print(open('/proc/1/comm').read())")
    assert result.text is not None and "init" in result.text


async def test_only_ours_are_touched(docker: str) -> None:
    from ipybox_docker.backend import DockerBackend

    name = engine("create", "gradion/ipybox").strip()
    try:
        async with DockerBackend() as backend:
            with pytest.raises(ContainerNotFoundError, match="none of ipybox's"):
                await backend.remove(name)
            with pytest.raises(ContainerNotFoundError):
                await backend.attach(name)
            with pytest.raises(ContainerNotFoundError):
                await backend.remove("no-such-container")
            assert name not in [info.id for info in await backend.list()]
    finally:
        engine("rm", name)
