"""The table at the end of a run: what each suite has come to. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal


@dataclass
class Row:
    """One suite of one backend. ``lacks``: checks skipped for lack of a capability;
    ``overridden``: those that its author has replaced, each with the reason."""

    passed: int = 0
    failed: int = 0
    overridden: list[str] = field(default_factory=list)
    lacks: Counter[str] = field(default_factory=Counter)
    other_skips: int = 0


class Table:
    """Counts the reports of checks."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}

    def add(
        self,
        properties: Iterable[tuple[str, object]],
        outcome: Literal["passed", "failed", "skipped"],
    ) -> None:
        """One check's outcome; ``properties`` are what the suite has told of it."""
        told = dict(properties)
        if "ipybox_suite" not in told:
            return
        row = self.rows.setdefault(str(told["ipybox_suite"]), Row())
        if outcome == "skipped" and "ipybox_lacks" in told:
            row.lacks[str(told["ipybox_lacks"])] += 1
        elif outcome == "skipped":
            row.other_skips += 1
        elif outcome == "failed":
            row.failed += 1
        else:
            row.passed += 1
            if "ipybox_overridden" in told:
                row.overridden.append(str(told["ipybox_overridden"]))

    def lines(self) -> list[str]:
        """For people to read; nothing where no suite has run."""
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
            lines += [f"  overridden: {told}" for told in row.overridden]
        return lines
