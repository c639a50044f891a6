"""Checks of arguments, made before anything is started."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from ipybox.errors import InvalidArgumentError

KERNEL_ID = re.compile(r"[a-zA-Z0-9-]{1,64}")


def describe(value: object) -> str:
    """Return the type and value of an argument for an error message, as in ``int: 7``."""
    return f"{type(value).__name__}: {value!r}"


def is_valid_unicode(value: str) -> bool:
    """Return whether a str can be encoded as UTF-8.

    A str with a lone surrogate cannot, and so cannot be passed to another process.

    Args:
        value: The str to check.

    Returns:
        Whether ``value`` holds no lone surrogates.
    """
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_port(port: object, name: str = "port") -> None:
    """Check that an argument is a port number.

    Args:
        port: The argument.
        name: Name of the argument, for the error message.

    Raises:
        InvalidArgumentError: If ``port`` is not an int from 1 to 65535.
    """
    if isinstance(port, bool) or not isinstance(port, int) or not 1 <= port <= 65535:
        raise InvalidArgumentError(f"{name} must be an int from 1 to 65535, got {describe(port)}.")


def check_timeout(name: str, seconds: object) -> None:
    """Check that an argument is a duration.

    Args:
        name: Name of the argument, for the error message.
        seconds: The argument.

    Raises:
        InvalidArgumentError: If ``seconds`` is not a number above 0.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        raise InvalidArgumentError(
            f"{name} must be a number of seconds above 0, got {describe(seconds)}."
        )


def check_bool(name: str, value: object) -> None:
    """Check that an argument is True or False.

    Args:
        name: Name of the argument, for the error message.
        value: The argument.

    Raises:
        InvalidArgumentError: If ``value`` is not a bool.
    """
    if not isinstance(value, bool):
        raise InvalidArgumentError(f"{name} must be a bool, got {describe(value)}.")


def check_sequence(name: str, value: object, items: str) -> None:
    """Check that an argument is a list or another sequence, and not a str or bytes.

    Args:
        name: Name of the argument, for the error message.
        value: The argument. Its items are not checked.
        items: What the sequence holds, for the error message.

    Raises:
        InvalidArgumentError: If ``value`` is not a sequence, or is a str or bytes.
    """
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise InvalidArgumentError(f"{name} must be a sequence of {items}, got {describe(value)}.")


def check_grace(grace: object) -> None:
    """Check the time that a container has to exit.

    Args:
        grace: Seconds.

    Raises:
        InvalidArgumentError: If ``grace`` is not a finite number from 0.
    """
    number = isinstance(grace, int | float) and not isinstance(grace, bool)
    if not number or not 0 <= grace < math.inf:  # type: ignore[operator]
        raise InvalidArgumentError(
            f"grace must be a finite number of seconds from 0, got {describe(grace)}."
        )


def check_tail(tail: object) -> None:
    """Check a number of lines of a log.

    Args:
        tail: The number.

    Raises:
        InvalidArgumentError: If ``tail`` is not an int from 0.
    """
    if isinstance(tail, bool) or not isinstance(tail, int) or tail < 0:
        raise InvalidArgumentError(f"tail must be an int from 0, got {describe(tail)}.")


def check_completion(code: object, cursor: object) -> None:
    """Check the arguments of a request for completions.

    Args:
        code: The code.
        cursor: A position in the code, in characters, or None.

    Raises:
        InvalidArgumentError: If ``code`` is not a str, or ``cursor`` is neither None nor an int
            from 0 to the length of the code.
    """
    if not isinstance(code, str):  # the message does not show the value: it may be large
        raise InvalidArgumentError(f"code must be a str, got {type(code).__name__}.")
    if cursor is None:
        return
    if isinstance(cursor, bool) or not isinstance(cursor, int) or not 0 <= cursor <= len(code):
        raise InvalidArgumentError(
            f"cursor must be None or an int from 0 to {len(code)} (the length of the code), "
            f"got {describe(cursor)}."
        )


def check_execution_timeout(timeout: object) -> None:
    """Check the timeout of an execution.

    Args:
        timeout: Seconds, or None for no limit.

    Raises:
        InvalidArgumentError: If ``timeout`` is neither None nor a number above 0.
    """
    if timeout is not None:
        check_timeout("timeout", timeout)


def check_token(token: object) -> None:
    """Check that a token can be sent in an HTTP header.

    Args:
        token: The token, or None for a gateway that needs none.

    Raises:
        InvalidArgumentError: If ``token`` is neither None nor a str of printable ASCII without
            spaces. The message does not show the token.
    """
    if token is None:
        return
    # The messages name the type only: the value is a secret.
    if not isinstance(token, str):
        raise InvalidArgumentError(f"token must be a str, got {type(token).__name__}.")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise InvalidArgumentError(
            "token must be printable ASCII without spaces, got other characters."
        )


