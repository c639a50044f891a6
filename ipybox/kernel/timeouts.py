"""How long each step may take when something does not end by itself."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ipybox.validation import check_timeout


@dataclass(frozen=True, kw_only=True)
class Graces:
    """In seconds, each above 0; :class:`ExecutionClient` tells what they are for."""

    interrupt: float = 2.0
    probe: float = 1.0
    restart: float = 20.0
    reconnect: float = 2.5

    def __post_init__(self) -> None:
        for item in fields(self):
            check_timeout(f"{item.name}_grace", getattr(self, item.name))


DEFAULT = Graces()
