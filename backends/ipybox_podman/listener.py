"""A process of ours that listens on a socket which nobody else knows."""

from __future__ import annotations

import os
import secrets
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ipybox import BackendUnavailableError
from ipybox_podman import sockets

START_SECONDS = 20.0
STOP_SECONDS = 5.0
STEP_SECONDS = 0.01
MAX_PATH = 100
"""Of a socket, in bytes; the system has little more."""


class Listener:
    def __init__(self, what: str, command: Callable[[Path], list[str]], remedy: str) -> None:
        """``what``: the process for people. ``command``: its arguments, for a socket's path;
        it may take the end of its standard input as its own."""
        self._what = what
        self._command = command
        self._remedy = remedy
        self._process: subprocess.Popen[bytes] | None = None
        # In a folder of its own: it is made long before the process makes its socket, and
        # others end meanwhile.
        self.path = _folder() / f"{os.getpid()}-{secrets.token_hex(4)}" / "sock"

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    def ensure(self) -> None:
        """Starts it unless it listens. Blocks until it does."""
        # One that is ending for want of calls has removed its socket.
        if self._process is not None and self._process.poll() is None and self.path.exists():
            return
        self._end()  # what ends by itself, and its socket
        self._make_folder()
        # What it says goes to a file without a name: nobody reads a pipe for it.
        with tempfile.TemporaryFile() as said:
            try:
                self._process = subprocess.Popen(
                    self._command(self.path),
                    stdin=subprocess.PIPE,
                    stdout=said,
                    stderr=said,
                    start_new_session=True,  # Ctrl-C at the terminal is not for it
                    cwd="/",
                )
            except OSError as error:
                raise self._failed(str(error)) from error
            self._wait_for_socket(said.fileno())

    def stop(self) -> None:
        """Blocks."""
        self._end()
        with suppress(OSError):  # unless there are others
            self.path.parent.parent.rmdir()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            process.stdin.close()
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.path.unlink(missing_ok=True)
        with suppress(OSError):  # it was not made
            self.path.parent.rmdir()

    def _make_folder(self) -> None:
        shared = self.path.parent.parent
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                shared.mkdir(mode=0o700, exist_ok=True)
                _check_own(shared)
                self.path.parent.mkdir(mode=0o700, exist_ok=True)
            # The last of the others has just removed it. pathlib may tell that as FileExistsError.
            except (FileNotFoundError, FileExistsError) as error:
                in_the_way = os.path.lexists(shared) and not shared.is_dir()
                if in_the_way or time.monotonic() > deadline or not shared.parent.is_dir():
                    raise self._failed(str(error)) from error
                time.sleep(STEP_SECONDS)
            except OSError as error:
                raise self._failed(str(error)) from error
            else:
                break
        _sweep(shared)

    def _wait_for_socket(self, said: int) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while sockets.why_not(self.path) is not None:  # it is there before anybody listens
            if self._process.poll() is None and time.monotonic() < deadline:
                time.sleep(STEP_SECONDS)
                continue
            text = os.pread(said, 4096, 0).decode(errors="replace").strip()
            self.stop()
            raise self._failed(text or "it says nothing")

    def _failed(self, told: str) -> BackendUnavailableError:
        return BackendUnavailableError(f"{self._what} did not come up: {told}. {self._remedy}")


def _folder() -> Path:
    """In the user's runtime folder, else in the temporary one, under the user's number."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    name = f"ipybox-podman-{os.getuid()}"
    for parent in (runtime, tempfile.gettempdir(), "/tmp"):  # noqa: S108  # checked by _check_own
        if parent and _usable(parent) and len(os.fsencode(parent)) + 60 < MAX_PATH:
            return Path(parent) / name
    return Path("/tmp") / name  # noqa: S108


def _usable(folder: str) -> bool:
    """The runtime folder may be another user's, after `su`."""
    return os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)


def _sweep(shared: Path) -> None:
    """Removes folders whose owners were killed, and whose sockets have gone. One that was made
    just now may still get its socket."""
    for folder in shared.iterdir():
        with suppress(OSError):  # it has one, or somebody else has removed it
            if time.time() - folder.stat().st_mtime > 2 * START_SECONDS:
                folder.rmdir()


def _check_own(folder: Path) -> None:
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise BackendUnavailableError(
            f"{folder} is not a folder of this user's alone, and it would hold the engine's "
            "socket. Remove it."
        )