def check_kernel_id(kernel_id: object) -> None:
    """Check that an argument can be the id of a kernel.

    Args:
        kernel_id: The id, or None for a new kernel.

    Raises:
        InvalidArgumentError: If ``kernel_id`` is neither None nor a str of 1 to 64 ASCII letters,
            digits and ``-``.
    """
    # The id becomes part of a URL, so only the characters of an id may pass.
    if kernel_id is not None and not (
        isinstance(kernel_id, str) and KERNEL_ID.fullmatch(kernel_id)
    ):
        raise InvalidArgumentError(
            "kernel_id must be a str of 1 to 64 letters, digits and '-', "
            f"got {describe(kernel_id)}."
        )


def check_env(env: Mapping[str, str]) -> None:
    """Check that a mapping can be the environment of a process.

    Args:
        env: Names of environment variables mapped to their values.

    Raises:
        InvalidArgumentError: If ``env`` is not a mapping of str to str; if a name is empty or
            contains ``=``; if a name or value contains NUL or is not valid Unicode. The message
            does not show values.
    """
    if not isinstance(env, Mapping):
        raise InvalidArgumentError(
            f"env must be a mapping of names to values, got {type(env).__name__}."
        )
    for name, value in env.items():
        valid = isinstance(name, str) and is_valid_unicode(name) and name != ""
        if not valid or "=" in name or "\0" in name:
            raise InvalidArgumentError(
                "The name of an environment variable must be a non-empty str of valid Unicode "
                f"without '=' and NUL, got {describe(name)}."
            )
        # The messages do not show the value: it may be a secret.
        if not isinstance(value, str):
            raise InvalidArgumentError(
                f"The environment variable {name!r} must be a str, got {type(value).__name__}."
            )
        if not is_valid_unicode(value):
            raise InvalidArgumentError(
                f"The environment variable {name!r} must be valid Unicode, got a lone surrogate."
            )
        if "\0" in value:
            raise InvalidArgumentError(
                f"The environment variable {name!r} must not contain a NUL character."
            )


def check_command(argv: Sequence[str]) -> None:
    """Check that a sequence can be a program and its arguments.

    Args:
        argv: The program, followed by its arguments.

    Raises:
        InvalidArgumentError: If ``argv`` is not a sequence of str, or is a single str; if it is
            empty or its first item is; if an item contains NUL or is not valid Unicode.
    """
    if isinstance(argv, str | bytes) or not isinstance(argv, Sequence):
        raise InvalidArgumentError(
            f"argv must be a list of str, such as ['ls', '-l'], got {type(argv).__name__}. "
            "To run a shell command line, pass ['sh', '-c', 'ls -l | wc']."
        )
    if not argv:
        raise InvalidArgumentError("argv must start with a program, got an empty list.")
    for number, item in enumerate(argv):
        if not isinstance(item, str) or not is_valid_unicode(item) or "\0" in item:
            raise InvalidArgumentError(
                f"argv[{number}] must be a str of valid Unicode without NUL characters, "
                f"got {describe(item)}."
            )
    if not argv[0]:
        raise InvalidArgumentError("argv[0] must name a program, got an empty str.")


def check_exec(
    argv: Sequence[str],
    stdin: object,
    env: Mapping[str, str] | None,
    workdir: object,
    timeout: object,
) -> None:
    """Check the arguments of a command that runs in a container.

    Args:
        argv: The program, followed by its arguments.
        stdin: Bytes for the standard input of the command.
        env: Environment variables that the command gets in addition, or None.
        workdir: Working directory of the command, or None.
        timeout: Seconds that the command may take.

    Raises:
        InvalidArgumentError: If :func:`check_command` refuses ``argv``, :func:`check_env`
            refuses ``env`` or :func:`check_timeout` refuses ``timeout``; if ``stdin`` is not
            bytes-like (bytes, bytearray or memoryview); if ``workdir`` is neither None nor a
            non-empty str of valid Unicode without NUL.
    """
    check_command(argv)
    if not isinstance(stdin, bytes | bytearray | memoryview):
        raise InvalidArgumentError(
            f"stdin must be bytes, got {type(stdin).__name__}. Encode a str first."
        )
    if env is not None:
        check_env(env)
    if workdir is not None and not (
        isinstance(workdir, str) and workdir and is_valid_unicode(workdir) and "\0" not in workdir
    ):
        raise InvalidArgumentError(
            "workdir must be None or a non-empty str of valid Unicode without NUL characters, "
            f"got {describe(workdir)}."
        )
    check_timeout("timeout", timeout)
