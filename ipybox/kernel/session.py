"""A session with one kernel: it is started, connected, and runs one execution after the other."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Any, Literal

from ipybox._async import shielded
from ipybox.errors import (
    ConnectionLostError,
    ExecutionFailedError,
    InputFailedError,
    IpyboxError,
    NotConnectedError,
    TransportError,
)
from ipybox.events import Event
from ipybox.gateway.rest import Gateway
from ipybox.gateway.started import StartedContainer
from ipybox.kernel.channel import KernelChannel
from ipybox.kernel.execution import Execution
from ipybox.kernel.frames import ConnectOptions
from ipybox.kernel.requests import probe, run_startup
from ipybox.kernel.stdin import InputResponder
from ipybox.kernel.timeouts import Timeouts

StopOutcome = Literal["preserved", "stuck", "lost"]

BEGIN_TIMEOUT = 1.0
"""Seconds to wait for code to begin before it is interrupted."""
USER_BEGIN_TIMEOUT = 10.0
"""The same for an interrupt that the user asked for, which is sent only once."""
INTERRUPTS = 2
"""One may arrive between two steps of the kernel, or be caught by the code."""
MIN_GATEWAY_TIMEOUT = 2.0
"""Seconds in which the gateway must answer an interrupt, however short ``timeouts.interrupt`` is:
a busy gateway must not be taken for one that does not answer."""

log = logging.getLogger(__name__)


class KernelSession:
    """A connection to one kernel, and the queue of what runs in it.

    Executions wait in this queue, not in the kernel. So an execution that is given up before its
    turn never runs, and an interrupt reaches the execution that it is meant for.
    """

    def __init__(
        self, gateway: Gateway, kernel_id: str, emit: Callable[[Event], None], *, keep: bool
    ) -> None:
        self.kernel_id = kernel_id
        self._gateway = gateway
        self._emit = emit
        self._keep = keep
        self._deleted = False
        self._channel: KernelChannel | None = None
        self._queue: asyncio.Queue[Execution] = asyncio.Queue()
        self._running: Execution | None = None
        # Held while an interrupt is under way: the next execution does not start meanwhile.
        self._interrupting = asyncio.Lock()
        self._worker: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls,
        gateway: Gateway,
        options: ConnectOptions,
        *,
        container: StartedContainer | None,
        startup: Sequence[tuple[str, str]],
        emit: Callable[[Event], None],
        kernel_id: str | None = None,
        keep: bool = False,
    ) -> KernelSession:
        """Start a kernel, and return once it answers. If that fails, the kernel is deleted.

        Args:
            gateway: The gateway to start the kernel in.
            options: How to connect.
            container: The container of the gateway, if this process started it.
            startup: Plugin names, each with the code that it runs in a new kernel.
            emit: Is called with each event.
            kernel_id: The id of a running kernel to use instead of a new one. It is kept if
                connecting fails, and no start-up code runs in it.
            keep: Whether the kernel is kept when the session is closed.

        Raises:
            AuthenticationError: If the gateway refuses the token.
            ConnectFailedError: If no gateway answers, or the kernel does not.
            GatewayError: If the gateway refuses a request, or is not a gateway.
            KernelDiedError: If the kernel dies before it answers.
            ConnectionLostError: If the connection breaks and can't be resumed.
            ContainerLostError: If the container exits.
            ProtocolError: If the gateway violates the protocol.
            PluginError: If start-up code fails.
        """
        if kernel_id is not None:
            session = cls(gateway, kernel_id, emit, keep=True)
        else:
            session = cls(gateway, await gateway.start_kernel(), emit, keep=False)
        try:
            channel = KernelChannel(
                gateway,
                session.kernel_id,
                options,
                container=container,
                on_close=session._fail_all,
            )
            await channel.connect()
            session._channel = channel
            await probe(channel)
            for plugin, code in startup if kernel_id is None else ():
                await run_startup(channel, plugin, code)
        except BaseException:
            await shielded(session.aclose())
            raise
        session._keep = keep
        session._worker = asyncio.create_task(session._work(), name="ipybox executions")
        return session

    @property
    def channel(self) -> KernelChannel:
        """The channel to the kernel; it may be closed.

        Raises:
            NotConnectedError: If the session was not opened.
        """
        if self._channel is None:
            raise NotConnectedError("The kernel is not connected. Call connect().")
        return self._channel

    @property
    def connected(self) -> bool:
        """Whether the channel is open."""
        return self._channel is not None and self._channel.closed_by is None

    def submit(self, execution: Execution) -> None:
        """Queue an execution.

        Raises:
            IpyboxError: If the channel is closed: a copy of the error that closed it.
        """
        self.channel.check_open()
        self._queue.put_nowait(execution)

    def is_running(self, execution: Execution) -> bool:
        """Whether it is this execution's turn."""
        return self._running is execution

    async def interrupt(self) -> None:
        """Interrupt the running execution. Without one, the kernel is interrupted all the same.

        Raises:
            TransportError: If the gateway does not answer, or refuses.
        """
        running = self._running
        if running is not None:
            await _wait_begun(running, USER_BEGIN_TIMEOUT)
        async with self._interrupting:
            await self._send_interrupt(running)

    async def stop(self, execution: Execution, timeouts: Timeouts) -> StopOutcome:
        """Interrupt an execution, then check that the kernel still answers.

        Args:
            execution: The execution to stop.
            timeouts: How long the code may take to stop, and the kernel to answer.

        Returns:
            "preserved" if the kernel answers, so its variables are intact; "stuck" if the kernel
            has to be replaced; "lost" if the kernel is gone, or the gateway does not answer. In
            the last case the session is closed.
        """
        async with self._interrupting:  # until it is known whether the kernel answers
            for _ in range(INTERRUPTS):
                try:
                    async with asyncio.timeout(max(timeouts.interrupt, MIN_GATEWAY_TIMEOUT)):
                        await self._send_interrupt(execution)
                except (TimeoutError, TransportError) as error:
                    # A gateway that does not accept an interrupt would not start a kernel either.
                    silent = ConnectionLostError(
                        f"The gateway at {self._gateway.address} did not accept an interrupt: "
                        f"{type(error).__name__} {error}".rstrip()
                    )
                    silent.__cause__ = error
                    await shielded(self.aclose(silent, delete=False))
                    return "lost"
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(timeouts.interrupt / INTERRUPTS):
                        await execution.wait()
                    # The wait also returns when the connection breaks.
                    if self.connected and await self._answers(timeouts.probe):
                        return "preserved"
                    break
            return "stuck" if self.connected else "lost"

    async def aclose(
        self, reason: IpyboxError | None = None, *, delete: bool | None = None
    ) -> None:
        """Close the connection and delete the kernel. A gateway that is gone is not an error.

        Args:
            reason: The error of executions that run or wait; NotConnectedError by default.
            delete: Whether to ask the gateway to delete the kernel. By default it is deleted,
                unless it is to be kept.
        """
        delete = not self._keep if delete is None else delete
        reason = reason or NotConnectedError("The client was disconnected.")
        running = self._running
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.wait([self._worker])
        if running is not None:
            running.fail(reason)
        if self._channel is not None:
            await self._channel.aclose(reason)
        self._fail_all(reason)
        if not delete or self._deleted:
            return
        self._deleted = True
        try:
            await self._gateway.delete_kernel(self.kernel_id)
        except TransportError as error:
            log.debug("kernel %s was not deleted: %s", self.kernel_id, error)

    async def _send_interrupt(self, execution: Execution | None) -> None:
        """Interrupt the kernel, unless ``execution`` has finished. The caller holds the lock."""
        if execution is not None:
            if self._running is not execution or execution.done:
                return
            await _wait_begun(execution, BEGIN_TIMEOUT)
        await self._gateway.interrupt_kernel(self.kernel_id)

    async def _answers(self, timeout: float) -> bool:
        """Return whether the kernel answers within ``timeout`` seconds."""
        try:
            await probe(self.channel, timeout)
        except IpyboxError:
            return False
        return True

    def _fail_all(self, error: IpyboxError) -> None:
        """Fail the running execution, and all that wait."""
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
            except Exception as error:  # a bug in this library must not stop the executions behind
                log.exception("an execution could not be run")
                failed = ExecutionFailedError(
                    f"The execution could not be run: {type(error).__name__}: {error}"
                )
                failed.__cause__ = error
                execution.fail(failed)
            finally:
                self._running = None

    async def _run(self, execution: Execution) -> None:
        self._emit(Event(name="execution.started", subject=self.kernel_id))
        channel = self.channel
        msg_id = await channel.request(
            "shell", "execute_request", _execute_request(execution), execution
        )
        answering = None
        if execution.input is not None:
            answering = asyncio.create_task(
                self._answer(execution, execution.input, channel), name="ipybox input"
            )
        try:
            await execution.wait()
            async with self._interrupting:
                pass  # an interrupt that is under way is meant for this execution
        finally:
            if answering is not None:
                answering.cancel()
            channel.release(msg_id, late=execution)
            for answer_id in execution.input.request_ids if execution.input else ():
                channel.release(answer_id)
            error = type(execution.failure).__name__ if execution.failure else None
            ended = Event(name="execution.ended", subject=self.kernel_id, data={"error": error})
            self._emit(ended)

    async def _answer(
        self, execution: Execution, responder: InputResponder, channel: KernelChannel
    ) -> None:
        """Answer what the code asks for. If the callback fails, the code is interrupted."""
        try:
            await responder.answer_all(channel, execution)
        except InputFailedError as error:
            execution.decide(error)
            async with self._interrupting:
                await self._send_interrupt(execution)


async def _wait_begun(execution: Execution, timeout: float) -> None:
    """Wait for the code to begin: until then, the kernel ignores an interrupt."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout):
            await execution.wait_begun()


def _execute_request(execution: Execution) -> dict[str, Any]:
    """Return the content of an execute_request (Jupyter messaging 5.4)."""
    return {
        "code": execution.code,
        "silent": False,
        "store_history": True,
        "user_expressions": {},
        "allow_stdin": execution.input is not None,
        "stop_on_error": False,
    }
