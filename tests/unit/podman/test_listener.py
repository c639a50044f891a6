"""A process of ours that listens, with a small one in the place of Podman."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ipybox_podman.listener import Listener

SLOW = """
import socket, sys, time
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
time.sleep(0.3)
server.listen()
sys.stdin.read()
"""


@pytest.fixture
def listener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))

    def command(path: Path) -> list[str]:
        return [sys.executable, "-c", SLOW, str(path)]

    listener = Listener("the process", command, "It is a test's.")
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
