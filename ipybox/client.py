"""ExecutionClient: runs code in a kernel of its own."""

from __future__ import annotations

import asyncio
import logging
from typing import Self

from ipybox._async import AsyncResource, shielded
from ipybox.errors import (
    AlreadyConnectedError,
    ConnectFailedError,
    ContainerLostError,
    ExecutionFailedError,
    InvalidArgumentError,
    IpyboxError,
    KernelDiedError,
    KernelState,
    NotConnectedError,
    ProtocolError,
    copy_error,
)
from ipybox.events import Event, EventName
from ipybox.gateway.rest import Gateway
from ipybox.gateway.started import StartedContainer, find_container, find_token
from ipybox.kernel.errors import container_lost
from ipybox.kernel.execution import DEFAULT_TIMEOUT, Execution
from ipybox.kernel.frames import ConnectOptions
from ipybox.kernel.requests import complete
from ipybox.kernel.session import KernelSession
from ipybox.kernel.stdin import InputCallback
from ipybox.kernel.timeouts import Timeouts, resolve_timeouts
from ipybox.outputs.limits import OutputLimits
from ipybox.outputs.result import ExecutionResult
from ipybox.outputs.spill import SpillTarget
from ipybox.plugins.registry import registry
from ipybox.spec.status import Completions, GatewayStatus
from ipybox.validation import (
    check_bool,
    check_completion,
    check_execution_timeout,
    check_kernel_id,
    check_port,
    check_timeout,
    check_token,
    describe,
)

COMPLETION_TIMEOUT = 2.0
"""Seconds for the kernel to answer a request for completions."""

log = logging.getLogger(__name__)


