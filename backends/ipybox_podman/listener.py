"""A child process that listens on a private socket: a Podman service, or a tunnel to one."""

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

START_TIMEOUT = 20.0
STOP_TIMEOUT = 5.0
POLL_INTERVAL = 0.01
MAX_PATH = 100
"""The longest path of a socket, in bytes; the operating system allows little more."""


class Listener:
    """A child process that listens on a Unix socket known to this process alone.

    Methods that start or stop the process block; call them in a thread.

    Attributes:
        path: The path of the socket.
    """

    def __init__(self, name: str, command: Callable[[Path], list[str]], remedy: str) -> None:
        """Choose the path of the socket; nothing is started yet.

        Args:
            name: The name of the process, for error messages.
            command: Returns the program and its arguments for a given socket path. The process
                may exit when its standard input is closed.
            remedy: What the user can do if the process does not start; ends error messages.
        """
        self._name = name
        self._command = command
        self._remedy = remedy
        self._process: subprocess.Popen[bytes] | None = None
        # Each listener has its own folder: the folder is made long before the process creates its
        # socket there, and other listeners clean up after themselves meanwhile.
        self.path = _shared_folder() / f"{os.getpid()}-{secrets.token_hex(4)}" / "sock"

    @property
    def url(self) -> str:
        """The address of the socket, as ``unix://PATH``."""
        return f"unix://{self.path}"

    def ensure_listening(self) -> None:
        """Start the process unless it is listening already; return once it listens.

        Raises:
            BackendUnavailableError: If the process cannot be started, exits, or does not listen
                within ``START_TIMEOUT``; or if another user could reach the socket's folder.
        """
        # A service that is about to exit because it was idle has removed its socket already.
        if self._process is not None and self._process.poll() is None and self.path.exists():
            return
        self._stop_process()  # it may still be exiting, or have left its socket behind
        self._make_folder()
        # The output goes to an unnamed file: no thread reads a pipe, so a pipe could fill up.
        with tempfile.TemporaryFile() as output:
            try:
                self._process = subprocess.Popen(
                    self._command(self.path),
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,  # Ctrl-C at the terminal must not reach it
                    cwd="/",
                )
            except OSError as error:
                raise self._failed(str(error)) from error
            self._wait_for_socket(output.fileno())

    def stop(self) -> None:
        """Stop the process, and remove its socket and the folders.

        The process is killed if it does not exit within ``STOP_TIMEOUT``.
        """
        self._stop_process()
        with suppress(OSError):  # other listeners still use the shared folder
            self.path.parent.parent.rmdir()

    def _stop_process(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            process.stdin.close()
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.path.unlink(missing_ok=True)
        with suppress(OSError):  # the folder was never made
            self.path.parent.rmdir()

    def _make_folder(self) -> None:
        shared = self.path.parent.parent
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                shared.mkdir(mode=0o700, exist_ok=True)
                _check_private(shared)
                self.path.parent.mkdir(mode=0o700, exist_ok=True)
            # The last of the other listeners has just removed the shared folder. pathlib may
            # report that as FileExistsError.
            except (FileNotFoundError, FileExistsError) as error:
                in_the_way = os.path.lexists(shared) and not shared.is_dir()
                if in_the_way or time.monotonic() > deadline or not shared.parent.is_dir():
                    raise self._failed(str(error)) from error
                time.sleep(POLL_INTERVAL)
            except OSError as error:
                raise self._failed(str(error)) from error
            else:
                break
        _remove_abandoned(shared)

    def _wait_for_socket(self, output: int) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_TIMEOUT
        # The socket file appears a moment before the process listens on it.
        while sockets.why_unreachable(self.path) is not None:
            if self._process.poll() is None and time.monotonic() < deadline:
                time.sleep(POLL_INTERVAL)
                continue
            text = os.pread(output, 4096, 0).decode(errors="replace").strip()
            self.stop()
            raise self._failed(text or "the process printed no reason")

    def _failed(self, reason: str) -> BackendUnavailableError:
        return BackendUnavailableError(f"{self._name} did not start: {reason}. {self._remedy}")


def _shared_folder() -> Path:
    """Return the folder that holds the folders of all this user's listeners.

    It is in the user's runtime folder, otherwise in the temporary one, and its name holds the
    user's numeric id.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    name = f"ipybox-podman-{os.getuid()}"
    # /tmp is open to all users: _check_private refuses a folder that is not this user's.
    for parent in (runtime, tempfile.gettempdir(), "/tmp"):  # noqa: S108
        if parent and _is_usable(parent) and len(os.fsencode(parent)) + 60 < MAX_PATH:
            return Path(parent) / name
    return Path("/tmp") / name  # noqa: S108


def _is_usable(folder: str) -> bool:
    """Return whether this user may write there; after `su` the runtime folder is another's."""
    return os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)


def _remove_abandoned(shared: Path) -> None:
    """Remove the empty folders of listeners whose owners were killed.

    A folder that was made just now is kept: its socket may not exist yet.
    """
    for folder in shared.iterdir():
        with suppress(OSError):  # it holds a socket, or another process has removed it
            if time.time() - folder.stat().st_mtime > 2 * START_TIMEOUT:
                folder.rmdir()


def _check_private(folder: Path) -> None:
    """Raise BackendUnavailableError unless only this user can reach the folder."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise BackendUnavailableError(
            f"The folder {folder} for the engine's socket is not private: it must be a folder "
            "that belongs to this user, with mode 0700. Remove it."
        )
