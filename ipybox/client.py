"""ExecutionClient: a kernel of its own, and what is run in it."""

from __future__ import annotations

import asyncio
import copy
import logging
from types import TracebackType
from typing import Any, Self

from ipybox._async import shielded
from ipybox.errors import (
    ConnectFailedError,
    ContainerLostError,
    ExecutionFailedError,
    InvalidArgumentError,
    IpyboxError,
    KernelDiedError,
    KernelState,
    NotConnectedError,
    TransportError,
)
from ipybox.events import Event, EventName
from ipybox.gateway.rest import Gateway
from ipybox.gateway.started import find_container, find_token
from ipybox.kernel import timeouts
from ipybox.kernel.execution import DEFAULT_TIMEOUT, Execution
from ipybox.kernel.interrupt import find_lost, stop
from ipybox.kernel.requests import complete
from ipybox.kernel.session import InputCallback, KernelSession
from ipybox.outputs.limits import OutputLimits
from ipybox.outputs.result import ExecutionResult
from ipybox.outputs.spill import SpillTarget
from ipybox.plugins.registry import registry
from ipybox.validation import (
    check_execution_timeout,
    check_kernel_id,
    check_port,
    check_timeout,
    check_token,
)

COMPLETION_SECONDS = 2.0

log = logging.getLogger(__name__)


