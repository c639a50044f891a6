"""The two gateways, each started as its own process, and waits until they are ready."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

# Seconds.
POLL_INTERVAL = 0.002
START_TIMEOUT = 120.0
STOP_TIMEOUT = 5.0


@dataclass(frozen=True, kw_only=True)
class RuntimeGateway:
    """A running gateway of ipybox's runtime, without a backend.

    Attributes:
        port: Port on 127.0.0.1.
        token: Token that the gateway requires.
    """

    port: int
    token: str

    async def wait_for_fork_server(self) -> None:
        """Wait until the fork server accepts requests. The gateway must already be answering."""
        headers = {"Authorization": f"token {self.token}"}
        url = f"http://127.0.0.1:{self.port}/ipybox/v1/status"
        async with (
            asyncio.timeout(START_TIMEOUT),
            httpx.AsyncClient(headers=headers, trust_env=False) as http,
        ):
            while not (await http.get(url)).json()["fork_server_ready"]:
                await asyncio.sleep(POLL_INTERVAL)


@asynccontextmanager
async def runtime_gateway() -> AsyncIterator[RuntimeGateway]:
    """Start the runtime as a backend does, and yield its gateway once it answers."""
    token = secrets.token_urlsafe(32)
    with tempfile.TemporaryDirectory(prefix="b-") as folder:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "ipybox_runtime", env={**os.environ, "TMPDIR": folder},
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(json.dumps({"token": token}).encode() + b"\n")
            port = json.loads(await process.stdout.readline())["port"]
            await wait_until_answering(port)
            yield RuntimeGateway(port=port, token=token)
        finally:
            process.stdin.close()
            await process.wait()


@asynccontextmanager
async def stock_gateway(token: str) -> AsyncIterator[int]:
    """Start the stock gateway as its own command does, and yield its port once it answers."""
    port = _free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "kernel_gateway", "--ip=127.0.0.1", f"--port={port}",
        env={**os.environ, "KG_AUTH_TOKEN": token},
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await wait_until_answering(port)
        yield port
    finally:
        process.terminate()
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                await process.wait()
        except TimeoutError:  # the gateway loses a SIGTERM that arrives just after its start
            process.kill()
            await process.wait()


async def wait_until_answering(port: int) -> None:
    """Wait until the gateway answers HTTP, polling every POLL_INTERVAL.

    Raises:
        TimeoutError: The gateway did not answer within START_TIMEOUT.
    """
    async with asyncio.timeout(START_TIMEOUT):
        await _poll_until_answering(port)


async def _poll_until_answering(port: int) -> None:
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(POLL_INTERVAL)
            continue
        writer.write(b"GET /api HTTP/1.0\r\n\r\n")
        answer = await reader.readline()
        writer.close()
        if answer.startswith(b"HTTP/1.1"):
            return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
