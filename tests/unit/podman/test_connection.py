"""Sockets to the engine are always closed; a thread of the test plays the engine."""

from __future__ import annotations

import asyncio
import gc
import secrets
import socket
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from ipybox_podman.connection import Connection
from podman.api.uds import UDSSocket

from ipybox.errors import EngineGoneError

FRAME = b"\x01\0\0\0\0\0\0\x02hi"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
UPGRADED = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n" + FRAME


class Engine:
    """A stand-in for Podman's service: requests for ``/slow`` wait for ``go``.

    Attributes:
        asked: Is released once for each slow request that has arrived.
        go: Lets the slow requests be answered; they wait for up to 10 seconds.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.asked = threading.Semaphore(0)
        self.go = threading.Event()
        self.connections: list[socket.socket] = []
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                self.connections.append(connection)
                threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError):
            while request := connection.recv(65536):
                if b"/slow" in request:
                    self.asked.release()
                    self.go.wait(10)
                connection.sendall(UPGRADED if b"/attach" in request else ANSWER)

    def close(self) -> None:
        with suppress(OSError):  # it is closed already
            self._server.shutdown(socket.SHUT_RDWR)
        for one in [self._server, *self.connections]:
            one.close()


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    engine = Engine(tmp_path / f"{secrets.token_hex(4)}.sock")
    yield engine
    engine.close()


@pytest.fixture
async def connection(engine: Engine, tmp_path: Path) -> AsyncIterator[Connection]:
    connection = Connection(f"unix://{tmp_path / engine.name}")
    yield connection
    await connection.aclose()


def left_open(engine: Engine) -> list[UDSSocket]:
    every = [one for one in gc.get_objects() if type(one) is UDSSocket]
    return [one for one in every if engine.name in one.uds and one.fileno() != -1]


async def wait_until_all_are_closed(engine: Engine) -> None:
    async with asyncio.timeout(10):
        while left_open(engine):
            await asyncio.sleep(0.01)


async def test_streams_hold_only_their_own_connection(
    engine: Engine, connection: Connection
) -> None:
    before = left_open(engine)
    streams = await connection.streams("attach", "/attach")
    assert left_open(engine) == before
    assert await streams.read() == ("stdout", b"hi")
    closing = asyncio.ensure_future(streams.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])
    assert left_open(engine) == before


async def test_a_lost_engine_leaves_no_socket_open(engine: Engine, connection: Connection) -> None:
    await connection.call("ask", "get", "/anything", timeout=30)
    engine.close()
    gc.disable()  # sockets must be closed by the code, not by the collector
    try:
        with pytest.raises(EngineGoneError) as caught:
            await connection.call("ask", "get", "/anything", timeout=30)
        assert left_open(engine) == []
        assert caught.value.__cause__ is not None
    finally:
        gc.enable()


async def test_a_call_that_outlives_its_backend_leaves_no_socket_open(
    engine: Engine, connection: Connection
) -> None:
    call = asyncio.ensure_future(connection.call("be slow", "get", "/slow", timeout=30))
    await asyncio.to_thread(engine.asked.acquire)
    call.cancel()
    await asyncio.wait([call])
    await connection.aclose()
    assert left_open(engine)
    engine.go.set()
    await wait_until_all_are_closed(engine)


async def test_queued_calls_open_no_connection_after_close(
    engine: Engine, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ipybox_podman.connection.THREADS", 1)
    first, second = (
        asyncio.ensure_future(connection.call("be slow", "get", "/slow", timeout=30))
        for _ in range(2)
    )
    await asyncio.to_thread(engine.asked.acquire)
    await connection.aclose()
    engine.go.set()
    assert await first == b"{}"
    with pytest.raises(EngineGoneError, match="closed before the call reached the Podman engine"):
        await second
    await wait_until_all_are_closed(engine)
    assert not engine.asked.acquire(blocking=False)


async def test_a_cancelled_close_still_closes_all_sockets(
    engine: Engine, connection: Connection
) -> None:
    await connection.call("ask", "get", "/anything", timeout=30)
    assert left_open(engine)
    busy = threading.Event()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    waiting = asyncio.ensure_future(asyncio.to_thread(busy.wait, 10))
    closing = asyncio.ensure_future(connection.aclose())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.sleep(0)
    busy.set()
    await asyncio.wait([closing])
    await waiting
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor())
    await wait_until_all_are_closed(engine)
