"""A kernel's ``sys.stdout`` while interrupts arrive."""

import os
import signal
import socket
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest
from ipybox_runtime.kernel.output import OutputChannel
from ipybox_runtime.kernel.streams import Console
from ipybox_runtime.wire import NO_PARENT, PipeReader, Text

LINES = 80
"""More than a stream writes at once: the last lines wait for the flush."""


class ConsoleOutput:
    """A console, and the text that arrives in its stdout pipe."""

    def __init__(self) -> None:
        read, write = os.pipe()
        os.set_blocking(read, False)
        packets, self.messages = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        packets.close()
        self.interrupts: list[KeyboardInterrupt] = []  # kept, as IPython keeps the last one
        self._read = read
        self._reader = PipeReader(0, "secret")
        null = os.open(os.devnull, os.O_WRONLY)
        self.channel = OutputChannel([write, null], self.messages, "secret")
        self.console = Console(self.channel)

    def text(self) -> str:
        """Return the text that has arrived since the last call."""
        try:
            data = os.read(self._read, 1 << 20)
        except BlockingIOError:
            return ""
        tokens = self._reader.feed(data, drained=True)
        return b"".join(token.data for token in tokens if isinstance(token, Text)).decode()


@pytest.fixture
def output() -> Iterator[ConsoleOutput]:
    output = ConsoleOutput()
    yield output
    output.console.flush()


def interrupted_at(call: int, output: ConsoleOutput) -> bool:
    """Print LINES, with a SIGINT when the given call of a function begins.

    That is where the interpreter checks for signals. Return whether printing made so many calls.
    """
    calls = 0

    def trace(frame: FrameType, event: str, _: Any) -> None:
        nonlocal calls
        if event == "call" and (calls := calls + 1) == call:
            sys.setprofile(None)
            output.channel.interrupt(signal.SIGINT, frame)

    output.channel.forget_interrupt()
    sys.setprofile(trace)
    try:
        for line in range(LINES):
            output.console.stdout.write(f"{line}\n")
    except KeyboardInterrupt as error:
        output.interrupts.append(error)
        return True
    finally:
        sys.setprofile(None)
    return calls >= call


def test_output_after_an_interrupt_arrives(output: ConsoleOutput) -> None:
    output.channel.set_parent(NO_PARENT)
    call = 0
    while interrupted_at(call := call + 1, output):
        output.console.flush()
        before = [int(line) for line in output.text().splitlines()]
        assert before == list(range(len(before)))
        output.console.stdout.write("after\n")
        output.console.flush()
        assert output.text() == "after\n", f"interrupted at call {call}"
    assert call > LINES
