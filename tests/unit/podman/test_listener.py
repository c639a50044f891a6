"""A process of ours that listens, with a small one in the place of Podman."""

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

    return Listener("the process", command, "It is a test's.")


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A runtime folder, with a name that is short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="r-"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    yield folder
    folder.rmdir()  # it is empty


@pytest.fixture
def listener(runtime: Path) -> Iterator[Listener]:
    listener = make_listener()
    assert listener.path.is_relative_to(runtime)
    yield listener
    listener.stop()


def check_listens(listener: Listener) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(listener.path))


def test_a_socket_that_is_there_before_anybody_listens(listener: Listener) -> None:
    listener.ensure()
    check_listens(listener)


def test_a_process_that_is_ending_is_not_relied_on(listener: Listener) -> None:
    """It runs still, and its socket has gone."""
    listener.ensure()
    listener.path.unlink()
    listener.ensure()
    check_listens(listener)


def test_others_that_end_while_it_starts(listener: Listener) -> None:
    """What they remove is theirs alone."""
    starting = threading.Thread(target=listener.ensure)
    starting.start()
    while starting.is_alive():
        other = make_listener()
        other._make_folder()
        other.stop()
    starting.join()
    check_listens(listener)


def test_a_folder_that_was_left_is_removed(listener: Listener) -> None:
    shared = listener.path.parent.parent
    (shared / "old").mkdir(parents=True)
    (shared / "new").mkdir()
    shared.chmod(0o700)
    os.utime(shared / "old", (0, 0))
    listener.ensure()
    assert not (shared / "old").exists()
    (shared / "new").rmdir()  # it may be somebody's who is starting


def test_a_runtime_folder_of_somebody_else_is_passed_by(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert make_listener().path.is_relative_to(runtime)
    monkeypatch.setattr(os, "access", lambda path, mode: path != str(runtime))
    assert not make_listener().path.is_relative_to(runtime)


def test_a_runtime_folder_that_has_gone_meanwhile(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = make_listener()
    runtime.rmdir()
    try:
        with pytest.raises(BackendUnavailableError, match="did not come up"):
            listener.ensure()
    finally:
        runtime.mkdir()
