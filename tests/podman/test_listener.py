"""A child process that listens on a private socket; a small program stands in for Podman."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from ipybox_podman.listener import Listener

from ipybox import BackendUnavailableError

pytestmark = pytest.mark.slow

SLOW = """
import socket, sys, time
server = socket.socket(socket.AF_UNIX)
time.sleep(0.2)
server.bind(sys.argv[1])
time.sleep(0.2)
server.listen()
sys.stdin.read()
"""


def make_listener() -> Listener:
    def command(path: Path) -> list[str]:
        return [sys.executable, "-c", SLOW, str(path)]

    return Listener("The stand-in", command, "Fix the test.")


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user's runtime folder, with a path that is short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="r-"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    yield folder
    folder.rmdir()  # fails unless it is empty


@pytest.fixture
def listener(runtime: Path) -> Iterator[Listener]:
    listener = make_listener()
    assert listener.path.is_relative_to(runtime)
    yield listener
    listener.stop()


def check_listens(listener: Listener) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(listener.path))


def test_ensure_waits_until_the_process_listens_on_its_socket(listener: Listener) -> None:
    listener.ensure_listening()
    check_listens(listener)


def test_a_process_without_its_socket_is_replaced(listener: Listener) -> None:
    """A service that is about to exit still runs after it has removed its socket."""
    listener.ensure_listening()
    listener.path.unlink()
    listener.ensure_listening()
    check_listens(listener)


def test_listeners_that_stop_do_not_disturb_one_that_starts(listener: Listener) -> None:
    """Each removes its own folder only."""
    starting = threading.Thread(target=listener.ensure_listening)
    starting.start()
    while starting.is_alive():
        other = make_listener()
        other._make_folder()
        other.stop()
    starting.join()
    check_listens(listener)


def test_abandoned_folders_are_removed(listener: Listener) -> None:
    shared = listener.path.parent.parent
    (shared / "old").mkdir(parents=True)
    (shared / "new").mkdir()
    shared.chmod(0o700)
    os.utime(shared / "old", (0, 0))
    listener.ensure_listening()
    assert not (shared / "old").exists()
    (shared / "new").rmdir()  # kept: another listener may be starting there


def test_a_runtime_folder_of_another_user_is_not_used(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert make_listener().path.is_relative_to(runtime)
    monkeypatch.setattr(os, "access", lambda path, mode: path != str(runtime))
    assert not make_listener().path.is_relative_to(runtime)


def test_a_missing_runtime_folder_is_reported(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = make_listener()
    runtime.rmdir()
    try:
        with pytest.raises(BackendUnavailableError, match="The stand-in did not start"):
            listener.ensure_listening()
    finally:
        runtime.mkdir()
