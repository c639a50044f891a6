"""The state of one execution, message by message."""

import json
from itertools import permutations

import msgspec
import pytest

from ipybox.errors import ExecutionInterruptedError, KernelState, ProtocolError
from ipybox.kernel.execution import Execution
from ipybox.kernel.messages import Header, Message, ParentHeader
from ipybox.kernel.state import ExecutionState, apply, strip_ansi
from ipybox.outputs.collector import OutputCollector
from ipybox.outputs.limits import OutputLimits


def message(channel: str, msg_type: str, **content: object) -> Message:
    raw = msgspec.Raw(json.dumps(content).encode())
    return Message(channel, Header("m", msg_type), ParentHeader("p"), raw)


BUSY = message("iopub", "status", execution_state="busy")
IDLE = message("iopub", "status", execution_state="idle")
INPUT = message("iopub", "execute_input", code="", execution_count=1)
REPLY = message("shell", "execute_reply", status="ok")
PAGE = message(
    "shell",
    "execute_reply",
    status="ok",
    payload=[{"source": "page", "data": {"text/plain": "help"}}],
)
STREAM = message("iopub", "stream", name="stdout", text="out")


async def never_give_up(execution: Execution) -> KernelState:
    raise AssertionError("the execution must not be given up")


@pytest.mark.parametrize("order", list(permutations([STREAM, REPLY, IDLE])))
def test_an_execution_is_finished_after_reply_and_idle(order: tuple[Message, ...]) -> None:
    state = ExecutionState(OutputLimits())
    state.feed(BUSY)
    for item in order:
        assert not state.finished
        state.feed(item)
        if state.finished:
            break
    assert state.finished
    assert state.error is None


async def test_output_after_reply_and_idle_is_late() -> None:
    """The order of the messages decides, however many of them are read at once."""
    execution = Execution("", limits=OutputLimits(), handlers={}, give_up=never_give_up)
    for item in (BUSY, INPUT, REPLY, IDLE, STREAM):
        execution.feed(item)
    assert (await execution.result()).stdout == ""
    assert (await execution.late()).stdout == "out"


def test_apply_collects_output_only() -> None:
    collector = OutputCollector(OutputLimits())
    error = message("iopub", "error", ename="E", evalue="", traceback=[])
    for item in (BUSY, INPUT, STREAM, error, PAGE, IDLE, message("stdin", "input_request")):
        apply(item, collector)
    assert [(piece.source, piece.text) for piece in collector.pieces] == [
        ("stdout", "out"),
        ("result", "help\n"),
    ]


@pytest.mark.parametrize("first", [INPUT, message("iopub", "oversized", bytes=1)])
def test_an_execution_starts_with_its_first_output_message(first: Message) -> None:
    """Before that, a kernel that is busy ignores interrupts."""
    state = ExecutionState(OutputLimits())
    state.feed(BUSY)
    assert not state.started
    state.feed(first)
    assert state.started


def test_an_error_may_be_reported_by_the_reply_alone() -> None:
    state = ExecutionState(OutputLimits())
    state.feed(message("shell", "execute_reply", status="aborted"))
    assert state.error is not None
    assert "aborted" in state.error.args[0]


def test_an_interrupt_is_reported_as_an_error_of_its_own_type() -> None:
    state = ExecutionState(OutputLimits())
    state.feed(message("iopub", "error", ename="KeyboardInterrupt", evalue="", traceback=["t"]))
    assert type(state.error) is ExecutionInterruptedError
    assert state.error.args[0] == "KeyboardInterrupt"


def test_unknown_messages_are_ignored() -> None:
    state = ExecutionState(OutputLimits())
    state.feed(message("iopub", "from_the_future", anything=[1]))
    state.feed(message("nowhere", "stream", name=3))
    assert not state.finished


def test_malformed_contents_raise_protocol_errors() -> None:
    with pytest.raises(ProtocolError):
        ExecutionState(OutputLimits()).feed(message("iopub", "stream", name="stdout", text=5))


@pytest.mark.parametrize(
    ("coloured", "plain"),
    [
        ("\x1b[0;31mNameError\x1b[0m: x", "NameError: x"),
        ("\x1b]8;;http://x\x07link\x1b]8;;\x07", "link"),
        ("\x1b[38;2;1;2;3mrgb\x1b[K", "rgb"),
        ("no codes [31m", "no codes [31m"),
        ("\x1b]unfinished", ""),
    ],
)
def test_strip_ansi_removes_control_sequences(coloured: str, plain: str) -> None:
    assert strip_ansi(coloured) == plain
