"""What a command may be: checked before an engine is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ipybox.errors import InvalidArgumentError
from ipybox.spec import check_env, check_timeout
from ipybox.texts import is_text


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
        if not isinstance(item, str) or not is_text(item) or "\0" in item:
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