class ExecutionClient:
    """A connection to a kernel of its own, in a container's gateway.

    - ``port``, ``host``: where the gateway answers (``container.port``).
    - ``heartbeat_interval``: seconds between two checks that the gateway is there.
    - ``token``: of the gateway. In the process that started the container it is
      found by itself; else the variable ``IPYBOX_TOKEN`` is used.
    - ``limits``: how much output of one execution is kept.
    - ``kernel_id``: of a kernel that runs already, for example of a program that has died;
      None: a new one. ``keep_kernel``: whether it lives on when the client disconnects.

    What happens to code that runs past its time-out goes in steps, each with its
    seconds. It is interrupted, and has ``interrupt_grace`` to end. The kernel is asked
    whether it answers, within ``probe_grace``: then its state is preserved. Else the
    caller is told that it is lost, and a new kernel takes its place, within
    ``restart_grace``. Where none comes, a container that this process has started (the
    local backend has no real ones) is given up.

    A connection that breaks is made again within ``reconnect_grace``, and what runs goes
    on; no output is lost, and nothing is executed twice.
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
        interrupt_grace: float = timeouts.DEFAULT.interrupt,
        probe_grace: float = timeouts.DEFAULT.probe,
        restart_grace: float = timeouts.DEFAULT.restart,
        reconnect_grace: float = timeouts.DEFAULT.reconnect,
    ) -> None:
        if port is None:
            raise InvalidArgumentError("port is None; it must be a number from 1 to 65535.")
        check_port(port)
        check_timeout("heartbeat_interval", heartbeat_interval)
        self._graces = timeouts.Graces(
            interrupt=interrupt_grace,
            probe=probe_grace,
            restart=restart_grace,
            reconnect=reconnect_grace,
        )
        if not isinstance(host, str) or not host or any(sign in host for sign in "/@?#[] \0"):
            raise InvalidArgumentError(f"host is {host!r}; it must be a host name or address.")
        if limits is not None and not isinstance(limits, OutputLimits):
            raise InvalidArgumentError(f"limits is {limits!r}; it must be an OutputLimits.")
        check_token(token)
        check_kernel_id(kernel_id)
        self._kernel_id = kernel_id
        self._keep_kernel = keep_kernel
        self.port = port
        self.host = host
        self.limits = limits or OutputLimits()
        self._heartbeat_interval = heartbeat_interval
        self._replacing: asyncio.Task[None] | None = None
        self._lost: IpyboxError | None = None  # why there is no kernel in place of a stuck one
        self._token = token
        self._gateway: Gateway | None = None
        self._session: KernelSession | None = None
        # Held by whoever exchanges the session: two at once would leave a kernel over.
        self._changing = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.disconnect()

    def __repr__(self) -> str:
        state = self._session.kernel_id if self._session else "not connected"
        return f"<ExecutionClient {self.host}:{self.port} {state}>"

    @property
    def kernel_id(self) -> str:
        """The id of the kernel. NotConnectedError (a ValueError) when not connected."""
        return self._connected().kernel_id

    async def connect(self, retries: int = 10, retry_interval: float = 1.0) -> None:
        """Starts a kernel and returns when it answers.

        Where nobody answers at the address, it tries ``retries`` times with
        ``retry_interval`` seconds between. Raises ConnectFailedError,
        AuthenticationError, GatewayError, KernelDiedError.
        """
        if isinstance(retries, bool) or not isinstance(retries, int) or retries < 1:
            raise InvalidArgumentError(f"retries is {retries!r}; it must be a number from 1.")
        check_timeout("retry_interval", retry_interval)
        async with self._changing:
            if self._session is not None and self._session.connected:
                raise TransportError("The client is connected already.")
            await self._close()
            token = self._token or find_token(self.host, self.port)
            check_token(token)
            self._gateway = Gateway(self.host, self.port, token)
            try:
                await self._open_session(self._gateway, retries, retry_interval)
            except BaseException:
                await self._close()
                raise

    async def disconnect(self) -> None:
        """Ends the kernel and the connection. What still runs fails with NotConnectedError."""
        await shielded(self._disconnect())

    async def execute(
        self,
        code: str,
        timeout: float | None = DEFAULT_TIMEOUT,
        *,
        stdin: InputCallback | None = None,
        spill: SpillTarget | None = None,
    ) -> ExecutionResult:
        """Runs code and returns its result: :meth:`submit`, then :meth:`Execution.result`.

        When the caller is cancelled, the code is interrupted.
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
        """Puts code behind what was submitted before, and returns its handle at once.

        - ``stdin``: answers ``input()`` and ``getpass()``: it gets the prompt, and whether
          it is for a password, and returns the line. Without one, they raise in the code.
        - ``spill``: a folder or an open file that gets the whole text, whatever
          ``limits.text`` keeps in memory.
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
        await self._replaced()
        if self._lost is not None:
            raise copy.copy(self._lost)
        self._connected().submit(execution)
        return execution

    async def interrupt(self) -> None:
        """Interrupts what runs: its execution ends with ExecutionInterruptedError."""
        await self._connected().interrupt()

    async def restart(self) -> None:
        """Replaces the kernel by a new one: variables are gone, ``kernel_id`` is another.

        What still runs or waits fails with KernelDiedError. Works after the
        kernel's death too.
        """
        await self._replaced()
        await self._replace(self._connected(), KernelDiedError("The kernel was restarted."))

    async def complete(self, code: str, cursor: int | None = None) -> tuple[list[str], int, int]:
        """Completions at ``cursor``: the texts, and the range that they replace.

        Positions are in characters; None is the end of the code. Empty where the
        kernel is busy for too long.
        """
        position = len(code) if cursor is None else cursor
        try:
            reply = await complete(self._connected().channel, code, position, COMPLETION_SECONDS)
        except TimeoutError:
            return [], position, position
        return reply.matches, reply.cursor_start, reply.cursor_end

    async def status(self) -> dict[str, Any]:
        """What the runtime tells of itself and of all its kernels: version, and each
        kernel's id, state, pid, memory in bytes and last activity."""
        self._connected()
        assert self._gateway is not None
        return await self._gateway.status()

    def _connected(self) -> KernelSession:
        if self._session is None:
            raise NotConnectedError(_NOT_CONNECTED)
        return self._session

    async def _open_session(self, gateway: Gateway, attempts: int, interval: float) -> None:
        for attempt in range(1, attempts + 1):
            try:
                self._session = await KernelSession.open(
                    gateway,
                    heartbeat_interval=self._heartbeat_interval,
                    reconnect_grace=self._graces.reconnect,
                    max_message=self.limits.message,
                    startup=registry().kernel_startup(),
                    kernel_id=self._kernel_id,
                    keep=self._keep_kernel,
                    tell=registry().emit,
                )
            except ConnectFailedError:
                if lost := await find_lost(self.host, self.port, self._graces.probe):
                    raise lost from None
                if attempt == attempts:
                    raise
                await asyncio.sleep(interval)
            else:
                self._lost = None
                self._emit("kernel.connected", self._session.kernel_id)
                return

    async def _give_up(self, execution: Execution) -> KernelState:
        """Stops an execution, whatever it does. Tells what became of the variables."""
        session = self._session
        if session is None or execution.done:
            return "preserved"
        if not session.is_running(execution):
            execution.fail(ExecutionFailedError("It was given up before its turn came."))
            return "preserved"
        stopped = await stop(session, execution, self._graces)
        if stopped == "stuck":
            # The caller need not wait for a new kernel; who comes next does.
            self._replacing = asyncio.create_task(
                self._replace_stuck(session), name="ipybox new kernel"
            )
        return "preserved" if stopped == "preserved" else "lost"

    async def _replace_stuck(self, session: KernelSession) -> None:
        """A new kernel for one that does not stop; where none comes, the container goes."""
        reason = KernelDiedError(
            "The kernel was given up: it did not stop when it was interrupted."
        )
        try:
            async with asyncio.timeout(self._graces.restart):
                await self._replace(session, reason)
            return
        except TimeoutError:
            self._lost = KernelDiedError(
                f"There was no new kernel within {self._graces.restart} s (restart_grace)."
            )
        except IpyboxError as error:
            self._lost = error
        # The time-out is what the caller was told; the next call is told this.
        log.warning("no new kernel after a time-out: %s", self._lost)
        container = find_container(self.host, self.port)
        if container is not None and container.isolated:
            await container.kill()
            self._lost = ContainerLostError(
                "The container was given up: its kernel did not stop, and no new one came "
                f"({self._lost}). Start another container."
            )

    async def _replaced(self) -> None:
        """Returns when no kernel is being replaced."""
        if self._replacing is not None:
            await asyncio.wait([self._replacing])
            self._replacing = None

    async def _replace(self, session: KernelSession, reason: KernelDiedError) -> None:
        """A new session in place of ``session``, unless somebody else has replaced it."""
        async with self._changing:
            if self._session is not session or self._gateway is None:
                return
            await shielded(session.aclose(reason, delete=True))
            self._kernel_id = None  # the one that was given is no more
            await self._open_session(self._gateway, 1, 1.0)

    async def _disconnect(self) -> None:
        async with self._changing:
            await self._close()

    async def _close(self) -> None:
        """Ends what is open. Whoever calls it holds ``_changing``."""
        session, self._session = self._session, None
        gateway, self._gateway = self._gateway, None
        if session is not None:
            await shielded(session.aclose())
            self._emit("kernel.disconnected", session.kernel_id)
        if gateway is not None:
            await shielded(gateway.aclose())

    def _emit(self, name: EventName, subject: str) -> None:
        registry().emit(Event(name=name, subject=subject))


_NOT_CONNECTED = "Not connected. Call connect(), or use the client with `async with`."
