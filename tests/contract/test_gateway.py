"""The gateway's own doors."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import websockets

from ipybox import ExecutionClient, ExecutionContainer, VersionMismatchError
from ipybox.kernel import gateway as client_gateway
from ipybox.kernel import versions


@pytest.fixture
async def http(container: ExecutionContainer) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"token {container.endpoint.token}"}
    address = f"http://127.0.0.1:{container.port}"
    async with httpx.AsyncClient(base_url=address, headers=headers, trust_env=False) as client:
        yield client


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:1"}, 200),
        ({"Host": "[::1]:1"}, 200),
        ({"Host": "LOCALHOST"}, 200),
        ({"Host": "attacker.example"}, 403),
        ({"Host": "localhost.attacker.example"}, 403),
        ({"Host": ""}, 403),
        ({"Host": "[broken"}, 403),
        ({"Origin": "http://attacker.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "attacker.example", "Origin": "http://attacker.example"}, 403),
        ({"Host": "localhost:1", "Origin": "http://localhost:2"}, 403),
        ({"Host": "localhost:1", "Origin": "http://localhost:1"}, 200),
    ],
)
async def test_host_and_origin(
    http: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    """A page that lets its name resolve to this machine is refused, token or not."""
    for path in ("/api/kernels", "/ipybox/v1/status"):
        answer = await http.get(path, headers=headers)
        assert answer.status_code == status, answer.text
        allowed = [value for name, value in answer.headers.items() if name.startswith("access-")]
        assert set(allowed) <= {"", headers.get("Origin")}, "another origin is let in"


async def test_websockets_of_other_origins(container: ExecutionContainer) -> None:
    async with ExecutionClient(container.port) as client:
        url = f"ws://127.0.0.1:{container.port}/api/kernels/{client.kernel_id}/channels"
        token = {"Authorization": f"token {container.endpoint.token}"}
        for headers in ({**token, "Origin": "http://attacker.example"}, {}):
            with pytest.raises(websockets.InvalidStatus) as caught:
                await websockets.connect(url, additional_headers=headers, proxy=None)
            assert caught.value.response.status_code in (401, 403)


async def test_names_can_be_allowed(local: str) -> None:
    async with ExecutionContainer(backend="local", env={"IPYBOX_HOSTS": "box.example"}) as running:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.port}") as http:
            token = {"Authorization": f"token {running.endpoint.token}"}
            for host, status in (("box.example:80", 200), ("other.example", 403)):
                answer = await http.get("/api/kernels", headers={**token, "Host": host})
                assert answer.status_code == status


async def test_status(container: ExecutionContainer, http: httpx.AsyncClient) -> None:
    async with ExecutionClient(container.port) as client:
        pid = int((await client.execute("import os; print(os.getpid())")).text or 0)
        running = await client.submit("import time; time.sleep(1)")
        while (row := await _row(http, client))["state"] != "busy":
            await asyncio.sleep(0.01)
        assert row["pid"] == pid
        assert 10_000_000 < row["memory"] < 500_000_000
        assert row["last_activity"].startswith("20")
        await running.result()
        assert (await _row(http, client))["state"] == "idle"
        assert (await client.status())["protocol"] == versions.PROTOCOL
        await asyncio.gather(client.execute("import os; os._exit(7)"), return_exceptions=True)
        row = await _row(http, client)
        assert (row["state"], row["exit_code"], row["pid"]) == ("dead", 7, None)
    async with httpx.AsyncClient() as stranger:
        answer = await stranger.get(f"http://127.0.0.1:{container.port}/ipybox/v1/status")
        assert answer.status_code == 401


async def _row(http: httpx.AsyncClient, client: ExecutionClient) -> dict[str, Any]:
    status = (await http.get("/ipybox/v1/status")).json()
    rows: list[dict[str, Any]] = status["kernels"]
    return next(row for row in rows if row["id"] == client.kernel_id)


@pytest.mark.parametrize("own", ["9.9.9; 2", "1.0;"])
async def test_versions_that_do_not_fit(
    container: ExecutionContainer, monkeypatch: pytest.MonkeyPatch, own: str
) -> None:
    """The runtime refuses a host of another protocol, and the host says so."""
    monkeypatch.setattr(client_gateway, "OWN", own)
    with pytest.raises(VersionMismatchError, match=rf"{versions.VERSION}.*'0\.\d\.0'"):
        await ExecutionClient(container.port).connect()


async def test_a_runtime_of_another_protocol() -> None:
    with pytest.raises(VersionMismatchError, match=r"runs '7\.0' \(protocol '8'\)"):
        versions.check_version("localhost:1", 200, "7.0; 8")
    versions.check_version("localhost:1", 200, None)  # a stock gateway


async def test_a_plain_jupyter_client(container: ExecutionContainer) -> None:
    """Without our subprotocol: JSON frames, as Jupyter Server documents them."""
    token = {"Authorization": f"token {container.endpoint.token}"}
    address = f"127.0.0.1:{container.port}"
    async with httpx.AsyncClient(base_url=f"http://{address}", headers=token) as http:
        kernel = (await http.post("/api/kernels", json={"name": "python3"})).json()["id"]
        async with websockets.connect(
            f"ws://{address}/api/kernels/{kernel}/channels?session_id=plain",
            additional_headers=token,
            proxy=None,
        ) as socket:
            content = {"code": "print(6 * 7)", "silent": False, "allow_stdin": False}
            header = {"msg_id": "m1", "msg_type": "execute_request", "session": "plain",
                      "username": "", "version": "5.4", "date": ""}  # fmt: skip
            message = {"channel": "shell", "header": header, "parent_header": {}, "metadata": {},
                       "content": content}  # fmt: skip
            await socket.send(json.dumps(message))
            seen = []
            while "execute_reply" not in seen or "stream" not in seen:
                frame = json.loads(await asyncio.wait_for(socket.recv(), 10))
                assert frame["parent_header"].get("msg_id") in ("m1", None)
                seen.append(frame["msg_type"])
                if frame["msg_type"] == "stream":
                    assert frame["content"] == {"name": "stdout", "text": "42\n"}
        assert (await http.delete(f"/api/kernels/{kernel}")).status_code == 204


async def test_frames_that_are_none(container: ExecutionContainer) -> None:
    """Noise is logged, and the kernel answers all the same."""
    async with ExecutionClient(container.port) as client:
        connection = client._connected().channel._connection
        for noise in (
            b"",
            b"\x00" * 7,
            b"\xff" * 100,
            b"\x06" + b"\0" * 7 + b"\xff" * 60,
            "{",
            "[]",
        ):
            await connection.send(noise)
        channel = client._connected().channel
        channel._sent += 4  # they were counted at the other end
        assert (await client.execute("1")).text == "1"
