"""Execution: a piece of code on its way through a kernel."""

from __future__ import annotations

import asyncio
import contextlib
import copy
from collections.abc import AsyncIterator, Awaitable, Callable

from ipybox.errors import (
    ExecutionTimeoutError,
    InvalidArgumentError,
    IpyboxError,
    KernelState,
    OutputSoFar,
    SpillError,
)
from ipybox.kernel.messages import InputRequestContent, Message, content_of
from ipybox.kernel.session import InputCallback
from ipybox.kernel.state import ExecutionState
from ipybox.outputs.collector import OutputCollector, TextCursor, TextSource
from ipybox.outputs.limits import OutputLimits
from ipybox.outputs.result import ExecutionResult, Handlers, build_result
from ipybox.outputs.spill import Spill, SpillTarget
from ipybox.validation import check_execution_timeout

DEFAULT_TIMEOUT = 120.0

GiveUp = Callable[["Execution"], Awaitable[KernelState]]


class Execution:
    """A submitted piece of code. Comes from :meth:`ExecutionClient.submit`.

    Its output is kept whether it is streamed or not, so that it may be read at
    any time, in any order with other executions, and more than once.
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
            raise InvalidArgumentError(f"code is a {type(code).__name__}; it must be a str.")
        if stdin is not None and not callable(stdin):
            raise InvalidArgumentError(
                f"stdin is a {type(stdin).__name__}; it must be callable with the prompt and "
                "whether it is for a password."
            )
        self.code = str.__str__(code)  # of subclasses, what they hold
        self.stdin = stdin
        # The kernel asks one thing at a time; what else comes is somebody's who floods us.
        self.questions: asyncio.Queue[InputRequestContent] = asyncio.Queue(maxsize=1)
        self.requests: list[str] = []  # the ids of the answers to the questions
        self._spill = None if spill is None else Spill(spill)
        self._state = ExecutionState(limits, self._spill)
        self._late = OutputCollector(limits)
        self._handlers = handlers
        self._give_up = give_up
        self._begun = asyncio.Event()
        self._done = asyncio.Event()
        self._waiting: set[asyncio.Future[None]] = set()
        self._failure: IpyboxError | None = None
        self._verdict: IpyboxError | None = None
        self._building: asyncio.Task[ExecutionResult] | None = None

    @property
    def done(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self._done.is_set()

    @property
    def failure(self) -> IpyboxError | None:
        """How it ended, if badly; None while it runs, and where it is well."""
        return self._failure

    async def stream(self, timeout: float | None = DEFAULT_TIMEOUT) -> AsyncIterator[str]:
        """Yields the text output in pieces, as it arrives, from its beginning.

        ``timeout`` is in seconds, over the whole stream; None for no limit. Ends
        as :meth:`result` does: it raises what that would raise.
        """
        async for _, text in self.stream_sources(timeout):
            yield text

    async def stream_sources(
        self, timeout: float | None = DEFAULT_TIMEOUT
    ) -> AsyncIterator[tuple[TextSource, str]]:
        """As :meth:`stream`, each piece with its source: "stdout", "stderr" or "result"."""
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
                    await self._news()
            except TimeoutError:
                await self._time_out(timeout)
        await self._outcome()

    async def result(self, timeout: float | None = DEFAULT_TIMEOUT) -> ExecutionResult:
        """Waits for the end and returns the result.

        ``timeout`` is in seconds from this call; None for no limit. Raises
        ExecutionError where the code raised, ExecutionTimeoutError (the code is
        interrupted then), KernelDiedError, ConnectionLostError, ProtocolError or
        NotConnectedError; the output so far is on the exception.
        """
        check_execution_timeout(timeout)
        try:
            async with asyncio.timeout(timeout):
                await self.wait()
        except TimeoutError:
            await self._time_out(timeout)
        return await self._outcome()

    async def wait(self) -> None:
        """Returns when it has ended, in whatever way. Never raises for that."""
        await self._done.wait()

    async def wait_begun(self) -> None:
        """Returns when the kernel has begun with it, or it has ended."""
        await self._begun.wait()

    async def late(self) -> ExecutionResult:
        """What came after the end, until now: of threads, tasks and processes that the code
        has left running. Its limits are those of the execution, anew."""
        return await self._build(self._late)

    async def stream_late(self, timeout: float | None = None) -> AsyncIterator[str]:
        """Yields text that comes after the end, as it arrives. Ends after ``timeout``
        seconds, or with ``aclose()``; None: when the caller stops."""
        check_execution_timeout(timeout)
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        cursor = TextCursor(self._late)
        while True:
            for _, text in cursor.advance():
                yield text
            try:
                async with asyncio.timeout_at(deadline):
                    await self._news()
            except TimeoutError:
                return

    # What the client and its channel use.

    def feed(self, message: Message) -> None:
        if message.channel == "stdin":
            if self.stdin and message.header.msg_type == "input_request" and self.questions.empty():
                self.questions.put_nowait(content_of(message, InputRequestContent))
            return
        if self.done:  # it was read in one go with the end
            self.feed_late(message)
            return
        self._state.feed(message)
        if self._state.started:
            self._begun.set()
        if self._state.ended:
            self._settle(self._state.error)
        self._notify()

    async def drain(self) -> None:
        """Returns when there is room for more: the disk may be slower than the code."""
        if self._spill is not None and self._spill.full:
            with contextlib.suppress(SpillError):  # told at the end
                await self._spill.flush()

    def feed_late(self, message: Message) -> None:
        late = ExecutionState(OutputLimits())
        late.output = self._late
        late.feed(message)
        self._notify()

    def decide(self, error: IpyboxError) -> None:
        """Whatever comes now, this is how it ended."""
        self._verdict = self._verdict or error

    def fail(self, error: IpyboxError) -> None:
        """Ends it with an error of the connection or the kernel."""
        self._settle(error)
        self._notify()

    def _settle(self, failure: IpyboxError | None) -> None:
        if self.done:
            return
        # An error of the connection goes to each execution; each has its own output.
        self._failure = self._verdict or copy.copy(failure)
        self._begun.set()
        self._done.set()

    def _notify(self) -> None:
        waiting, self._waiting = self._waiting, set()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def _news(self) -> None:
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)

    async def _time_out(self, seconds: float | None) -> None:
        """Stops the code. From here on, the time-out is how this execution ended."""
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
        raise self._failure

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
            # Images are decoded, and handlers are anybody's code.
            return await asyncio.to_thread(build_result, output, self._handlers, path)
        return build_result(output, self._handlers, path)
