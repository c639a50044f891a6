"""How much of an execution's output is kept."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ipybox.errors import InvalidArgumentError


@dataclass(frozen=True, kw_only=True)
class OutputLimits:
    """Caps of one execution. What lies past them is dropped, counted, and told.

    ``text`` in characters over stdout, stderr and plain-text results; ``outputs``
    in MIME bundles.
    """

    text: int = 64 * 1024 * 1024
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
    """What a cap cut off: ``text`` in characters, ``outputs`` in bundles. False if nothing."""

    text: int = 0
    outputs: int = 0

    def __bool__(self) -> bool:
        return bool(self.text or self.outputs)
