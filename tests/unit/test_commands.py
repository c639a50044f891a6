"""Commands that can't be right."""

import re
from typing import Any

import pytest

from ipybox import InvalidArgumentError, Port
from ipybox.authoring import ContainerSpec
from ipybox.validation import check_exec


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"argv": []}, "argv is empty"),
        ({"argv": "ls -l"}, "argv is a str; it must be a list"),
        ({"argv": [1]}, "argv[0] is 1"),
        ({"argv": ["ls", "a\0b"]}, "argv[1]"),
        ({"argv": ["ls", "\ud800"]}, "argv[1]"),
        ({"argv": [""]}, "argv[0] is empty"),
        ({"argv": None}, "argv is a NoneType"),
        ({"stdin": "text"}, "stdin is a str; it must be bytes"),
        ({"env": {"A=B": "c"}}, "'A=B'"),
        ({"timeout": "x"}, "timeout is 'x'"),
        ({"timeout": -1}, "timeout is -1"),
    ],
)
def test_what_can_not_be_right_is_told(wrong: dict[str, Any], told: str) -> None:
    right: dict[str, Any] = {"argv": ["ls"], "stdin": b"", "env": None, "timeout": 1}
    check_exec(**right)
    with pytest.raises(InvalidArgumentError, match=re.escape(told)):
        check_exec(**{**right, **wrong})


def test_the_gateways_own_port_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="8888 is the gateway's own"):
        ContainerSpec(ports=(Port(container_port=8888),))
