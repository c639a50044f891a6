"""Execution: the handle of code that was submitted to a kernel."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from ipybox.errors import (
    ExecutionTimeoutError,
    InvalidArgumentError,
    IpyboxError,
    KernelState,
    OutputSoFar,
    SpillError,
    copy_error,
)
from ipybox.kernel.channel import Subscriber
from ipybox.kernel.messages import Message
from ipybox.kernel.state import ExecutionState, apply
from ipybox.kernel.stdin import InputCallback, InputResponder
from ipybox.outputs.collector import OutputCollector, TextCursor, TextSource
from ipybox.outputs.limits import OutputLimits
from ipybox.outputs.result import ExecutionResult, Handlers, build_result
from ipybox.outputs.spill import Spill, SpillTarget
from ipybox.validation import check_execution_timeout

DEFAULT_TIMEOUT = 120.0
"""In seconds."""

GiveUp = Callable[["Execution"], Awaitable[KernelState]]


class Execution(Subscriber):
    """Code that was submitted to a kernel, and its output.

    Returned by :meth:`ExecutionClient.submit`. The output is kept whether it is streamed or not,
    so it can be read at any time, in any order relative to other executions, and repeatedly.

    Attributes:
        code: The submitted code.
    """

    def __init__(
        self,
        code: str,
        *,
        limits: OutputLimits,
        handlers: Handlers,
        give_up: GiveUp,
        stdin: InputCallback | None = None,
        spill: SpillTarget | None = None,
    ) -> None:
        if not isinstance(code, str):
            raise InvalidArgumentError(f"code must be a str, got {type(code).__name__}.")
        self.code = str.__str__(code)  # the plain value of an instance of a subclass
        self.input = None if stdin is None else InputResponder(stdin)
        self._spill = None if spill is None else Spill(spill)
        self._state = ExecutionState(limits, self._spill)
        self._late = OutputCollector(limits)
        self._handlers = handlers
        self._give_up = give_up
        self._begun = asyncio.Event()
        self._done = asyncio.Event()
        self._waiting: set[asyncio.Future[None]] = set()
        self._failure: IpyboxError | None = None
        self._decided: IpyboxError | None = None
        self._building: asyncio.Task[ExecutionResult] | None = None

    @property
    def done(self) -> bool:
        """Whether the execution has finished, successfully or not."""
        return self._done.is_set()

    @property
    def failure(self) -> IpyboxError | None:
        """Why the execution failed; None while it runs, and if it succeeded."""
        return self._failure

    async def stream(self, timeout: float | None = DEFAULT_TIMEOUT) -> AsyncIterator[str]:
        """Yield the text output in pieces as it arrives, from the beginning.

        Args:
            timeout: Seconds for the whole stream, from the first iteration; None for no limit.

        Raises:
            IpyboxError: After the last piece, if the execution failed: any error of
                :meth:`result`.
        """
        async for _, text in self.stream_sources(timeout):
            yield text

    async def stream_sources(
        self, timeout: float | None = DEFAULT_TIMEOUT
    ) -> AsyncIterator[tuple[TextSource, str]]:
        """Yield the text output like :meth:`stream`, each piece with its source.

        Args:
            timeout: Seconds for the whole stream, from the first iteration; None for no limit.

        Yields:
            The source ("stdout", "stderr" or "result") and the text.

        Raises:
            IpyboxError: After the last piece, if the execution failed: any error of
                :meth:`result`.
        """
        check_execution_timeout(timeout)
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        cursor = TextCursor(self._state.output)
        while True:
            for piece in cursor.advance():
                yield piece
            if self.done:
                break
            try:
                async with asyncio.timeout_at(deadline):
                    await self._next_message()
            except TimeoutError:
                await self._time_out(timeout)
        await self._outcome()

    async def result(self, timeout: float | None = DEFAULT_TIMEOUT) -> ExecutionResult:
        """Wait until the execution has finished and return its result.

        Can be called repeatedly and concurrently. The errors of executions, ConnectionLostError,
        ContainerLostError and ProtocolError carry the output so far, as ``text``, ``images`` and
        ``result``.

        Args:
            timeout: Seconds from this call; None for no limit. When the time is up, the code is
                interrupted, and the execution has failed for all other callers too.

        Returns:
            The output, and the value of the last expression.

        Raises:
            ExecutionError: If the code raised.
            ExecutionInterruptedError: If the code was interrupted; an ExecutionError.
            ExecutionTimeoutError: If the time is up. ``state`` says whether the kernel's variables
                are preserved.
            InputFailedError: If the ``stdin`` callback raised, or did not return a str.
            KernelDiedError: If the kernel has died, was restarted, or was replaced because it did
                not stop after the timeout of another execution.
            ConnectionLostError: If the connection broke and could not be resumed, or the gateway
                did not accept an interrupt.
            ContainerLostError: If the container has exited.
            ProtocolError: If the gateway or the kernel violated the protocol, or sent a message
                larger than ``limits.message``.
            NotConnectedError: If the client was disconnected before the execution had finished.
            ExecutionFailedError: If the execution was given up before its turn, because a caller
                of :meth:`ExecutionClient.execute` was cancelled, or if it could not be run.
            SpillError: If the text could not be written to ``spill``, and nothing else failed.
            InvalidArgumentError: If ``timeout`` is neither None nor a positive number, or if the
                code is larger than 60 MiB or not valid Unicode.
        """
        check_execution_timeout(timeout)
        try:
            async with asyncio.timeout(timeout):
                await self.wait()
        except TimeoutError:
            await self._time_out(timeout)
        return await self._outcome()

    async def wait(self) -> None:
        """Wait until the execution has finished, successfully or not. Never raises its error."""
        await self._done.wait()

    async def wait_begun(self) -> None:
        """Wait until the kernel has started to run the code, or the execution has finished."""
        await self._begun.wait()

    async def late(self) -> ExecutionResult:
        """Return the output that has arrived after the execution finished.

        It comes from threads, tasks and processes that the code left running. The limits are the
        same as those of the execution, and are counted separately.

        Returns:
            What has arrived so far; a later call may return more.
        """
        return await self._build(self._late)

    async def stream_late(self, timeout: float | None = None) -> AsyncIterator[str]:
        """Yield the text that arrives after the execution has finished, as it arrives.

        Args:
            timeout: Seconds after which the iteration stops; None to go on until the caller
                stops iterating or calls ``aclose()``.

        Raises:
            InvalidArgumentError: If ``timeout`` is neither None nor a positive number.
        """
        check_execution_timeout(timeout)
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        cursor = TextCursor(self._late)
        while True:
            for _, text in cursor.advance():
                yield text
            try:
                async with asyncio.timeout_at(deadline):
                    await self._next_message()
            except TimeoutError:
                return

    # For the client, the session and the channel.

    def feed(self, message: Message) -> None:
        """Process a message that answers this execution's request.

        Args:
            message: The message.

        Raises:
            ProtocolError: If the content of the message is malformed.
        """
        if message.channel == "stdin":
            if self.input is not None:
                self.input.feed(message)
            return
        if self.done:
            apply(message, self._late)
        else:
            self._state.feed(message)
            if self._state.started:
                self._begun.set()
            if self._state.finished:
                self._settle(self._state.error)
        self._notify()

    @property
    def full(self) -> bool:
        """Whether text arrives faster than the disk can store it."""
        return self._spill is not None and self._spill.full

    async def drain(self) -> None:
        """Wait until the disk has caught up."""
        if self._spill is not None:
            with contextlib.suppress(SpillError):  # raised when the execution finishes
                await self._spill.flush()

    def decide(self, error: IpyboxError) -> None:
        """Make ``error`` the outcome of the execution, whatever arrives before it finishes."""
        self._decided = self._decided or error

    def fail(self, error: IpyboxError) -> None:
        """Finish the execution with ``error``, which is one of the connection or the kernel."""
        self._settle(error)
        self._notify()

    def _settle(self, failure: IpyboxError | None) -> None:
        if self.done:
            return
        if self._decided is not None:
            self._failure = self._decided
        elif failure is not None:
            # An error of the connection fails several executions; each adds its own output.
            self._failure = copy_error(failure)
        self._begun.set()
        self._done.set()

    def _notify(self) -> None:
        waiting, self._waiting = self._waiting, set()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def _next_message(self) -> None:
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)

    async def _time_out(self, seconds: float | None) -> None:
        """Stop the code. From here on, the timeout is the outcome of the execution."""
        if self.done:
            return
        error = ExecutionTimeoutError(f"The execution timed out after {seconds} s.")
        self.decide(error)
        error.state = await self._give_up(self)
        error.args = (f"{error.args[0]} The kernel's state is {error.state}.",)
        self.fail(error)

    async def _outcome(self) -> ExecutionResult:
        if self._building is None:
            self._building = asyncio.ensure_future(self._finish())
        result = await asyncio.shield(self._building)
        if self._failure is None:
            return result
        if isinstance(self._failure, OutputSoFar):
            self._failure.result = result
        raise copy_error(self._failure)  # each caller gets a traceback of its own

    async def _finish(self) -> ExecutionResult:
        if self._spill is not None:
            try:
                await self._spill.close()
            except SpillError as error:
                self._failure = self._failure or error
        return await self._build(self._state.output)

    async def _build(self, output: OutputCollector) -> ExecutionResult:
        path = self._spill.path if self._spill and output is self._state.output else None
        if output.bundles:
            # Decoding images takes long, and output handlers are code of plugins.
            return await asyncio.to_thread(build_result, output, self._handlers, path)
        return build_result(output, self._handlers, path)
