"""Validation of limits and ports."""

import pytest

from ipybox import InvalidArgumentError, Port, Resources


@pytest.mark.parametrize(
    "bad",
    [{"cpus": 0}, {"cpus": "1"}, {"cpus": True}, {"memory_bytes": 1.5e9}, {"memory_bytes": 1},
     {"pids": 3}, {"shm_bytes": -1}, {"open_files": 0}],
)  # fmt: skip
def test_invalid_limits_are_refused_by_name(bad: dict[str, object]) -> None:
    with pytest.raises(InvalidArgumentError, match=f"resources.{next(iter(bad))}"):
        Resources(**bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("port", [0, 70000, True, "80"])
def test_invalid_port_numbers_are_refused(port: object) -> None:
    with pytest.raises(InvalidArgumentError):
        Port(container_port=port)  # type: ignore[arg-type]


def test_unknown_protocols_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="protocol of port 53 must be 'tcp' or 'udp'"):
        Port(container_port=53, protocol="icmp")  # type: ignore[arg-type]
