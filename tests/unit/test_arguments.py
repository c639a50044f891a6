"""Mistakes that are reported without any backend: arguments, names of backends, closed ports."""

import math
import socket
from types import SimpleNamespace
from typing import Any

import pytest

from ipybox import (
    BackendError,
    ExecutionClient,
    ExecutionContainer,
    InvalidArgumentError,
    NotConnectedError,
)
from ipybox.authoring import PublishedPorts
from ipybox.errors import ConnectFailedError


def shortened(value: object) -> str:
    """Name a test by its arguments, of which some are very long."""
    return repr(value)[:60]


async def test_connect_to_a_closed_port_raises_connect_failed_error() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    client = ExecutionClient(port)
    with pytest.raises(ConnectFailedError, match=f":{port}"):
        await client.connect(retries=2, retry_interval=0.01)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"binds": {"x": "/abs"}}, "must be relative"),
        ({"binds": {"x": "../up"}}, "may not leave"),
        ({"binds": {"x": "a/../../b"}}, "may not leave"),
        ({"binds": {"x": "t", "y": "t"}}, "share"),
        ({"binds": {"x": "t", "y": "./t/"}}, "share"),
        ({"binds": {"x": "t", "y": "t/below"}}, "inside each other"),
        ({"binds": {"x": ""}}, "empty"),
        ({"binds": {"x": "."}}, "empty"),
        ({"binds": {"": "t"}}, "host path"),
        ({"binds": {"x": "a\0b"}}, "NUL"),
        ({"binds": {"x": 7}}, "paths"),
        ({"binds": "x:y"}, "binds"),
        ({"env": {"A=B": "1"}}, "'='"),
        ({"env": {"A\0": "1"}}, "NUL"),
        ({"env": {"": "1"}}, "empty"),
        ({"env": {"A": "1\0"}}, "NUL"),
        ({"env": {"A": 1}}, "int"),
        ({"env": ["A"]}, "list"),
        ({"port": 0}, "1 to 65535"),
        ({"port": 65536}, "1 to 65535"),
        ({"port": "8888"}, "1 to 65535"),
        ({"port": True}, "1 to 65535"),
        ({"port_allocation_timeout": 0}, "above 0"),
        ({"start_timeout": -1}, "above 0"),
        ({"env": {"A": "\ud800"}}, "Unicode"),
        ({"env": {"\ud800": "1"}}, "valid Unicode"),
        ({"binds": {"x": "\ud800"}}, "Unicode"),
        ({"binds": {"x": "b" * 300}}, "255 bytes"),
        ({"binds": {"x": "b/" * 800}}, "1000"),
        ({"tag": ""}, "tag"),
        ({"backend": 7}, "backend"),
        ({"resources": {"pids": 64}}, r"resources must be None or a Resources, got dict: \{'pids'"),
        ({"resources": 3}, r"got int: 3\."),
        ({"ports": None}, r"ports must be a sequence of Port, got NoneType: None\."),
        ({"ports": 8000}, r"ports must be a sequence of Port, got int: 8000\."),
        ({"ports": "8000"}, r"ports must be a sequence of Port, got str: '8000'\."),
        ({"ports": [8000]}, r"ports must hold Port objects, got int: 8000\."),
        ({"labels": 3}, r"labels must be a mapping of str to str, got int: 3\."),
        ({"labels": ["a"]}, r"labels must be a mapping of str to str, got list: \['a'\]\."),
        ({"labels": 0}, r"got int: 0\."),
        ({"runtime": ""}, r"runtime must be None or a non-empty str, got str: ''\."),
        ({"runtime": 1}, r"runtime must be None or a non-empty str, got int: 1\."),
        ({"strict": "no"}, r"strict must be a bool, got str: 'no'\."),
        ({"read_only_root": 1}, r"read_only_root must be a bool, got int: 1\."),
        ({"engine_init": None}, r"engine_init must be a bool, got NoneType: None\."),
        ({"show_pull_progress": "x"}, r"show_pull_progress must be a bool or a function, got str"),
        ({"show_pull_progress": None}, "show_pull_progress must be a bool or a function"),
    ],
    ids=shortened,
)
def test_invalid_container_arguments_are_refused(
    arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        ExecutionContainer(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "arguments",
    [
        {"port": None}, {"port": 0}, {"port": 99999}, {"port": 1, "host": ""},
        {"port": 1, "host": "[::1"}, {"port": 1, "token": "ü"}, {"port": 1, "token": 5},
        {"port": 1, "token": "a\nb"}, {"port": 1, "limits": {"text": 1}},
        {"port": 1, "host": "a/b"}, {"port": 1, "heartbeat_interval": 0},
        {"port": 1, "timeouts": {"interrupt": 1}},
        {"port": 1, "keep_kernel": "yes"}, {"port": 1, "keep_kernel": None},
    ],
    ids=shortened,
)  # fmt: skip
def test_invalid_client_arguments_are_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(InvalidArgumentError):
        ExecutionClient(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("tail", [-1, True, 1.0, "5", None])
async def test_logs_refuses_what_is_not_a_number_of_lines(tail: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"tail must be an int from 0, got .*: .*\."):
        await ExecutionContainer().logs(tail)


@pytest.mark.parametrize("grace", [-1, True, math.inf, math.nan, "5", None])
async def test_stop_refuses_what_is_not_a_finite_time(grace: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"grace must be a finite number of .*: .*\."):
        await ExecutionContainer().stop(grace)


async def test_stop_takes_zero_seconds() -> None:
    await ExecutionContainer().stop(0)
    await ExecutionContainer().stop(0.0)


async def test_exec_refuses_an_empty_workdir() -> None:
    with pytest.raises(InvalidArgumentError, match=r"workdir must be None or .*, got str: ''\."):
        await ExecutionContainer().exec(["ls"], workdir="")


@pytest.mark.parametrize(
    ("code", "cursor", "message"),
    [
        (b"a", None, r"code must be a str, got bytes\."),
        (None, 0, r"code must be a str, got NoneType\."),
        ("ab", 3, r"cursor must be None or an int from 0 to 2 .*, got int: 3\."),
        ("ab", -1, r"got int: -1\."),
        ("ab", True, r"got bool: True\."),
        ("ab", 1.0, r"got float: 1.0\."),
    ],
)
async def test_complete_refuses_invalid_arguments(code: Any, cursor: Any, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        await ExecutionClient(1).complete(code, cursor)


@pytest.mark.parametrize("cursor", [None, 0, 2])
async def test_complete_takes_every_position_in_the_code(cursor: int | None) -> None:
    with pytest.raises(NotConnectedError):
        await ExecutionClient(1).complete("ab", cursor)


def test_ports_of_an_older_backend_are_converted() -> None:
    container = ExecutionContainer()
    container._container = SimpleNamespace(ports={8000: 40001})  # type: ignore[assignment]
    assert isinstance(container.ports, PublishedPorts)
    assert container.ports[8000, "tcp"] == container.ports[8000] == 40001


async def test_unknown_backend_raises_backend_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BackendError, match="Did you mean 'local'"):
        await ExecutionContainer(backend="locla").run()
    monkeypatch.setenv("IPYBOX_BACKEND", "nowhere")
    with pytest.raises(BackendError, match="no backend 'nowhere'"):
        await ExecutionContainer().run()
