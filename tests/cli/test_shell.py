"""``ipybox shell`` on a pseudo-terminal, as a user runs it."""

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
    """A pseudo-terminal that runs the shell: types input and collects what it shows."""

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
        """Wait until new output matches the pattern, and return the output up to the match."""
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.seen)):
            left = deadline - time.monotonic()
            assert left > 0, f"{pattern!r} not found in {self.seen!r}"
            if select.select([self._fd], [], [], left)[0]:
                data = os.read(self._fd, 65536).decode(errors="replace")
                # Answer a request for the cursor position, as a terminal does.
                if "\x1b[6n" in data:
                    self.type("\x1b[1;1R")
                self.seen += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", data)
        seen, self.seen = self.seen[: found.end()], self.seen[found.end() :]
        return seen

    def leave(self, seconds: float = 20) -> int:
        """Type Ctrl-D until the shell exits, and return its exit code.

        The prompt appears a moment before the terminal enters raw mode. Until then the
        terminal consumes a Ctrl-D itself.
        """
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"still running, after {self.seen!r}"
            self.type("\x04")
            if select.select([self._fd], [], [], 0.5)[0]:
                with contextlib.suppress(OSError):  # the shell closed its side
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


def test_a_session_takes_multiline_input_interrupts_and_completion(
    terminal: Terminal, tmp_path: Path
) -> None:
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
    terminal.expect(r"numb\W*\w*r")  # only the new part of the line is drawn
    terminal.type("\r")
    terminal.expect(r"\n20")
    terminal.expect(">>> ")
    assert terminal.leave() == 0
    assert "+number * 2 + 2" in (tmp_path / "ipybox/history").read_text()
