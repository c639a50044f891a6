"""A kernel of one's own: started, connected, fed with one execution after the other."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import inspect
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from ipybox._async import shielded
from ipybox.errors import (
    ExecutionFailedError,
    InputFailedError,
    IpyboxError,
    NotConnectedError,
    TransportError,
)
from ipybox.events import Event
from ipybox.gateway.rest import Gateway
from ipybox.kernel.channel import KernelChannel
from ipybox.kernel.messages import InputRequestContent
from ipybox.kernel.requests import probe, run_startup
from ipybox.kernel.sinks import LateSink, Sink

Tell = Callable[[Event], None]
InputCallback = Callable[[str, bool], str | Awaitable[str]]
"""Gets the prompt, and whether it is for a password; returns the line. One that is no
coroutine function runs in a thread."""

BEGIN_SECONDS = 1.0
PATIENT_BEGIN_SECONDS = 10.0
"""Where the interrupt is the caller's, and sent once."""
UNDO_SECONDS = 30.0
"""How long a cancelled start waits for the gateway's answer, to delete the kernel."""

log = logging.getLogger(__name__)


class Runnable(Sink, LateSink, Protocol):
    """What the queue runs: an execution."""

    code: str
    stdin: InputCallback | None
    questions: asyncio.Queue[InputRequestContent]
    requests: list[str]

    @property
    def done(self) -> bool: ...

    @property
    def failure(self) -> IpyboxError | None: ...

    def decide(self, error: IpyboxError) -> None: ...

    async def wait(self) -> None: ...

    async def wait_begun(self) -> None: ...


class KernelSession:
    """From a kernel's start to its end.

    Executions wait here, not in the kernel, so that one that is given up before
    its turn never runs, and an interrupt meets the one that it is meant for.
    """

    def __init__(self, gateway: Gateway, kernel_id: str, tell: Tell, *, keep: bool = False) -> None:
        self.kernel_id = kernel_id
        self._gateway = gateway
        self._tell = tell
        self._deleted = False
        self._keep = keep
        self._channel: KernelChannel | None = None
        self._queue: asyncio.Queue[Runnable] = asyncio.Queue()
        self._running: Runnable | None = None
        self.interrupting = asyncio.Lock()
        """Held by who interrupts: the next execution does not start meanwhile."""
        self._worker: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls,
        gateway: Gateway,
        *,
        heartbeat_interval: float,
        reconnect_grace: float,
        max_message: int,
        startup: Sequence[tuple[str, str]],
        tell: Tell,
        kernel_id: str | None = None,
        keep: bool = False,
    ) -> KernelSession:
        """Starts a kernel and returns when it answers. Leaves none behind when it fails.

        ``kernel_id``: of one that runs already, to be used instead; ``keep``: it lives on
        when the session is closed. ``startup``: code that runs in it before all else, with
        the names of the plugins that it is from. Raises PluginError where such code fails.
        """
        if kernel_id is not None:
            session = cls(gateway, kernel_id, tell, keep=True)
        else:
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
                reconnect_grace=reconnect_grace,
                max_message=max_message,
                on_death=session._ended,
            )
            await probe(session._channel)
            for plugin, code in startup if kernel_id is None else ():
                await run_startup(session._channel, plugin, code)
        except BaseException:
            await shielded(session.aclose())
            raise
        session._keep = keep
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
    def address(self) -> str:
        """Of the gateway."""
        return self._gateway.address

    @property
    def connected(self) -> bool:
        return self._channel is not None and self._channel.ended is None

    def submit(self, execution: Runnable) -> None:
        """Puts it behind those that wait. Raises what ended the channel, if it has ended."""
        _ = self.channel
        self._queue.put_nowait(execution)

    def is_running(self, execution: Runnable) -> bool:
        return self._running is execution

    async def interrupt(self) -> None:
        """Interrupts what runs."""
        running = self._running
        if running is not None:
            await _until_begun(running, PATIENT_BEGIN_SECONDS)
        async with self.interrupting:
            await self.interrupt_only(running)

    async def interrupt_only(self, execution: Runnable | None) -> None:
        """Interrupts this execution, if it runs. Whoever calls it holds ``interrupting``."""
        if execution is not None:
            if self._running is not execution or execution.done:
                return
            await _until_begun(execution, BEGIN_SECONDS)
        await self._gateway.interrupt_kernel(self.kernel_id)

    async def verify(self, seconds: float) -> bool:
        """Whether the kernel answers, within so many seconds."""
        try:
            await probe(self.channel, seconds)
        except IpyboxError:
            return False
        return True

    async def aclose(
        self, reason: IpyboxError | None = None, *, delete: bool | None = None
    ) -> None:
        """Ends the connection and the kernel; what runs or waits fails with ``reason``.

        Raises nothing for a gateway that has gone. ``delete``: whether the gateway is
        asked to end the kernel; None: unless it is to be kept.
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
            except Exception as error:  # a fault of ours: it must not stop those behind it
                log.exception("an execution could not be run")
                failed = ExecutionFailedError(f"It could not be run: {type(error).__name__}")
                failed.__cause__ = error
                execution.fail(failed)
            finally:
                self._running = None

    async def _run(self, execution: Runnable) -> None:
        self._tell(Event(name="execution.started", subject=self.kernel_id))
        msg_id = await self.channel.request(
            "shell", "execute_request", _execute_request(execution), execution
        )
        answering = None
        if execution.stdin is not None:
            answering = asyncio.create_task(
                self._answer(execution, execution.stdin), name="ipybox input"
            )
        try:
            await execution.wait()
            async with self.interrupting:
                pass  # an interrupt that is on its way belongs to this execution
        finally:
            if answering is not None:
                answering.cancel()
            if self._channel is not None:
                self._channel.release(msg_id, late=execution)
                for answer_id in execution.requests:
                    self._channel.release(answer_id)
            error = type(execution.failure).__name__ if execution.failure else None
            ended = Event(name="execution.ended", subject=self.kernel_id, data={"error": error})
            self._tell(ended)

    async def _answer(self, execution: Runnable, callback: InputCallback) -> None:
        """Answers what the code asks for. Where the callback fails, the code is interrupted."""
        while True:
            question = await execution.questions.get()
            try:
                line = await _ask(callback, question)
            # The callback is anybody's code.
            except Exception as error:
                failed = InputFailedError(
                    f"The code asked for input, and stdin= raised {type(error).__name__}: {error}"
                )
                failed.__cause__ = error
                execution.decide(failed)
                async with self.interrupting:
                    await self.interrupt_only(execution)
                return
            with contextlib.suppress(IpyboxError):  # the execution is told by the channel
                # Kept until the execution ends: a connection may break under it.
                execution.requests.append(
                    await self.channel.request("stdin", "input_reply", {"value": line}, execution)
                )


async def _ask(callback: InputCallback, question: InputRequestContent) -> str:
    if inspect.iscoroutinefunction(callback):
        line = await callback(question.prompt, question.password)
    else:
        line = await asyncio.to_thread(callback, question.prompt, question.password)
        if inspect.isawaitable(line):
            line = await line
    if not isinstance(line, str):
        raise TypeError(f"it returned a {type(line).__name__}; a str is needed")
    return str.__str__(line)


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


async def _until_begun(execution: Runnable, seconds: float) -> None:
    """A kernel that has not begun yet ignores an interrupt."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await execution.wait_begun()


def _execute_request(execution: Runnable) -> dict[str, Any]:
    return {
        "code": execution.code,
        "silent": False,
        "store_history": True,
        "user_expressions": {},
        "allow_stdin": execution.stdin is not None,
        "stop_on_error": False,
    }
