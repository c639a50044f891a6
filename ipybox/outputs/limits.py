"""Limits on how much output of an execution is kept."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ipybox.errors import InvalidArgumentError
from ipybox.spec.status import Truncation as Truncation
from ipybox.validation import describe

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class OutputLimits:
    """Limits on the output of one execution.

    Output beyond a limit is dropped, and counted in ``ExecutionResult.truncated``.

    Attributes:
        text: Bytes of UTF-8 in stdout, stderr and plain-text results together. Default: 10 MiB.
        message: Bytes of one display, result or error, with all its formats. Default: 32 MiB.
        outputs: Number of displays and results. Default: 1000.

    Raises:
        InvalidArgumentError: If a limit is not an int from 1.
    """

    text: int = 10 * MEBIBYTE
    message: int = 32 * MEBIBYTE
    outputs: int = 1000

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InvalidArgumentError(
                    f"limits.{item.name} must be an int from 1, got {describe(value)}."
                )
