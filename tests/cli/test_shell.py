"""``ipybox shell`` on a terminal: a pseudo-terminal, as a person has one."""

import contextlib
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


class Terminal:
    """What is typed, and what is seen."""

    def __init__(self, home: Path) -> None:
        self._fd, child = pty.openpty()
        self.process = subprocess.Popen(
            [str(Path(sys.executable).with_name("ipybox")), "shell", "--backend", "local"],
            stdin=child,
            stdout=child,
            stderr=child,
            start_new_session=True,
            env={**os.environ, "XDG_STATE_HOME": str(home), "TERM": "dumb"},
        )
        os.close(child)
        self.seen = ""

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def expect(self, pattern: str, seconds: float = 20) -> str:
        """Waits until something new matches, and returns what was seen until then."""
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.seen)):
            left = deadline - time.monotonic()
            assert left > 0, f"{pattern!r} not seen in {self.seen!r}"
            if select.select([self._fd], [], [], left)[0]:
                data = os.read(self._fd, 65536).decode(errors="replace")
                # A terminal answers where its cursor is, when it is asked.
                if "\x1b[6n" in data:
                    self.type("\x1b[1;1R")
                self.seen += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", data)
        seen, self.seen = self.seen[: found.end()], self.seen[found.end() :]
        return seen

    def leave(self, seconds: float = 20) -> int:
        """Types Ctrl-D until the program has ended; its exit code.

        The prompt shows a moment before the terminal is in raw mode, and until
        then the terminal keeps a Ctrl-D to itself.
        """
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"still running, after {self.seen!r}"
            self.type("\x04")
            if select.select([self._fd], [], [], 0.5)[0]:
                with contextlib.suppress(OSError):  # the other side is closed
                    self.seen += os.read(self._fd, 65536).decode(errors="replace")
        return self.process.returncode

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(30)
        os.close(self._fd)


@pytest.fixture
def terminal(local: str, tmp_path: Path) -> Iterator[Terminal]:
    opened = Terminal(tmp_path)
    yield opened
    opened.close()


def test_a_session(terminal: Terminal, tmp_path: Path) -> None:
    terminal.expect(">>> ")
    terminal.type("number = 20\r")
    terminal.expect(">>> ")
    terminal.type("number * 2 + 2\r")
    terminal.expect(r"\n42\r?\n")
    terminal.expect(">>> ")
    terminal.type("for i in range(2):\r")
    terminal.expect(r"\.\.\. ")
    terminal.type("    print('line', i)\r")
    terminal.expect(r"\.\.\. ")
    terminal.type("\r")
    terminal.expect(r"line 0\r?\nline 1")
    terminal.expect(">>> ")
    terminal.type("1/0\r")
    terminal.expect("ZeroDivisionError: division by zero")
    terminal.expect(">>> ")
    terminal.type("import time; print('going', flush=True); time.sleep(60)\r")
    terminal.expect(r"\ngoing")
    os.killpg(terminal.process.pid, 2)  # as Ctrl-C
    terminal.expect("KeyboardInterrupt")
    terminal.expect(">>> ")
    terminal.type("numb\t")
    terminal.expect(r"numb\W*\w*r")  # what is new on the line is drawn, and no more
    terminal.type("\r")
    terminal.expect(r"\n20")
    terminal.expect(">>> ")
    assert terminal.leave() == 0
    assert "+number * 2 + 2" in (tmp_path / "ipybox/history").read_text()
