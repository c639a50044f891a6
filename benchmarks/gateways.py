"""The two gateways, started as processes of their own, and the moments when they are up."""

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

POLL_SECONDS = 0.002
START_SECONDS = 120.0
STOP_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class RuntimeGateway:
    """Ours, without a backend around it."""

    port: int
    token: str

    async def until_it_forks(self) -> None:
        """Returns once its fork server takes orders. The gateway must answer already."""
        headers = {"Authorization": f"token {self.token}"}
        url = f"http://127.0.0.1:{self.port}/ipybox/v1/status"
        async with (
            asyncio.timeout(START_SECONDS),
            httpx.AsyncClient(headers=headers, trust_env=False) as http,
        ):
            while not (await http.get(url)).json()["fork_server_ready"]:
                await asyncio.sleep(POLL_SECONDS)


@asynccontextmanager
async def runtime_gateway() -> AsyncIterator[RuntimeGateway]:
    """The runtime, as a backend starts it; yields when it answers."""
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
            await until_it_answers(port)
            yield RuntimeGateway(port=port, token=token)
        finally:
            process.stdin.close()
            await process.wait()


@asynccontextmanager
async def stock_gateway(token: str) -> AsyncIterator[int]:
    """The stock gateway, as its own command starts it; yields its port when it answers."""
    port = _free_port()
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
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:  # a SIGTERM that comes just as it has come up is lost to it
            process.kill()
            await process.wait()


async def until_it_answers(port: int) -> None:
    """Returns once the gateway answers HTTP; asks every few milliseconds. TimeoutError where it
    does not within START_SECONDS."""
    async with asyncio.timeout(START_SECONDS):
        await _until_it_answers(port)


async def _until_it_answers(port: int) -> None:
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(POLL_SECONDS)
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
