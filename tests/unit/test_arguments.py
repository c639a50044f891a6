"""Mistakes that are reported without any backend: arguments, names of backends, closed ports."""

import socket

import pytest

from ipybox import BackendError, ExecutionClient, ExecutionContainer, InvalidArgumentError
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
    ],
    ids=shortened,
)  # fmt: skip
def test_invalid_client_arguments_are_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(InvalidArgumentError):
        ExecutionClient(**arguments)  # type: ignore[arg-type]


async def test_unknown_backend_raises_backend_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BackendError, match="Did you mean 'local'"):
        await ExecutionContainer(backend="locla").run()
    monkeypatch.setenv("IPYBOX_BACKEND", "nowhere")
    with pytest.raises(BackendError, match="no backend 'nowhere'"):
        await ExecutionContainer().run()
