"""What the library tells those who observe it (hook ``ipybox_event``)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

EventName = Literal[
    "image.progress",
    "container.starting",
    "container.ready",
    "container.ended",
    "kernel.connected",
    "kernel.disconnected",
    "execution.started",
    "execution.ended",
]


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened. ``time`` is monotonic, in seconds; no field holds a secret."""

    name: EventName
    subject: str  # the container's or the kernel's id, or the image's name
    data: Mapping[str, object] = field(default_factory=dict)
    time: float = field(default_factory=time.monotonic)
