"""Access to the gateway: tokens, hosts, origins, and Jupyter clients other than ours."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
import websockets

from ipybox.gateway.versions import PROTOCOL
from ipybox.testing.conformance.base import SOON_SECONDS
from ipybox.testing.conformance.checks import check
from ipybox.testing.conformance.session.base import SessionChecks


class AccessChecks(SessionChecks):
    """Which requests the gateway accepts, and what it reports."""

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
    @check()
    async def test_foreign_hosts_and_origins_are_refused(
        self, headers: dict[str, str], status: int
    ) -> None:
        """A web page whose host name resolves to this machine is refused, even with the token."""
        async with self.http() as http:
            for path in ("/api/kernels", "/ipybox/v1/status"):
                answer = await http.get(path, headers=headers)
                assert answer.status_code == status, answer.text
                allowed = [
                    value for name, value in answer.headers.items() if name.startswith("access-")
                ]
                assert set(allowed) <= {"", headers.get("Origin")}, (
                    "the gateway allows another origin"
                )

    @check()
    async def test_websockets_of_foreign_origins_are_refused(self) -> None:
        async with self.client() as client:
            endpoint = self.container.endpoint
            address = f"{endpoint.host}:{endpoint.port}"
            url = f"ws://{address}/api/kernels/{client.kernel_id}/channels"
            token = {"Authorization": f"token {endpoint.token}"}
            for headers in ({**token, "Origin": "http://attacker.example"}, {}):
                with pytest.raises(websockets.InvalidStatus) as caught:
                    await websockets.connect(url, additional_headers=headers, proxy=None)
                assert caught.value.response.status_code in (401, 403)

    @check()
    async def test_further_host_names_can_be_allowed(self) -> None:
        async with self.running(env={"IPYBOX_HOSTS": "box.example"}) as running:
            async with self.http(running) as http:
                for host, status in (("box.example:80", 200), ("other.example", 403)):
                    answer = await http.get("/api/kernels", headers={"Host": host})
                    assert answer.status_code == status

    @check()
    async def test_status_describes_each_kernel(self) -> None:
        async with self.client() as client, self.http() as http:

            async def row() -> dict[str, Any]:
                rows = (await http.get("/ipybox/v1/status")).json()["kernels"]
                return next(row for row in rows if row["id"] == client.kernel_id)

            pid = int((await client.execute("import os; print(os.getpid())")).text or 0)
            running = await self.begun(client, "print('on'); import time; time.sleep(60)")

            async def busy() -> bool:
                return bool((await row())["state"] == "busy")

            await self.until(busy, "the status says busy")
            found = await row()
            assert found["pid"] == pid
            assert 10_000_000 < found["memory"] < 500_000_000
            assert found["last_activity"].startswith("20")
            await client.interrupt()
            await running.wait()

            async def idle() -> bool:
                return bool((await row())["state"] == "idle")

            await self.until(idle, "the status says idle")
            assert (await client.status()).protocol == PROTOCOL
            await asyncio.gather(client.execute("import os; os._exit(7)"), return_exceptions=True)
            found = await row()
            assert (found["state"], found["exit_code"], found["pid"]) == ("dead", 7, None)

    @check()
    async def test_status_requires_the_token(self) -> None:
        endpoint = self.container.endpoint
        async with httpx.AsyncClient(trust_env=False, timeout=SOON_SECONDS) as stranger:
            address = f"http://{endpoint.host}:{endpoint.port}"
            for path in ("/ipybox/v1/status", "/api/kernels"):
                assert (await stranger.get(f"{address}{path}")).status_code == 401

    @check()
    async def test_a_plain_jupyter_client_can_execute(self) -> None:
        """Without a subprotocol the gateway sends JSON frames, as Jupyter Server documents."""
        endpoint = self.container.endpoint
        async with self.http() as http:
            kernel = (await http.post("/api/kernels", json={"name": "python3"})).json()["id"]
            async with websockets.connect(
                f"ws://{endpoint.host}:{endpoint.port}/api/kernels/{kernel}/channels"
                "?session_id=plain",
                additional_headers={"Authorization": f"token {endpoint.token}"},
                proxy=None,
            ) as socket:
                content = {"code": "print(6 * 7)", "silent": False, "allow_stdin": False}
                header = {"msg_id": "m1", "msg_type": "execute_request", "session": "plain",
                          "username": "", "version": "5.4", "date": ""}  # fmt: skip
                message = {"channel": "shell", "header": header, "parent_header": {},
                           "metadata": {}, "content": content}  # fmt: skip
                await socket.send(json.dumps(message))
                seen = []
                while "execute_reply" not in seen or "stream" not in seen:
                    frame = json.loads(await asyncio.wait_for(socket.recv(), 10))
                    assert frame["parent_header"].get("msg_id") in ("m1", None)
                    seen.append(frame["msg_type"])
                    if frame["msg_type"] == "stream":
                        assert frame["content"] == {"name": "stdout", "text": "42\n"}
            assert (await http.delete(f"/api/kernels/{kernel}")).status_code == 204
