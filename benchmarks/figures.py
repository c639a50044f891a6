"""A measured figure, beside its target."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Comparison = Literal["<=", ">=", "=="]

REACHES = {"<=": operator.le, ">=": operator.ge, "==": operator.eq}


@dataclass(frozen=True, kw_only=True)
class Panel:
    """How a figure's contenders are drawn in the plot."""

    title: str
    best: Literal["lower", "higher"]
    notes: dict[str, str] = field(default_factory=dict)  # by contender, behind its value


@dataclass(frozen=True, kw_only=True)
class Figure:
    """``value`` is what the target is for; ``contenders`` is what it was made from, each in
    ``contender_unit``; ``details`` name their own units."""

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
        return bool(REACHES[self.comparison](self.value, self.target))


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Figures that could not be measured here, and why."""

    name: str
    reason: str


def p95(values: Sequence[float]) -> float:
    """The smallest value that 95 of 100 do not exceed."""
    return sorted(values)[math.ceil(len(values) * 0.95) - 1]
