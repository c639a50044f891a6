"""Validation of ContainerSpec."""

import pytest

from ipybox import InvalidArgumentError, Port
from ipybox.authoring import ContainerSpec


@pytest.mark.parametrize(
    "bad",
    [
        {"name": "-x"}, {"name": "x"}, {"name": "a b"}, {"labels": {"ipybox.owner": "x"}},
        {"labels": {"a": 1}}, {"user": "a b"}, {"user": ""}, {"gpus": 0}, {"gpus": -1},
        {"gpus": True}, {"gpus": False}, {"gpus": ""}, {"lease": 0}, {"lease": 0.1},
        {"lease": "x"}, {"ports": (8000,)},
        {"ports": (Port(container_port=1), Port(container_port=1))},
    ],
)  # fmt: skip
def test_invalid_arguments_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(InvalidArgumentError):
        ContainerSpec(**bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("gpus", [None, 1, "all", "0,1"])
def test_valid_gpus_are_accepted(gpus: str | int | None) -> None:
    assert ContainerSpec(gpus=gpus).gpus == gpus


def test_one_port_may_be_published_for_tcp_and_udp() -> None:
    ports = (Port(container_port=53), Port(container_port=53, protocol="udp"))
    assert ContainerSpec(ports=ports).ports == ports


def test_the_port_of_the_gateway_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="8888/tcp: it is the gateway's own port"):
        ContainerSpec(ports=(Port(container_port=8888),))
