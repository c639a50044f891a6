"""How a container exits, even if its engine is away for a while."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Collection
from contextlib import suppress

from ipybox._async import poll
from ipybox.engine.base import Engine
from ipybox.engine.inspection import Ref, exit_status
from ipybox.engine.output import ContainerOutput
from ipybox.errors import (
    BackendError,
    ContainerNotFoundError,
    EngineGoneError,
    EngineTimeoutError,
)
from ipybox.runtime.ports import LOOPBACK
from ipybox.spec.container import Endpoint
from ipybox.spec.status import ExitStatus

SETTLE_TIMEOUT = 1.0
"""Seconds in which engine, output and ports all come to show that a container has exited."""
RETRY_INTERVAL = 0.25
"""Seconds between two attempts to reach an engine that is away."""
PORT_POLL_INTERVAL = 0.01
GATEWAY_CONNECT_TIMEOUT = 2.0
UNREACHABLE_AFTER = 3
"""A container is lost once neither engine nor gateway has answered so many times in a row."""


async def follow_to_exit(
    engine: Engine,
    ref: Ref,
    output: ContainerOutput | None,
    endpoint: Callable[[], Endpoint | None],
) -> ExitStatus:
    """Wait until a container has exited, by itself or with its engine, or has been removed.

    Args:
        engine: The engine.
        ref: The container.
        output: What the container prints; None if nothing reads it.
        endpoint: Returns where the gateway answers, None while that is unknown.
    """
    waiting = asyncio.ensure_future(engine.wait_for_exit(ref, output.ended if output else None))
    output_ended = asyncio.ensure_future(output.ended.wait()) if output else None
    try:
        while True:
            signs: set[asyncio.Future[object]] = {*filter(None, (waiting, output_ended))}
            await asyncio.wait(signs, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                # The engine reports the exit soon after the output's end, unless the container
                # had exited before the engine was asked.
                await asyncio.wait([waiting], timeout=SETTLE_TIMEOUT)
            with suppress(EngineGoneError, EngineTimeoutError):
                status = waiting.result() if waiting.done() else await _status(engine, ref)
                if status is not None:
                    return await _with_reason(status, output)
            if not await _outlives_engine(engine, ref, endpoint):
                return ExitStatus(code=None, reason="its engine has stopped, and it with it")
            waiting.cancel()
            waiting = asyncio.ensure_future(engine.wait_for_exit(ref, None))
            output_ended = None
    except ContainerNotFoundError:
        return ExitStatus(code=None, reason="it was removed")
    finally:
        for task in filter(None, (waiting, output_ended)):
            task.cancel()
            with suppress(BackendError, asyncio.CancelledError):
                await task


async def _with_reason(status: ExitStatus, output: ContainerOutput | None) -> ExitStatus:
    """Add what the runtime reports: not every engine notices that memory ran out."""
    if status.code != -signal.SIGKILL or status.out_of_memory or output is None:
        return status
    out_of_memory = await output.reported("out_of_memory", SETTLE_TIMEOUT)
    return exit_status(status.code, out_of_memory=out_of_memory)


async def _status(engine: Engine, ref: Ref) -> ExitStatus | None:
    """Return the exit status of a container, or None while it runs."""
    found = await engine.inspect(ref.id)
    if not found.ended:
        return None
    return exit_status(found.exit_code, out_of_memory=found.out_of_memory)


async def _outlives_engine(
    engine: Engine, ref: Ref, endpoint: Callable[[], Endpoint | None]
) -> bool:
    """Wait while the engine is away and the container's gateway still answers.

    Returns:
        True once the engine is back and still runs the container; False once neither answers.

    Raises:
        ContainerNotFoundError: If the engine is back without the container.
    """
    silent = 0
    while silent < UNREACHABLE_AFTER:
        await asyncio.sleep(RETRY_INTERVAL)
        with suppress(EngineGoneError, EngineTimeoutError):
            return await _status(engine, ref) is None
        found = endpoint()
        silent = 0 if found and await _answers(found.host, found.port) else silent + 1
    return False


async def wait_for_ports_to_close(ports: Collection[int]) -> None:
    """Wait, for at most SETTLE_TIMEOUT, until nothing listens on TCP ports of loopback.

    A process that forwards a port of the host ends a moment after its container; until then no
    other container can have the port.
    """

    async def closed() -> bool:
        return not any([await _answers(LOOPBACK, port) for port in ports])

    await poll(closed, every=PORT_POLL_INTERVAL, within=SETTLE_TIMEOUT)


async def _answers(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(GATEWAY_CONNECT_TIMEOUT):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
