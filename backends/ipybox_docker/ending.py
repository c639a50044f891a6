"""How a container ends, and how it is removed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ipybox import BackendError, ContainerNotFoundError, Endpoint, EngineTimeoutError, ExitStatus
from ipybox.authoring import EXIT_LEASE
from ipybox_docker.errors import EngineGoneError, engine_call

if TYPE_CHECKING:
    from ipybox_docker.attachment import Attachment
    from ipybox_docker.connection import Connection

MAX_SIGNAL = 64
SETTLE_SECONDS = 1.0
AGAIN_SECONDS = 0.25
REMOVE_SECONDS = 30.0
UNREACHABLE = 3
"""So many times in a row neither the engine nor the gateway answered: it is gone."""


async def wait_for_end(
    connection: Connection,
    container: Any,
    attachment: Attachment | None,
    endpoint: Callable[[], Endpoint | None],
) -> ExitStatus:
    """Returns when the container has ended, also with its engine, or has been removed."""
    started = time.time()
    waiting = asyncio.ensure_future(_exit_code(container))
    output = asyncio.ensure_future(attachment.ended.wait()) if attachment else None
    try:
        while True:
            ends: set[asyncio.Future[Any]] = {waiting} if output is None else {waiting, output}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                # The engine tells before long; unless it was asked too late.
                await asyncio.wait([waiting], timeout=SETTLE_SECONDS)
            with suppress(EngineGoneError, EngineTimeoutError):
                if waiting.done():
                    code = waiting.result()
                    oom = code == 128 + 9 and await _ran_out_of_memory(
                        connection, container.id, started
                    )
                    return _status(code, oom)
                if (status := await _inspect(container)) is not None:
                    return status
            if not await _lives_without_engine(container, endpoint):
                return ExitStatus(code=None, reason="its engine has stopped, and it with it")
            waiting.cancel()
            waiting = asyncio.ensure_future(_exit_code(container))
            output = None
    except ContainerNotFoundError:
        return ExitStatus(code=None, reason="it was removed")
    finally:
        for task in filter(None, (waiting, output)):
            task.cancel()
            with suppress(BackendError, asyncio.CancelledError):
                await task


async def remove(container: Any, name: str) -> None:
    """Ends a container and removes it, its volumes too. One that has gone is fine."""
    deadline = time.monotonic() + REMOVE_SECONDS
    while True:
        try:
            async with engine_call(f"remove the container {name}", REMOVE_SECONDS):
                await container.delete(force=True, v=True)
        except (ContainerNotFoundError, EngineGoneError):
            return  # an engine that is gone has taken it along, or the next sweep finds it
        except EngineTimeoutError:
            raise
        except BackendError as error:
            # It ends by itself just now, and the engine is at it.
            if "already in progress" not in str(error) or time.monotonic() > deadline:
                raise
            await asyncio.sleep(AGAIN_SECONDS / 10)
        else:
            return


async def _exit_code(container: Any) -> int:
    async with engine_call("wait for a container", None):
        result = await container.wait(condition="next-exit")
    return int(result["StatusCode"])


async def _inspect(container: Any) -> ExitStatus | None:
    """How it has ended; None while it runs."""
    async with engine_call("inspect a container", 5):
        found = await container.show()
    state = found["State"]
    if state["Running"] or state["Status"] in ("created", "removing"):
        return None
    return _status(int(state["ExitCode"]), bool(state["OOMKilled"]))


def _status(code: int, out_of_memory: bool) -> ExitStatus:
    if code == EXIT_LEASE:
        return ExitStatus(code=code, reason="its lease was not renewed")
    if 128 < code <= 128 + MAX_SIGNAL:
        code = 128 - code
    reason = "out of memory" if out_of_memory else "ended" if code == 0 else "failed"
    return ExitStatus(code=code, out_of_memory=out_of_memory, reason=reason)


async def _ran_out_of_memory(connection: Connection, container_id: str, since: float) -> bool:
    """The engine tells that with an event alone, where it has removed the container."""
    params = {
        "since": f"{since:.6f}",
        "until": f"{time.time():.6f}",
        "filters": f'{{"container": ["{container_id}"], "event": ["oom"]}}',
    }
    async with engine_call("tell why a container ended", 5):
        async with connection.docker._query("events", params=params) as response:
            return bool((await response.text()).strip())


async def _lives_without_engine(container: Any, endpoint: Callable[[], Endpoint | None]) -> bool:
    """While the engine is away: True when it is back and runs the container still, False
    when the container does not answer either. Raises ContainerNotFoundError."""
    silent = 0
    while silent < UNREACHABLE:
        await asyncio.sleep(AGAIN_SECONDS)
        with suppress(EngineGoneError, EngineTimeoutError):
            return await _inspect(container) is None
        silent = 0 if await _answers(endpoint()) else silent + 1
    return False


async def _answers(endpoint: Endpoint | None) -> bool:
    if endpoint is None:
        return False
    try:
        async with asyncio.timeout(2):
            _, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
