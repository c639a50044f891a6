"""The three contenders: ways to run code in an IPython kernel.

Each one is in real use: ipybox on its local backend; the stock kernel gateway with its stock
kernel, driven by ipybox's client; a stock kernel over ZMQ, without a gateway.
"""

from __future__ import annotations

import asyncio
import functools
import secrets
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

from jupyter_client.manager import AsyncKernelManager

from benchmarks.gateways import stock_gateway
from ipybox import ExecutionClient, ExecutionContainer, OutputLimits

IPYBOX = "ipybox"
STOCK = "stock gateway"
RAW = "raw ZMQ"

EXECUTION_TIMEOUT = 600.0  # seconds
LIMITS = OutputLimits(text=256 * 1024 * 1024)


class Kernel(Protocol):
    """A kernel that runs code and returns its stdout."""

    async def run(self, code: str) -> str: ...


KernelOpener = Callable[[], AbstractAsyncContextManager[Kernel]]
"""Starts a new kernel, and shuts it down when the context exits."""


class ClientKernel:
    """A kernel behind a gateway, driven by ipybox's client."""

    def __init__(self, client: ExecutionClient) -> None:
        self.client = client

    async def run(self, code: str) -> str:
        return (await self.client.execute(code, timeout=EXECUTION_TIMEOUT)).stdout


class ZmqKernel:
    """A kernel driven over ZMQ.

    Sends the request and reads both channels until the reply and the idle status: a client can
    do no less.
    """

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

        async with asyncio.timeout(EXECUTION_TIMEOUT):  # ZMQ may drop the message that is awaited
            await asyncio.gather(reply(), output())
        return "".join(text)


@asynccontextmanager
async def client_kernel(port: int, token: str | None = None) -> AsyncIterator[ClientKernel]:
    async with ExecutionClient(port, token=token, limits=LIMITS) as client:
        yield ClientKernel(client)


@asynccontextmanager
async def zmq_kernel() -> AsyncIterator[Kernel]:
    manager = AsyncKernelManager()
    await manager.start_kernel(stderr=subprocess.DEVNULL)  # the kernel warns about an open TCP port
    client = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=60)
        yield ZmqKernel(client)
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)


@asynccontextmanager
async def contenders() -> AsyncIterator[dict[str, KernelOpener]]:
    """Yield all three contenders, warmed up: each has started and shut down one kernel."""
    token = secrets.token_urlsafe(32)
    async with ExecutionContainer(backend="local") as container, stock_gateway(token) as port:
        openers: dict[str, KernelOpener] = {
            IPYBOX: functools.partial(client_kernel, container.port),
            STOCK: functools.partial(client_kernel, port, token),
            RAW: zmq_kernel,
        }
        for opener in openers.values():
            async with opener() as kernel:
                await kernel.run("1+1")
        yield openers
