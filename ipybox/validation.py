"""Checks of arguments: each raises InvalidArgumentError, before anything is started."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ipybox.errors import InvalidArgumentError

KERNEL_ID = re.compile(r"[a-zA-Z0-9-]{1,64}")


def is_valid_unicode(value: str) -> bool:
    """Whether it is Unicode text: a lone surrogate can be handed to no other process."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_port(port: object, name: str = "port") -> None:
    """Raises InvalidArgumentError unless ``port`` is a port number."""
    if isinstance(port, bool) or not isinstance(port, int) or not 1 <= port <= 65535:
        raise InvalidArgumentError(f"{name} is {port!r}; it must be a number from 1 to 65535.")


def check_timeout(name: str, seconds: object) -> None:
    """Raises InvalidArgumentError unless ``seconds`` is a positive number."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        raise InvalidArgumentError(f"{name} is {seconds!r}; it must be above 0 seconds.")


def check_execution_timeout(timeout: object) -> None:
    """Raises InvalidArgumentError unless it is None (no limit) or above 0 seconds."""
    if timeout is not None:
        check_timeout("timeout", timeout)


def check_token(token: object) -> None:
    """Raises InvalidArgumentError unless it is None or can stand in an HTTP header."""
    if token is None:
        return
    # The value is not shown: it is a secret.
    if not isinstance(token, str):
        raise InvalidArgumentError(f"token is a {type(token).__name__}; it must be a str.")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise InvalidArgumentError("token holds other characters than printable ASCII.")


def check_kernel_id(kernel_id: object) -> None:
    """Raises InvalidArgumentError unless it is None or can be a kernel's id."""
    # It becomes part of a URL: nothing but what an id is made of is let through.
    if kernel_id is not None and not (
        isinstance(kernel_id, str) and KERNEL_ID.fullmatch(kernel_id)
    ):
        raise InvalidArgumentError(
            f"kernel_id is {kernel_id!r}; it must be letters, digits and '-'."
        )


def check_env(env: Mapping[str, str]) -> None:
    """Raises InvalidArgumentError unless it maps names to values, as a process has them."""
    if not isinstance(env, Mapping):
        raise InvalidArgumentError(f"env is a {type(env).__name__}; it must map names to values.")
    for name, value in env.items():
        valid = isinstance(name, str) and is_valid_unicode(name) and name != ""
        if not valid or "=" in name or "\0" in name:
            raise InvalidArgumentError(
                f"environment name {name!r}: it must be a text without '=' and NUL, and not empty."
            )
        # The value is not shown: it may be a secret.
        if not isinstance(value, str):
            raise InvalidArgumentError(
                f"environment variable {name!r} has a {type(value).__name__}; it must be a str."
            )
        if not is_valid_unicode(value):
            raise InvalidArgumentError(
                f"environment variable {name!r} has a value that is no Unicode text."
            )
        if "\0" in value:
            raise InvalidArgumentError(f"environment variable {name!r} has a NUL in its value.")


def check_command(argv: Sequence[str]) -> None:
    """Raises InvalidArgumentError unless it is a program and its arguments."""
    if isinstance(argv, str | bytes) or not isinstance(argv, Sequence):
        raise InvalidArgumentError(
            f"argv is a {type(argv).__name__}; it must be a list of texts, as in ['ls', '-l']. "
            "For a line of the shell: ['sh', '-c', 'ls -l | wc']."
        )
    if not argv:
        raise InvalidArgumentError("argv is empty; it must begin with a program.")
    for number, item in enumerate(argv):
        if not isinstance(item, str) or not is_valid_unicode(item) or "\0" in item:
            raise InvalidArgumentError(
                f"argv[{number}] is {item!r}; it must be a text without a NUL character."
            )
    if not argv[0]:
        raise InvalidArgumentError("argv[0] is empty; it must name a program.")


def check_exec(
    argv: Sequence[str], stdin: object, env: Mapping[str, str] | None, timeout: object
) -> None:
    """The same for what a command is given besides."""
    check_command(argv)
    if not isinstance(stdin, bytes | bytearray | memoryview):
        raise InvalidArgumentError(
            f"stdin is a {type(stdin).__name__}; it must be bytes. Encode a text first."
        )
    if env is not None:
        check_env(env)
    check_timeout("timeout", timeout)
