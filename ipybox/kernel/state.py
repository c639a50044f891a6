"""The state of one execution, derived from the kernel's messages. Pure: no I/O."""

from __future__ import annotations

import re

from ipybox.errors import ExecutionError, ExecutionInterruptedError
from ipybox.kernel.messages import (
    ClearOutputContent,
    DisplayContent,
    ErrorContent,
    ExecuteReplyContent,
    Message,
    OversizedContent,
    StatusContent,
    StreamContent,
    content_of,
)
from ipybox.outputs.collector import Bundle, BundleKind, OutputCollector
from ipybox.outputs.limits import OutputLimits
from ipybox.outputs.spill import Writer

# ECMA-48 control sequences, and operating system commands including their terminator.
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])")


class ExecutionState:
    """What the messages that answer an execute_request say about the execution.

    An execution is finished once both the reply and ``idle`` have arrived. The shell and iopub
    channels are not ordered relative to each other, so either one may arrive before the output.

    Attributes:
        output: The output collected so far.
        error: The exception that the code raised; None if there was none so far.
        started: Whether the kernel has started to run the code.
    """

    def __init__(self, limits: OutputLimits, spill: Writer | None = None) -> None:
        self.output = OutputCollector(limits, spill)
        self.error: ExecutionError | None = None
        self.started = False
        self._replied = False
        self._idle = False

    @property
    def finished(self) -> bool:
        """Whether both the reply and ``idle`` have arrived."""
        return self._replied and self._idle

    def feed(self, message: Message) -> None:
        """Process the next message.

        Raises:
            ProtocolError: If the content of the message is malformed.
        """
        msg_type = message.header.msg_type
        if message.channel == "iopub":
            if msg_type == "status":
                state = content_of(message, StatusContent).execution_state
                self._idle = self._idle or state == "idle"
                return
            # The kernel publishes the code (execute_input) before any output. Until then it may
            # be "busy", but ignores interrupts.
            self.started = True
            if msg_type == "error":
                error = content_of(message, ErrorContent)
                self.error = code_error(error.ename, error.evalue, error.traceback)
            else:
                _collect(message, self.output)
        elif message.channel == "shell" and msg_type == "execute_reply":
            self._take_reply(content_of(message, ExecuteReplyContent))

    def _take_reply(self, reply: ExecuteReplyContent) -> None:
        self._replied = True
        _collect_pages(reply, self.output)
        if reply.status != "ok" and self.error is None:
            name = reply.ename or f"The kernel replied with status {reply.status!r}"
            self.error = code_error(name, reply.evalue, reply.traceback)


def apply(message: Message, collector: OutputCollector) -> None:
    """Add the output in a message to a collector. Messages without output are ignored.

    Raises:
        ProtocolError: If the content of the output is malformed.
    """
    if message.channel == "iopub":
        _collect(message, collector)
    elif message.channel == "shell" and message.header.msg_type == "execute_reply":
        _collect_pages(content_of(message, ExecuteReplyContent), collector)


def _collect(message: Message, collector: OutputCollector) -> None:
    """Add the output in an iopub message."""
    match message.header.msg_type:
        case "stream":
            stream = content_of(message, StreamContent)
            collector.stream(stream.name, stream.text)
        case "display_data":
            collector.bundle(_bundle(message, "display"))
        case "execute_result":
            collector.bundle(_bundle(message, "result"))
        case "update_display_data":
            collector.update(_bundle(message, "display"))
        case "clear_output":
            collector.clear(wait=content_of(message, ClearOutputContent).wait)
        case "oversized":
            collector.oversized(content_of(message, OversizedContent).bytes)
        case _:
            pass  # execute_input, comm messages, and types of later protocol versions


def _collect_pages(reply: ExecuteReplyContent, collector: OutputCollector) -> None:
    """Add the pager payloads of a reply: IPython answers ``name?`` with them."""
    for payload in reply.payload:
        if payload.source == "page":
            collector.bundle(Bundle("result", payload.data))


def _bundle(message: Message, kind: BundleKind) -> Bundle:
    content = content_of(message, DisplayContent)
    display_id = content.transient.display_id if content.transient else None
    return Bundle(kind, content.data, content.metadata, display_id)


def code_error(name: str, value: str, traceback: list[str]) -> ExecutionError:
    """Return the exception for an error that the code raised.

    Args:
        name: The name of the exception class in the kernel.
        value: The exception's message.
        traceback: The lines of the traceback; may contain terminal control sequences.
    """
    kind: type[ExecutionError] = ExecutionError
    if name == "KeyboardInterrupt":
        kind = ExecutionInterruptedError
    message = f"{name}: {value}" if value else name
    return kind(strip_ansi(message), strip_ansi("\n".join(traceback)))


def strip_ansi(text: str) -> str:
    """Return text without colour codes and other terminal control sequences."""
    return _ANSI.sub("", text)
