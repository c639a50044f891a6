"""What an engine's inspection of a container means."""

from __future__ import annotations

from typing import Any

import pytest

from ipybox.engine import Inspection, Ref, exit_status, parse_inspection, parse_timestamp


@pytest.mark.parametrize(
    ("status", "running", "ended"),
    [
        ("created", False, False),
        ("initialized", False, False),
        ("running", True, False),
        ("paused", True, False),
        ("stopping", False, False),  # its exit code is 0 there, whatever it becomes
        ("removing", False, False),
        ("stopped", False, True),
        ("exited", False, True),
    ],
)
def test_only_a_container_that_has_exited_has_a_final_exit_code(
    status: str, running: bool, ended: bool
) -> None:
    assert Inspection(ref=Ref("id", "name"), status=status, running=running).ended == ended


def inspected(ports: dict[str, Any]) -> Inspection:
    """The inspection of a running container with these ports."""
    return parse_inspection(
        {
            "Id": "id",
            "Name": "/name",
            "State": {"Status": "running", "Running": True, "ExitCode": 0},
            "Config": {},
            "HostConfig": {},
            "NetworkSettings": {"Ports": ports},
        }
    )


def test_ports_of_both_protocols_are_kept_apart() -> None:
    ports = inspected(
        {
            "53/tcp": [{"HostIp": "127.0.0.1", "HostPort": "40001"}],
            "53/udp": [{"HostIp": "127.0.0.1", "HostPort": "40002"}],
            "8888/tcp": None,  # exposed, and not published
        }
    ).ports
    assert dict(ports) == {(53, "tcp"): 40001, (53, "udp"): 40002}


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [
        (0, 0, "ended"),
        (1, 1, "failed"),
        (75, 75, "its lease was not renewed"),
        (137, -9, "failed"),
        (200, 200, "failed"),
    ],
)
def test_an_exit_code_above_128_is_a_signal(code: int, status: int, reason: str) -> None:
    found = exit_status(code)
    assert (found.code, found.reason) == (status, reason)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T05:30:34Z",
        "2026-11-23T05:30:34.006418721Z",
        "2026-11-23T07:30:34.1+02:00",
        "2026-11-23T07:30:34+02:00",
    ],
)
def test_timestamps_become_whole_seconds(text: str) -> None:
    assert parse_timestamp(text) == 1795411834
