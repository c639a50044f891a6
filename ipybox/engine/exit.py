"""How a container ends, also one whose engine is away for a while."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from ipybox.engine.base import Engine, Ref
from ipybox.engine.inspection import exit_status
from ipybox.engine.output import Attachment
from ipybox.errors import (
    BackendError,
    ContainerNotFoundError,
    EngineGoneError,
    EngineTimeoutError,
)
from ipybox.runtime.ports import LOOPBACK
from ipybox.spec.container import Endpoint
from ipybox.spec.status import ExitStatus

SETTLE_SECONDS = 1.0
AGAIN_SECONDS = 0.25
CLOSING_SECONDS = 0.01
UNREACHABLE = 3
"""So many times in a row neither the engine nor the gateway answered: it is gone."""


async def wait_for_end(
    engine: Engine,
    ref: Ref,
    attachment: Attachment | None,
    endpoint: Callable[[], Endpoint | None],
) -> ExitStatus:
    """Returns when the container has ended, also with its engine, or has been removed."""
    waiting = asyncio.ensure_future(engine.ending(ref, attachment.ended if attachment else None))
    output = asyncio.ensure_future(attachment.ended.wait()) if attachment else None
    try:
        while True:
            ends: set[asyncio.Future[object]] = {*filter(None, (waiting, output))}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                # The engine tells before long; unless it was asked too late.
                await asyncio.wait([waiting], timeout=SETTLE_SECONDS)
            with suppress(EngineGoneError, EngineTimeoutError):
                status = waiting.result() if waiting.done() else await _ended(engine, ref)
                if status is not None:
                    return await _with_reason(status, attachment)
            if not await _lives_without_engine(engine, ref, endpoint):
                return ExitStatus(code=None, reason="its engine has stopped, and it with it")
            waiting.cancel()
            waiting = asyncio.ensure_future(engine.ending(ref, None))
            output = None
    except ContainerNotFoundError:
        return ExitStatus(code=None, reason="it was removed")
    finally:
        for task in filter(None, (waiting, output)):
            task.cancel()
            with suppress(BackendError, asyncio.CancelledError):
                await task


async def _with_reason(status: ExitStatus, attachment: Attachment | None) -> ExitStatus:
    """Not each engine notices that it was for want of memory; the runtime does."""
    if status.code != -signal.SIGKILL or status.out_of_memory or attachment is None:
        return status
    told = await attachment.told("out_of_memory", SETTLE_SECONDS)
    return exit_status(status.code, out_of_memory=told)


async def _ended(engine: Engine, ref: Ref) -> ExitStatus | None:
    """How it has ended; None while it runs."""
    found = await engine.inspect(ref.id)
    if not found.ended:
        return None
    return exit_status(found.exit_code, out_of_memory=found.out_of_memory)


async def _lives_without_engine(
    engine: Engine, ref: Ref, endpoint: Callable[[], Endpoint | None]
) -> bool:
    """While the engine is away: True when it is back and runs the container still, False
    when the container does not answer either. Raises ContainerNotFoundError."""
    silent = 0
    while silent < UNREACHABLE:
        await asyncio.sleep(AGAIN_SECONDS)
        with suppress(EngineGoneError, EngineTimeoutError):
            return await _ended(engine, ref) is None
        found = endpoint()
        silent = 0 if found and await _answers(found.host, found.port) else silent + 1
    return False


async def until_closed(ports: Sequence[int]) -> None:
    """Who forwards a port of this host may be a process of its own, which ends a moment after
    the container; until then nobody else can have the port."""
    deadline = time.monotonic() + SETTLE_SECONDS
    for port in ports:
        while await _answers(LOOPBACK, port):
            if time.monotonic() > deadline:
                return
            await asyncio.sleep(CLOSING_SECONDS)


async def _answers(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(2):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
