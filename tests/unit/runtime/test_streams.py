"""A kernel's sys.stdout, interrupted."""

import os
import signal
import socket
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest
from ipybox_runtime.kernel.outlet import Outlet
from ipybox_runtime.kernel.streams import Console
from ipybox_runtime.wire import NO_PARENT, LaneReader, Text

LINES = 80
"""More than leave at once: the last ones wait for the flush."""


class Lanes:
    """A console, and what comes out of its first pipe."""

    def __init__(self) -> None:
        read, write = os.pipe()
        os.set_blocking(read, False)
        packets, self.messages = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        packets.close()
        self.interrupts: list[KeyboardInterrupt] = []  # kept, as IPython keeps the last one
        self._read = read
        self._reader = LaneReader(0, "secret")
        self.outlet = Outlet([write, os.open(os.devnull, os.O_WRONLY)], self.messages, "secret")
        self.console = Console(self.outlet)

    def text(self) -> str:
        try:
            data = os.read(self._read, 1 << 20)
        except BlockingIOError:
            return ""
        tokens = self._reader.feed(data, drained=True)
        return b"".join(token.data for token in tokens if isinstance(token, Text)).decode()


@pytest.fixture
def lanes() -> Iterator[Lanes]:
    lanes = Lanes()
    yield lanes
    lanes.console.flush()


def interrupted_at(call: int, lanes: Lanes) -> bool:
    """Prints, with a SIGINT as the given call of a function begins; the interpreter looks for
    signals there. Returns whether it got as far as that call."""
    calls = 0

    def trace(frame: FrameType, event: str, _: Any) -> None:
        nonlocal calls
        if event == "call" and (calls := calls + 1) == call:
            sys.setprofile(None)
            lanes.outlet.interrupt(signal.SIGINT, frame)

    lanes.outlet.forget_interrupt()
    sys.setprofile(trace)
    try:
        for line in range(LINES):
            lanes.console.stdout.write(f"{line}\n")
    except KeyboardInterrupt as error:
        lanes.interrupts.append(error)
        return True
    finally:
        sys.setprofile(None)
    return calls >= call


def test_what_is_printed_after_an_interrupt_gets_out(lanes: Lanes) -> None:
    lanes.outlet.set_parent(NO_PARENT)
    call = 0
    while interrupted_at(call := call + 1, lanes):
        lanes.console.flush()
        before = [int(line) for line in lanes.text().splitlines()]
        assert before == list(range(len(before)))
        lanes.console.stdout.write("after\n")
        lanes.console.flush()
        assert lanes.text() == "after\n", f"interrupted at call {call}"
    assert call > LINES
