"""Checks of arguments."""

import re
from typing import Any

import pytest

from ipybox import InvalidArgumentError
from ipybox.validation import check_env, check_exec, check_kernel_id, check_port, check_token


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"argv": []}, "argv must start with a program, got an empty list."),
        ({"argv": "ls -l"}, "argv must be a list of str, such as ['ls', '-l'], got str."),
        ({"argv": [1]}, "argv[0] must be a str"),
        ({"argv": ["ls", "a\0b"]}, "argv[1] must be a str of valid Unicode without NUL"),
        ({"argv": ["ls", "\ud800"]}, "argv[1]"),
        ({"argv": [""]}, "argv[0] must name a program, got an empty str."),
        ({"argv": None}, "got NoneType"),
        ({"stdin": "text"}, "stdin must be bytes, got str."),
        ({"env": {"A=B": "c"}}, "got str: 'A=B'."),
        ({"workdir": ""}, "workdir must be None or a non-empty str of valid Unicode without NUL"),
        ({"workdir": 7}, "got int: 7."),
        ({"workdir": "a\0"}, "got str: 'a\\x00'."),
        ({"workdir": "\ud800"}, "workdir must be None"),
        ({"timeout": "x"}, "timeout must be a number of seconds above 0, got str: 'x'."),
        ({"timeout": -1}, "timeout must be a number of seconds above 0, got int: -1."),
    ],
)
def test_check_exec_says_which_argument_is_wrong(wrong: dict[str, Any], message: str) -> None:
    right: dict[str, Any] = {"argv": ["ls"], "stdin": b"", "env": None, "workdir": None}
    right["timeout"] = 1
    check_exec(**right)
    with pytest.raises(InvalidArgumentError, match=re.escape(message)):
        check_exec(**{**right, **wrong})


@pytest.mark.parametrize("port", [0, 70000, True, "80", None])
def test_check_port_refuses_other_values_than_port_numbers(port: object) -> None:
    with pytest.raises(InvalidArgumentError, match="port must be an int from 1 to 65535"):
        check_port(port)


@pytest.mark.parametrize("kernel_id", ["../x", "", "a" * 65, 7])
def test_check_kernel_id_refuses_what_could_change_a_url(kernel_id: object) -> None:
    with pytest.raises(InvalidArgumentError, match="kernel_id must be"):
        check_kernel_id(kernel_id)


def test_errors_do_not_show_secrets() -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        check_token("s3cret token")
    assert "s3cret" not in str(caught.value)
    with pytest.raises(InvalidArgumentError) as caught:
        check_env({"KEY": "s3cret\0"})
    assert "s3cret" not in str(caught.value)
