"""The configuration that the runtime reads, and the output that it writes, at start."""

import json

import pytest

from ipybox.authoring import ContainerSpec, LaunchOutput, config_line


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_events_are_separated_from_the_log(size: int) -> None:
    output = LaunchOutput()
    text = (
        b'noise\n{"event": "bound", "port": 1}\n{"event": no json\nmore\r\n{"event": "ready"}\nend'
    )
    events = []
    for start in range(0, len(text), size):
        events += output.feed("stdout", text[start : start + size])
    assert [event["event"] for event in events] == ["bound", "ready"]
    assert output.tail() == ["noise", '{"event": no json', "more", "end"]


def test_standard_error_carries_no_events() -> None:
    output = LaunchOutput()
    assert output.feed("stderr", b'{"event": "ready"}\n') == []
    assert output.tail() == ['{"event": "ready"}']


def test_a_line_without_end_is_bounded() -> None:
    output = LaunchOutput()
    for _ in range(100):
        output.feed("stdout", b"x" * 100_000)
    assert sum(map(len, output.tail(1000))) < 11_000_000


def test_the_configuration_is_one_line_of_json() -> None:
    spec = ContainerSpec(lease=7)
    line = config_line(spec, hosts=["b", "a"])
    assert line.count(b"\n") == 1
    settings = json.loads(line)
    assert settings["token"] == spec.token
    assert settings["lease_seconds"] == 7
    assert settings["hosts"] == ["a", "b"]