class ExecutionClient(AsyncResource):
    """A client with a kernel of its own in a container.

    Use it with ``async with``, or call :meth:`connect` and :meth:`disconnect`.

    Code that runs past its timeout is handled in steps, each with a timeout of its own (see
    :class:`Timeouts`). The code is interrupted, and has ``timeouts.interrupt`` seconds to stop.
    The kernel then has ``timeouts.probe`` seconds to answer; if it does, its variables are
    preserved. Otherwise they are lost, and a new kernel replaces it within ``timeouts.restart``
    seconds. If no new kernel starts, a container that this process has started is killed (except
    with the local backend, which has no real containers).

    A connection that breaks is resumed within ``timeouts.reconnect`` seconds, and the code goes on
    meanwhile. No output is lost, and nothing is executed twice.

    Args:
        port: The port of the container's gateway (``container.port``).
        host: The host name or IP address of the gateway.
        heartbeat_interval: Seconds between two checks of an idle connection.
        token: The token of the gateway. By default it is found in the process that started the
            container, and taken from the variable ``IPYBOX_TOKEN`` elsewhere.
        limits: How much output of one execution is kept.
        kernel_id: The id of a running kernel to use, for example that of a program that has died.
            By default, a new kernel is started.
        keep_kernel: Whether the kernel is kept when the client disconnects.
        timeouts: The timeouts of the steps above.
        interrupt_grace: Deprecated; use ``timeouts=Timeouts(interrupt=...)``.
        probe_grace: Deprecated; use ``timeouts=Timeouts(probe=...)``.
        restart_grace: Deprecated; use ``timeouts=Timeouts(restart=...)``.
        reconnect_grace: Deprecated; use ``timeouts=Timeouts(reconnect=...)``.

    Raises:
        InvalidArgumentError: If an argument is invalid.
    """

    def __init__(
        self,
        port: int,
        host: str = "localhost",
        heartbeat_interval: float = 10,
        *,
        token: str | None = None,
        limits: OutputLimits | None = None,
        kernel_id: str | None = None,
        keep_kernel: bool = False,
        timeouts: Timeouts | None = None,
        interrupt_grace: float | None = None,
        probe_grace: float | None = None,
        restart_grace: float | None = None,
        reconnect_grace: float | None = None,
    ) -> None:
        check_port(port)
        check_timeout("heartbeat_interval", heartbeat_interval)
        self._timeouts = resolve_timeouts(
            timeouts,
            {
                "interrupt": interrupt_grace,
                "probe": probe_grace,
                "restart": restart_grace,
                "reconnect": reconnect_grace,
            },
            stacklevel=2,
        )
        if not isinstance(host, str) or not host or any(sign in host for sign in "/@?#[] \0"):
            raise InvalidArgumentError(
                f"host must be a host name or IP address, got {describe(host)}."
            )
        if limits is not None and not isinstance(limits, OutputLimits):
            raise InvalidArgumentError(f"limits must be an OutputLimits, got {describe(limits)}.")
        check_token(token)
        check_kernel_id(kernel_id)
        check_bool("keep_kernel", keep_kernel)
        self.port = port
        self.host = host
        self.limits = limits or OutputLimits()
        self._options = ConnectOptions(
            heartbeat_interval=heartbeat_interval,
            reconnect_timeout=self._timeouts.reconnect,
            max_message=self.limits.message,
        )
        self._kernel_id = kernel_id
        self._keep_kernel = keep_kernel
        self._token = token
        self._container: StartedContainer | None = None
        self._gateway: Gateway | None = None
        self._session: KernelSession | None = None
        self._replacing: asyncio.Task[None] | None = None
        self._lost: IpyboxError | None = None  # why a stuck kernel was not replaced
        # Held while the session is exchanged: two tasks at once would leave a kernel behind.
        self._changing = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def aclose(self) -> None:
        """Do the same as :meth:`disconnect`."""
        await self.disconnect()

    def __repr__(self) -> str:
        state = self._session.kernel_id if self._session else "not connected"
        return f"<ExecutionClient {self.host}:{self.port} {state}>"

    @property
    def kernel_id(self) -> str:
        """The id of the kernel.

        Raises:
            NotConnectedError: If the client is not connected. It is a ValueError too.
        """
        return self._connected().kernel_id

    async def connect(self, retries: int = 10, retry_interval: float = 1.0) -> None:
        """Start a kernel, and return once it answers.

        Can be called again after the connection was lost, and after :meth:`disconnect`.

        Args:
            retries: The number of attempts, from 1, if no gateway answers at the address.
            retry_interval: Seconds between two attempts.

        Raises:
            InvalidArgumentError: If an argument, or the token in ``IPYBOX_TOKEN``, is invalid.
            AlreadyConnectedError: If the client is connected.
            ConnectFailedError: If no gateway answers at the address, or the kernel does not answer.
            AuthenticationError: If the gateway requires another token.
            VersionMismatchError: If the runtime in the container does not fit this library.
            GatewayError: If the gateway refuses, does not answer in time, or is not a gateway.
            KernelDiedError: If the kernel dies before it answers.
            ConnectionLostError: If the connection breaks meanwhile and can't be resumed.
            ContainerLostError: If the container, started by this process, has exited.
            ProtocolError: If the gateway or the kernel violates the protocol.
            PluginError: If a plugin's start-up code, or its hook ``ipybox_kernel_startup``, fails.
        """
        if isinstance(retries, bool) or not isinstance(retries, int) or retries < 1:
            raise InvalidArgumentError(f"retries must be an int from 1, got {describe(retries)}.")
        check_timeout("retry_interval", retry_interval)
        async with self._changing:
            if self._session is not None and self._session.connected:
                raise AlreadyConnectedError(
                    f"The client is already connected to kernel {self._session.kernel_id}. "
                    "Call disconnect() first, or restart() for a new kernel."
                )
            await self._close()
            self._container = find_container(self.host, self.port)
            token = self._token or find_token(self._container)
            check_token(token)
            self._gateway = Gateway(self.host, self.port, token)
            try:
                await self._open_session(self._gateway, retries, retry_interval)
            except BaseException:
                await self._close()
                raise

    async def disconnect(self) -> None:
        """Delete the kernel, unless it is to be kept, and close the connection.

        Executions that run or wait fail with NotConnectedError. Safe to call more than once, and
        when the gateway is gone.
        """
        await shielded(self._disconnect())

    async def execute(
        self,
        code: str,
        timeout: float | None = DEFAULT_TIMEOUT,
        *,
        stdin: InputCallback | None = None,
        spill: SpillTarget | None = None,
    ) -> ExecutionResult:
        """Run code and return its result: :meth:`submit`, then :meth:`Execution.result`.

        If the caller is cancelled, the code is interrupted.

        Args:
            code: The code to run.
            timeout: Seconds for the execution, including the wait for earlier ones; None for no
                limit. When the time is up, the code is interrupted.
            stdin: Answers ``input()`` and ``getpass()``; see :meth:`submit`.
            spill: Receives the whole text; see :meth:`submit`.

        Returns:
            The output, and the value of the last expression.

        Raises:
            ExecutionError: If the code raised.
            ExecutionInterruptedError: If the code was interrupted; an ExecutionError.
            ExecutionTimeoutError: If the time is up. ``state`` says whether the kernel's variables
                are preserved.
            InputFailedError: If the ``stdin`` callback raised, or did not return a str.
            KernelDiedError: If the kernel has died, was restarted, or was replaced.
            ConnectionLostError: If the connection broke and could not be resumed.
            ContainerLostError: If the container has exited.
            ProtocolError: If the gateway or the kernel violated the protocol.
            NotConnectedError: If the client is not connected, or was disconnected meanwhile.
            ExecutionFailedError: If the execution could not be run. It is the base class of
                ExecutionError, ExecutionTimeoutError, InputFailedError and KernelDiedError.
            SpillError: If the text could not be written to ``spill``, and nothing else failed.
            InvalidArgumentError: If an argument is invalid, or the code is larger than 60 MiB or
                not valid Unicode.
            IpyboxError: If the kernel had to be replaced and no new kernel could be started: any
                error of :meth:`connect`.
        """
        check_execution_timeout(timeout)
        execution = await self.submit(code, stdin=stdin, spill=spill)
        try:
            return await execution.result(timeout)
        except asyncio.CancelledError:
            if not execution.done:
                await shielded(self._give_up(execution))
            raise

    async def submit(
        self,
        code: str,
        *,
        stdin: InputCallback | None = None,
        spill: SpillTarget | None = None,
    ) -> Execution:
        """Queue code behind what was submitted before, and return its handle at once.

        If a stuck kernel is being replaced, the call waits for the new one.

        Args:
            code: The code to run.
            stdin: Answers ``input()`` and ``getpass()``. It is called with the prompt, and with
                whether the input is a password, and returns the line. It may be a coroutine
                function; any other function runs in a thread. Without it, ``input()`` and
                ``getpass()`` raise in the code.
            spill: An existing folder, or an open file, that receives the whole text output,
                whatever part of it ``limits.text`` keeps in memory.

        Returns:
            The handle, for streaming the output and awaiting the result.

        Raises:
            InvalidArgumentError: If ``code`` is not a str, ``stdin`` is not callable, or ``spill``
                is neither an existing folder nor an open file.
            NotConnectedError: If the client is not connected.
            KernelDiedError: If the kernel has died. :meth:`restart` starts a new one.
            ConnectionLostError: If the connection was lost.
            ContainerLostError: If the container has exited.
            ProtocolError: If the connection was closed because the protocol was violated.
            IpyboxError: If the kernel had to be replaced and no new kernel could be started: any
                error of :meth:`connect`.
        """
        self._connected()
        execution = Execution(
            code,
            limits=self.limits,
            handlers=registry().output_handlers,
            give_up=self._give_up,
            stdin=stdin,
            spill=spill,
        )
        await self._wait_replaced()
        if self._lost is not None:
            raise copy_error(self._lost)
        self._connected().submit(execution)
        return execution

    async def interrupt(self) -> None:
        """Interrupt the running execution. It fails with ExecutionInterruptedError.

        Raises:
            NotConnectedError: If the client is not connected.
            ConnectFailedError: If no gateway answers.
            AuthenticationError: If the gateway requires another token.
            GatewayError: If the gateway refuses, for example because the kernel has died, or does
                not answer in time.
        """
        await self._connected().interrupt()

    async def restart(self) -> None:
        """Replace the kernel by a new one, with a new ``kernel_id`` and no variables.

        Executions that run or wait fail with KernelDiedError. Works after the death of the kernel
        too.

        Raises:
            NotConnectedError: If the client is not connected.
            IpyboxError: If no new kernel could be started: any error of :meth:`connect`, except
                AlreadyConnectedError. The client then has no kernel; call it again.
        """
        await self._wait_replaced()
        await self._replace(self._connected(), KernelDiedError("The kernel was restarted."))

    async def complete(self, code: str, cursor: int | None = None) -> Completions:
        """Return what may stand at a position in code.

        Args:
            code: The code.
            cursor: The position, in characters; the end of the code by default.

        Returns:
            The completions, as a :class:`ipybox.spec.status.Completions`. There are none if the
            kernel does not answer within 2 s, because it is busy.

        Raises:
            NotConnectedError: If the client is not connected.
            InvalidArgumentError: If ``code`` is not a str, or ``cursor`` not a position in it; if
                the code is too large, or not valid Unicode.
            KernelDiedError: If the kernel has died.
            ConnectionLostError: If the connection was lost.
            ContainerLostError: If the container has exited.
            ProtocolError: If the kernel's answer is malformed.
        """
        check_completion(code, cursor)
        position = len(code) if cursor is None else cursor
        try:
            reply = await complete(self._connected().channel, code, position, COMPLETION_TIMEOUT)
        except TimeoutError:
            return Completions((), position, position)
        if not 0 <= reply.cursor_start <= reply.cursor_end <= len(code):
            raise ProtocolError(
                f"The kernel answered with completions from {reply.cursor_start} to "
                f"{reply.cursor_end} for code of {len(code)} characters."
            )
        return Completions(tuple(reply.matches), reply.cursor_start, reply.cursor_end)

    async def status(self) -> GatewayStatus:
        """Return the status of the runtime in the container, and of all its kernels.

        Returns:
            A :class:`ipybox.spec.status.GatewayStatus`; its ``kernels`` are
            :class:`ipybox.spec.status.KernelStatus` objects.

        Raises:
            NotConnectedError: If the client is not connected.
            ConnectFailedError: If no gateway answers.
            AuthenticationError: If the gateway requires another token.
            GatewayError: If the gateway does not run ipybox's runtime, does not answer in time,
                or its answer is malformed.
        """
        self._connected()
        assert self._gateway is not None
        return await self._gateway.status()

    def _connected(self) -> KernelSession:
        if self._session is None:
            raise NotConnectedError(
                "The client is not connected. Call connect(), or use it with 'async with'."
            )
        return self._session

    async def _open_session(self, gateway: Gateway, attempts: int, interval: float) -> None:
        for attempt in range(1, attempts + 1):
            try:
                self._session = await KernelSession.open(
                    gateway,
                    self._options,
                    container=self._container,
                    startup=registry().kernel_startup(),
                    emit=registry().emit,
                    kernel_id=self._kernel_id,
                    keep=self._keep_kernel,
                )
            except ConnectFailedError as error:
                # The gateway stops answering before the exit of its container shows.
                if self._container is not None and (
                    status := await self._container.status_within(self._timeouts.probe)
                ):
                    raise container_lost(status) from error
                if attempt == attempts:
                    raise
                await asyncio.sleep(interval)
            else:
                self._lost = None
                self._emit("kernel.connected", self._session.kernel_id)
                return

    async def _give_up(self, execution: Execution) -> KernelState:
        """Stop an execution, whatever it does. Return what became of the kernel's variables."""
        session = self._session
        if session is None or execution.done:
            return "preserved"
        if not session.is_running(execution):
            execution.fail(
                ExecutionFailedError("The execution was given up while it waited for its turn.")
            )
            return "preserved"
        outcome = await session.stop(execution, self._timeouts)
        if outcome == "stuck":
            # This caller does not wait for the new kernel; the next one does.
            self._replacing = asyncio.create_task(
                self._replace_stuck(session), name="ipybox new kernel"
            )
        return "preserved" if outcome == "preserved" else "lost"

    async def _replace_stuck(self, session: KernelSession) -> None:
        """Start a new kernel in place of a stuck one; if none starts, kill the container."""
        reason = KernelDiedError("The kernel was replaced: it did not stop when interrupted.")
        try:
            async with asyncio.timeout(self._timeouts.restart):
                await self._replace(session, reason)
            return
        except TimeoutError:
            self._lost = KernelDiedError(
                f"No new kernel started within {self._timeouts.restart} s (timeouts.restart)."
            )
        except IpyboxError as error:
            self._lost = error
        # The current caller gets the timeout; the next call raises this error.
        log.warning("a stuck kernel could not be replaced: %s", self._lost)
        if self._container is not None and self._container.isolated:
            await self._container.kill()
            lost = ContainerLostError(
                "The container was killed: its kernel did not stop, and no new one started "
                f"({self._lost}). Start another container."
            )
            lost.__cause__ = self._lost
            self._lost = lost

    async def _wait_replaced(self) -> None:
        """Wait while a stuck kernel is being replaced."""
        if self._replacing is not None:
            await asyncio.wait([self._replacing])
            self._replacing = None

    async def _replace(self, session: KernelSession, reason: KernelDiedError) -> None:
        """Open a new session in place of ``session``, unless another task has replaced it."""
        async with self._changing:
            if self._session is not session or self._gateway is None:
                return
            await shielded(session.aclose(reason, delete=True))
            self._kernel_id = None  # the given kernel no longer exists
            await self._open_session(self._gateway, 1, 1.0)

    async def _disconnect(self) -> None:
        async with self._changing:
            await self._close()

    async def _close(self) -> None:
        """Close the session and the gateway's connections. The caller holds ``_changing``."""
        session, self._session = self._session, None
        gateway, self._gateway = self._gateway, None
        if session is not None:
            await shielded(session.aclose())
            self._emit("kernel.disconnected", session.kernel_id)
        if gateway is not None:
            await shielded(gateway.aclose())

    def _emit(self, name: EventName, subject: str) -> None:
        registry().emit(Event(name=name, subject=subject))
