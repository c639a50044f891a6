"""Measured figures and their targets."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Comparison = Literal["<=", ">=", "=="]

OPERATORS = {"<=": operator.le, ">=": operator.ge, "==": operator.eq}


@dataclass(frozen=True, kw_only=True)
class Panel:
    """How the plot draws a figure's contenders.

    Attributes:
        title: Title of the panel.
        best: Whether lower or higher values are better.
        notes: Contender to a note that follows its value.
    """

    title: str
    best: Literal["lower", "higher"]
    notes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A measured value and its target.

    Attributes:
        name: What was measured.
        value: The measured value, in ``unit``.
        unit: Unit of ``value`` and ``target``; "×" for a ratio, "" for a count or a share.
        comparison: How ``value`` must compare to ``target``.
        target: The value to reach, in ``unit``.
        contenders: Contender to the value from which ``value`` was computed, in
            ``contender_unit``.
        contender_unit: Unit of ``contenders``.
        details: Further values by name; each name includes the unit.
        panel: How the plot draws the figure; None leaves it out of the plot.
    """

    name: str
    value: float
    unit: str
    comparison: Comparison
    target: float
    contenders: dict[str, float] = field(default_factory=dict)
    contender_unit: str = ""
    details: dict[str, float] = field(default_factory=dict)
    panel: Panel | None = None

    @property
    def reached(self) -> bool:
        """Whether the value reaches the target."""
        return bool(OPERATORS[self.comparison](self.value, self.target))


@dataclass(frozen=True, kw_only=True)
class SkippedFigure:
    """Figures that could not be measured on this machine.

    Attributes:
        name: What was to be measured.
        reason: Why it was skipped.
    """

    name: str
    reason: str


def p95(values: Sequence[float]) -> float:
    """Return the 95th percentile: the smallest value that at least 95% of them do not exceed."""
    return sorted(values)[math.ceil(len(values) * 0.95) - 1]
