"""Events that the library reports to plugins through the hook ``ipybox_event``."""

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
    """Something that happened to an image, a container, a kernel or an execution.

    No field holds a secret.

    Attributes:
        name: What happened.
        subject: Name of the image or container, or id of the kernel.
        data: Details, which depend on ``name``.
        time: When it happened: seconds of the monotonic clock.
    """

    name: EventName
    subject: str
    data: Mapping[str, object] = field(default_factory=dict)
    time: float = field(default_factory=time.monotonic)
