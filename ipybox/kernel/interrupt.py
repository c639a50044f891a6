"""Stops an execution that does not end by itself."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Literal

from ipybox._async import shielded
from ipybox.errors import ConnectionLostError, ContainerLostError, TransportError
from ipybox.gateway.started import find_container
from ipybox.kernel.errors import container_lost
from ipybox.kernel.session import KernelSession, Runnable
from ipybox.kernel.timeouts import Graces

INTERRUPTS = 2
"""One may fall between two steps of the kernel, or be caught by the code."""
MIN_SILENCE_SECONDS = 2.0
"""However short the grace: a gateway that is busy is not one that is silent."""

Stopped = Literal["preserved", "lost", "stuck"]


async def find_lost(host: str, port: int, seconds: float) -> ContainerLostError | None:
    """The error for a container of this process that has ended; waits a little for that
    to show."""
    container = find_container(host, port)
    status = await container.status_within(seconds) if container else None
    return container_lost(status) if status else None


async def stop(session: KernelSession, execution: Runnable, graces: Graces) -> Stopped:
    """Interrupts what runs, and asks the kernel whether it is well.

    "preserved": it is. "stuck": it needs to be replaced. "lost": the kernel is gone, or
    the gateway does not answer; in the latter case the session is closed.
    """
    async with session.interrupting:  # until it is known how the kernel is
        return await _stop(session, execution, graces)


async def _stop(session: KernelSession, execution: Runnable, graces: Graces) -> Stopped:
    for _ in range(INTERRUPTS):
        try:
            async with asyncio.timeout(max(graces.interrupt, MIN_SILENCE_SECONDS)):
                await session.interrupt_only(execution)
        except (TimeoutError, TransportError) as error:
            # Who does not take an interrupt will not start a new kernel either.
            silent = ConnectionLostError(
                f"The gateway at {session.address} does not answer: "
                f"{type(error).__name__} {error}".rstrip()
            )
            await shielded(session.aclose(silent, delete=False))
            return "lost"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(graces.interrupt / INTERRUPTS):
                await execution.wait()
            # A connection that broke meanwhile has ended the wait too.
            if session.connected and await session.verify(graces.probe):
                return "preserved"
            break
    return "stuck" if session.connected else "lost"
