"""The state machine of one execution, message by message."""

import json
from itertools import permutations

import msgspec
import pytest

from ipybox.errors import ExecutionInterruptedError, KernelState, ProtocolError
from ipybox.kernel.execution import Execution
from ipybox.kernel.messages import Header, Message, ParentHeader
from ipybox.kernel.state import ExecutionState, strip_ansi
from ipybox.outputs.limits import OutputLimits


def message(channel: str, msg_type: str, **content: object) -> Message:
    raw = msgspec.Raw(json.dumps(content).encode())
    return Message(channel, Header("m", msg_type), ParentHeader("p"), raw)


BUSY = message("iopub", "status", execution_state="busy")
IDLE = message("iopub", "status", execution_state="idle")
INPUT = message("iopub", "execute_input", code="", execution_count=1)
REPLY = message("shell", "execute_reply", status="ok")
STREAM = message("iopub", "stream", name="stdout", text="out")


async def never(execution: Execution) -> KernelState:
    raise AssertionError("it was not to be given up")


@pytest.mark.parametrize("order", list(permutations([STREAM, REPLY, IDLE])))
def test_ends_on_reply_and_idle(order: tuple[Message, ...]) -> None:
    state = ExecutionState(OutputLimits())
    state.feed(BUSY)
    for item in order:
        assert not state.finished
        state.feed(item)
        if state.finished:
            break
    assert state.finished
    assert state.error is None


async def test_what_comes_with_the_end_is_late() -> None:
    """However much is read in one go."""
    execution = Execution("", limits=OutputLimits(), handlers={}, give_up=never)
    for item in (BUSY, INPUT, REPLY, IDLE, STREAM):
        execution.feed(item)
    assert (await execution.result()).stdout == ""
    assert (await execution.late()).stdout == "out"


@pytest.mark.parametrize("first", [INPUT, message("iopub", "oversized", bytes=1)])
def test_it_begins_with_its_input(first: Message) -> None:
    """Before that, a kernel that is busy ignores interrupts."""
    state = ExecutionState(OutputLimits())
    state.feed(BUSY)
    assert not state.started
    state.feed(first)
    assert state.started


def test_an_error_that_only_the_reply_tells() -> None:
    state = ExecutionState(OutputLimits())
    state.feed(message("shell", "execute_reply", status="aborted"))
    assert state.error is not None
    assert "aborted" in state.error.args[0]


def test_interrupt_has_a_type_of_its_own() -> None:
    state = ExecutionState(OutputLimits())
    state.feed(message("iopub", "error", ename="KeyboardInterrupt", evalue="", traceback=["t"]))
    assert type(state.error) is ExecutionInterruptedError
    assert state.error.args[0] == "KeyboardInterrupt"


def test_unknown_messages_are_left_alone() -> None:
    state = ExecutionState(OutputLimits())
    state.feed(message("iopub", "from_the_future", anything=[1]))
    state.feed(message("nowhere", "stream", name=3))
    assert not state.finished


def test_wrong_types_are_a_protocol_error() -> None:
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
def test_strip_ansi(coloured: str, plain: str) -> None:
    assert strip_ansi(coloured) == plain
