"""Answers to the input requests of one execution (Jupyter messaging 5.4, "stdin")."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from ipybox.errors import InputFailedError, InvalidArgumentError, IpyboxError
from ipybox.kernel.messages import InputRequestContent, Message, content_of

if TYPE_CHECKING:
    from ipybox.kernel.channel import KernelChannel, Subscriber

InputCallback = Callable[[str, bool], str | Awaitable[str]]
"""Is called with the prompt, and with whether the input is a password; returns the line without
its newline. A callback that is not a coroutine function runs in a thread."""


class InputResponder:
    """Passes the input requests of one execution to a callback and sends its answers.

    Args:
        callback: Produces the answers.

    Raises:
        InvalidArgumentError: If ``callback`` is not callable.
    """

    def __init__(self, callback: InputCallback) -> None:
        if not callable(callback):
            raise InvalidArgumentError(
                f"stdin must be a callable, got {type(callback).__name__}. It is called with the "
                "prompt (str) and with whether the input is a password (bool)."
            )
        self._callback = callback
        # A kernel asks one question at a time. Any more come from code that floods the client.
        self._questions: asyncio.Queue[InputRequestContent] = asyncio.Queue(maxsize=1)
        self.request_ids: list[str] = []
        """The ids of the answers that were sent. The channel keeps the answers until they are
        released, because a connection may break while an answer is on its way."""

    def feed(self, message: Message) -> None:
        """Queue an input request. Other messages are ignored.

        Raises:
            ProtocolError: If the content of the request is malformed.
        """
        if message.header.msg_type == "input_request" and self._questions.empty():
            self._questions.put_nowait(content_of(message, InputRequestContent))

    async def answer_all(self, channel: KernelChannel, subscriber: Subscriber) -> None:
        """Answer one request after the other, until the task is cancelled.

        Args:
            channel: The channel on which answers are sent.
            subscriber: Receives the messages that respond to the answers.

        Raises:
            InputFailedError: If the callback raised, or did not return a str.
        """
        while True:
            question = await self._questions.get()
            try:
                line = await self._ask(question)
            # The callback is the caller's code: it may raise anything.
            except Exception as error:
                raise InputFailedError(
                    "The stdin callback failed when the code asked for input: "
                    f"{type(error).__name__}: {error}"
                ) from error
            # If the channel is closed, the channel itself fails the execution.
            with contextlib.suppress(IpyboxError):
                self.request_ids.append(
                    await channel.request("stdin", "input_reply", {"value": line}, subscriber)
                )

    async def _ask(self, question: InputRequestContent) -> str:
        if inspect.iscoroutinefunction(self._callback):
            line = await self._callback(question.prompt, question.password)
        else:
            line = await asyncio.to_thread(self._callback, question.prompt, question.password)
            if inspect.isawaitable(line):
                line = await line
        if not isinstance(line, str):
            raise TypeError(f"The callback must return a str, got {type(line).__name__}.")
        return str.__str__(line)
