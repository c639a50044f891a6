"""The timeouts of the steps by which a client handles what does not finish or answer."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, fields

from ipybox.errors import InvalidArgumentError
from ipybox.validation import check_timeout, describe


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """How long each step may take when something does not finish or answer by itself.

    Attributes:
        interrupt: Seconds for code to stop after it was interrupted.
        probe: Seconds for the kernel to answer after an interrupt. If it does, its variables are
            preserved.
        restart: Seconds for a new kernel to start in place of one that did not answer.
        reconnect: Seconds in which a broken connection may be resumed.

    Raises:
        InvalidArgumentError: If a value is not a positive number.
    """

    interrupt: float = 2.0
    probe: float = 1.0
    restart: float = 20.0
    reconnect: float = 2.5

    def __post_init__(self) -> None:
        for item in fields(self):
            check_timeout(f"timeouts.{item.name}", getattr(self, item.name))


def resolve_timeouts(
    timeouts: Timeouts | None, deprecated: dict[str, float | None], *, stacklevel: int
) -> Timeouts:
    """Return the timeouts given by the argument ``timeouts``, or by the deprecated ones.

    Args:
        timeouts: The argument ``timeouts``; None if it was not given.
        deprecated: The deprecated arguments (``interrupt_grace`` and the like) by the field that
            replaces them; None for those that were not given.
        stacklevel: Where the warning points to, as in ``warnings.warn``, from this function.

    Raises:
        InvalidArgumentError: If ``timeouts`` is not a Timeouts, if both are given, or if a value
            is not a positive number.
    """
    given = {field: seconds for field, seconds in deprecated.items() if seconds is not None}
    if timeouts is not None and not isinstance(timeouts, Timeouts):
        raise InvalidArgumentError(f"timeouts must be a Timeouts, got {describe(timeouts)}.")
    if not given:
        return timeouts or Timeouts()
    names = ", ".join(f"{field}_grace" for field in given)
    replacement = f"timeouts=Timeouts({', '.join(f'{field}=...' for field in given)})"
    if timeouts is not None:
        raise InvalidArgumentError(
            f"timeouts and {names} can't be given together. Use {replacement}."
        )
    warnings.warn(
        f"{names} is deprecated; use {replacement}.", DeprecationWarning, stacklevel=stacklevel + 1
    )
    return Timeouts(**given)
