"""The table at the end of a run: the outcomes of each suite's checks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal


@dataclass
class Row:
    """The outcomes of one suite's checks.

    Attributes:
        passed: Number of checks that passed, replaced ones included.
        failed: Number of checks that failed.
        overridden: The replaced checks that passed, each with the author's reason.
        lacks: Number of checks skipped for each missing capability or newer suite version.
        other_skips: Number of checks skipped for any other reason.
    """

    passed: int = 0
    failed: int = 0
    overridden: list[str] = field(default_factory=list)
    lacks: Counter[str] = field(default_factory=Counter)
    other_skips: int = 0


class Table:
    """Counts outcomes of checks, with a row for each suite."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}

    def add(
        self,
        properties: Iterable[tuple[str, object]],
        outcome: Literal["passed", "failed", "skipped"],
    ) -> None:
        """Count the outcome of one check.

        Args:
            properties: The pytest properties that the suite has recorded for the check; a
                test without ``ipybox_suite`` among them is not counted.
            outcome: How the check finished.
        """
        recorded = dict(properties)
        if "ipybox_suite" not in recorded:
            return
        row = self.rows.setdefault(str(recorded["ipybox_suite"]), Row())
        if outcome == "skipped" and "ipybox_lacks" in recorded:
            row.lacks[str(recorded["ipybox_lacks"])] += 1
        elif outcome == "skipped":
            row.other_skips += 1
        elif outcome == "failed":
            row.failed += 1
        else:
            row.passed += 1
            if "ipybox_overridden" in recorded:
                row.overridden.append(str(recorded["ipybox_overridden"]))

    def lines(self) -> list[str]:
        """Return the table as lines of text; no lines if no suite has run."""
        if not self.rows:
            return []
        width = max(len("suite"), *map(len, self.rows))
        lines = [f"{'suite':<{width}} passed failed overridden skipped, for lack of"]
        for name, row in sorted(self.rows.items()):
            skipped = [f"{lack} ({count})" for lack, count in sorted(row.lacks.items())]
            if row.other_skips:
                skipped.append(f"for other reasons ({row.other_skips})")
            lines.append(
                f"{name:<{width}} {row.passed:>6} {row.failed:>6} {len(row.overridden):>10} "
                f"{'; '.join(skipped) or '–'}"
            )
            lines += [f"  overridden: {reason}" for reason in row.overridden]
        return lines
