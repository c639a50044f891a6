"""What is measured: three ways to run code in an IPython kernel.

Each is a real one: ipybox on its local backend; the stock kernel gateway with its
stock kernel, spoken to by ipybox's client; a stock kernel over ZMQ, without a gateway.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

from jupyter_client.manager import AsyncKernelManager

from ipybox import ExecutionClient, ExecutionContainer, OutputLimits

LIMITS = OutputLimits(text=256 * 1024 * 1024)


class Contender(Protocol):
    """Runs code and returns what it printed."""

    async def run(self, code: str) -> str: ...


class ClientContender:
    def __init__(self, client: ExecutionClient) -> None:
        self._client = client

    async def run(self, code: str) -> str:
        return (await self._client.execute(code, timeout=600)).stdout


class ZmqContender:
    """Sends the request and reads both channels until reply and idle: no more can be left out."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def run(self, code: str) -> str:
        msg_id = self._client.execute(code, store_history=True, allow_stdin=False)
        text: list[str] = []

        async def reply() -> None:
            while (await self._client.get_shell_msg())["parent_header"].get("msg_id") != msg_id:
                pass

        async def output() -> None:
            while True:
                message = await self._client.get_iopub_msg()
                if message["parent_header"].get("msg_id") != msg_id:
                    continue
                if message["msg_type"] == "stream":
                    text.append(message["content"]["text"])
                elif message["content"].get("execution_state") == "idle":
                    return

        await asyncio.gather(reply(), output())
        return "".join(text)


@asynccontextmanager
async def ipybox_local() -> AsyncIterator[Contender]:
    async with ExecutionContainer(backend="local") as container:
        async with ExecutionClient(container.port, limits=LIMITS) as client:
            yield ClientContender(client)


@asynccontextmanager
async def stock_gateway() -> AsyncIterator[Contender]:
    token = secrets.token_urlsafe(32)
    async with stock_gateway_process(token) as port:
        async with ExecutionClient(port, "127.0.0.1", token=token, limits=LIMITS) as client:
            yield ClientContender(client)


@asynccontextmanager
async def stock_gateway_process(token: str) -> AsyncIterator[int]:
    """The stock gateway, as its own command starts it; yields its port when it answers."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "kernel_gateway", "--ip=127.0.0.1", f"--port={port}",
        env={**os.environ, "KG_AUTH_TOKEN": token},
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await until_it_answers(port)
        yield port
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def raw_zmq() -> AsyncIterator[Contender]:
    manager = AsyncKernelManager()
    await manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=60)
        yield ZmqContender(client)
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)


async def until_it_answers(port: int) -> None:
    """Returns once the gateway answers HTTP; asks every few milliseconds."""
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.002)
            continue
        writer.write(b"GET /api HTTP/1.0\r\n\r\n")
        answer = await reader.readline()
        writer.close()
        if answer.startswith(b"HTTP/1.1"):
            return


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
