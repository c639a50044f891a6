"""The state machine of one execution. Pure: messages in, state and output out."""

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

# ECMA-48 control sequences, and operating system commands up to their end.
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])")


class ExecutionState:
    """What is known of an execution from the messages that answer its request.

    It has ended when both the reply and ``idle`` were seen: shell and iopub are
    not ordered against each other, so either alone may come before the output.
    """

    def __init__(self, limits: OutputLimits, spill: Writer | None = None) -> None:
        self.output = OutputCollector(limits, spill)
        self.error: ExecutionError | None = None
        self.started = False
        self._reply = False
        self._idle = False

    @property
    def ended(self) -> bool:
        return self._reply and self._idle

    def feed(self, message: Message) -> None:
        """Takes the next message in. Raises ProtocolError for contents of wrong types."""
        if message.channel == "iopub" and message.header.msg_type != "status":
            # Its input comes first. Until then a kernel that is "busy" ignores interrupts.
            self.started = True
        match message.channel, message.header.msg_type:
            case "iopub", "status":
                state = content_of(message, StatusContent).execution_state
                self._idle = self._idle or state == "idle"
            case "iopub", "stream":
                stream = content_of(message, StreamContent)
                self.output.stream(stream.name, stream.text)
            case "iopub", "display_data":
                self.output.bundle(_bundle(message, "display"))
            case "iopub", "execute_result":
                self.output.bundle(_bundle(message, "result"))
            case "iopub", "update_display_data":
                self.output.update(_bundle(message, "display"))
            case "iopub", "clear_output":
                self.output.clear(wait=content_of(message, ClearOutputContent).wait)
            case "iopub", "oversized":
                self.output.oversized(content_of(message, OversizedContent).bytes)
            case "iopub", "error":
                error = content_of(message, ErrorContent)
                self.error = code_error(error.ename, error.evalue, error.traceback)
            case "shell", "execute_reply":
                self._take_reply(content_of(message, ExecuteReplyContent))
            case _:
                pass  # input echoes, comms, and what later protocol versions bring

    def _take_reply(self, reply: ExecuteReplyContent) -> None:
        self._reply = True
        for payload in reply.payload:
            if payload.source == "page":  # the answer to "name?"
                self.output.bundle(Bundle("result", payload.data))
        if reply.status != "ok" and self.error is None:
            name = reply.ename or f"the kernel answered {reply.status!r}"
            self.error = code_error(name, reply.evalue, reply.traceback)


def _bundle(message: Message, kind: BundleKind) -> Bundle:
    content = content_of(message, DisplayContent)
    display_id = content.transient.display_id if content.transient else None
    return Bundle(kind, content.data, content.metadata, display_id)


def code_error(name: str, value: str, traceback: list[str]) -> ExecutionError:
    """An exception of the code, as ours."""
    kind: type[ExecutionError] = ExecutionError
    if name == "KeyboardInterrupt":
        kind = ExecutionInterruptedError
    message = f"{name}: {value}" if value else name
    return kind(strip_ansi(message), strip_ansi("\n".join(traceback)))


def strip_ansi(text: str) -> str:
    """The text without colour codes and other terminal control sequences."""
    return _ANSI.sub("", text)
