"""A kernel of one's own: started, connected, fed with one execution after the other."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import logging
from collections.abc import Callable
from typing import Any, Protocol

from ipybox.errors import IpyboxError, NotConnectedError, TransportError
from ipybox.events import Event
from ipybox.kernel.channel import KernelChannel, Sink
from ipybox.kernel.gateway import Gateway
from ipybox.kernel.requests import probe
from ipybox.lifetimes import shielded

Tell = Callable[[Event], None]

BEGIN_SECONDS = 2.0
UNDO_SECONDS = 5.0
"""How long a cancelled start waits for the gateway's answer, to delete the kernel."""

log = logging.getLogger(__name__)


class Runnable(Sink, Protocol):
    """What the queue runs: an execution."""

    code: str

    @property
    def done(self) -> bool: ...

    @property
    def failure(self) -> IpyboxError | None: ...

    async def wait(self) -> None: ...

    async def wait_begun(self) -> None: ...


class KernelSession:
    """From a kernel's start to its end.

    Executions wait here, not in the kernel, so that one that is given up before
    its turn never runs, and an interrupt meets the one that it is meant for.
    """

    def __init__(self, gateway: Gateway, kernel_id: str, tell: Tell) -> None:
        self.kernel_id = kernel_id
        self._gateway = gateway
        self._tell = tell
        self._deleted = False
        self._channel: KernelChannel | None = None
        self._queue: asyncio.Queue[Runnable] = asyncio.Queue()
        self._running: Runnable | None = None
        self._interrupting = asyncio.Lock()
        self._worker: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls, gateway: Gateway, *, heartbeat_interval: float, tell: Tell
    ) -> KernelSession:
        """Starts a kernel and returns when it answers. Leaves none behind when it fails."""
        starting = asyncio.ensure_future(gateway.start_kernel())
        try:
            # Not cancelled on its way: its kernel would run on, known to nobody.
            session = cls(gateway, await asyncio.shield(starting), tell)
        except asyncio.CancelledError:
            await shielded(_undo_start(gateway, starting))
            raise
        try:
            session._channel = await KernelChannel.open(
                gateway,
                session.kernel_id,
                heartbeat_interval=heartbeat_interval,
                on_death=session._ended,
            )
            await probe(session._channel)
        except BaseException:
            await shielded(session.aclose())
            raise
        session._worker = asyncio.create_task(session._work(), name="ipybox executions")
        return session

    @property
    def channel(self) -> KernelChannel:
        """The open channel. Raises what ended it."""
        if self._channel is None:
            raise NotConnectedError("The kernel is not connected.")
        if self._channel.ended is not None:
            raise copy.copy(self._channel.ended)
        return self._channel

    @property
    def connected(self) -> bool:
        return self._channel is not None and self._channel.ended is None

    def submit(self, execution: Runnable) -> None:
        """Puts it behind those that wait. Raises what ended the channel, if it has ended."""
        _ = self.channel
        self._queue.put_nowait(execution)

    def is_running(self, execution: Runnable) -> bool:
        return self._running is execution

    async def interrupt(self, only: Runnable | None = None) -> None:
        """Interrupts what runs; with ``only``, nothing but that."""
        async with self._interrupting:  # the next execution is not started meanwhile
            running = self._running
            if only is not None and (running is not only or only.done):
                return
            if running is not None:
                # A kernel that has not begun yet ignores an interrupt.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(BEGIN_SECONDS):
                        await running.wait_begun()
            await self._gateway.interrupt_kernel(self.kernel_id)

    async def aclose(self, reason: IpyboxError | None = None, *, delete: bool = True) -> None:
        """Ends the connection and the kernel; what runs or waits fails with ``reason``.

        Raises nothing for a gateway that has gone. Without ``delete`` the gateway is
        not asked to end the kernel.
        """
        reason = reason or NotConnectedError("The client was disconnected.")
        running = self._running
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.wait([self._worker])
        if running is not None:
            running.fail(reason)
        if self._channel is not None:
            await self._channel.aclose(reason)
        self._ended(reason)
        if not delete or self._deleted:
            return
        self._deleted = True
        try:
            await self._gateway.delete_kernel(self.kernel_id)
        except TransportError as error:
            log.debug("kernel %s was not deleted: %s", self.kernel_id, error)

    def _ended(self, error: IpyboxError) -> None:
        """Nothing runs here any more: neither what runs nor what waits."""
        if self._running is not None:
            self._running.fail(error)
        while not self._queue.empty():
            self._queue.get_nowait().fail(error)

    async def _work(self) -> None:
        while True:
            execution = await self._queue.get()
            if execution.done:  # given up while it waited
                continue
            self._running = execution
            try:
                await self._run(execution)
            except IpyboxError as error:
                execution.fail(error)
            finally:
                self._running = None

    async def _run(self, execution: Runnable) -> None:
        self._tell(Event(name="execution.started", subject=self.kernel_id))
        msg_id = await self.channel.request(
            "shell", "execute_request", _execute_request(execution.code), execution
        )
        try:
            await execution.wait()
            async with self._interrupting:
                pass  # an interrupt that is on its way belongs to this execution
        finally:
            if self._channel is not None:
                self._channel.release(msg_id)
            error = type(execution.failure).__name__ if execution.failure else None
            ended = Event(name="execution.ended", subject=self.kernel_id, data={"error": error})
            self._tell(ended)


async def _undo_start(gateway: Gateway, starting: asyncio.Future[str]) -> None:
    """Deletes the kernel that a start may still bring."""
    await asyncio.wait([starting], timeout=UNDO_SECONDS)
    if not starting.done():
        starting.cancel()
        await asyncio.wait([starting])
        return
    try:
        await gateway.delete_kernel(starting.result())
    except TransportError as error:
        log.debug("no kernel to delete: %s", error)


def _execute_request(code: str) -> dict[str, Any]:
    return {
        "code": code,
        "silent": False,
        "store_history": True,
        "user_expressions": {},
        "allow_stdin": False,
        "stop_on_error": False,
    }
