"""How much of an execution's output is kept."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ipybox.errors import InvalidArgumentError

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class OutputLimits:
    """Caps of one execution. What lies past them is dropped, counted, and told.

    - ``text``: bytes of UTF-8, over stdout, stderr and plain-text results.
    - ``message``: bytes of one display, result or error, with all its formats.
    - ``outputs``: displays and results.
    """

    text: int = 10 * MEBIBYTE
    message: int = 32 * MEBIBYTE
    outputs: int = 1000

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InvalidArgumentError(
                    f"limits.{item.name} is {value!r}; it must be a whole number from 1."
                )


@dataclass(frozen=True, kw_only=True)
class Truncation:
    """What caps cut off; false if nothing.

    ``text`` in bytes of UTF-8; ``outputs`` that were past the number; ``messages`` that
    were too large, and ``message_bytes``, their sizes together.
    """

    text: int = 0
    outputs: int = 0
    messages: int = 0
    message_bytes: int = 0

    def __bool__(self) -> bool:
        return bool(self.text or self.outputs or self.messages)
