"""How a container backend talks to the runtime while it starts: pure, no I/O.

One line of JSON goes to its standard input; one JSON object a line comes from its
standard output, among whatever else the container prints.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Collection, Iterable
from typing import Any

from ipybox.errors import ContainerStartError
from ipybox.spec.container import ContainerSpec
from ipybox.spec.paths import GATEWAY_PORT, RUN_FOLDER
from ipybox.spec.status import Probe

KEPT_LINES = 200
MAX_LINE_BYTES = 1024 * 1024
EXIT_LEASE = 75
"""The exit code of a container whose lease was not renewed."""


def config_line(spec: ContainerSpec, *, hosts: Collection[str] = ()) -> bytes:
    """What the runtime reads. ``hosts``: names that clients may use for the gateway."""
    config = {
        "token": spec.token,
        "host": "0.0.0.0",  # noqa: S104  # of the container; the engine publishes it on loopback
        "port": GATEWAY_PORT,
        "hosts": sorted(hosts),
        "contained": True,
        "lease_seconds": spec.lease or 0.0,
        "run_folder": RUN_FOLDER,
    }
    return json.dumps(config).encode() + b"\n"


class LaunchOutput:
    """Takes apart what a container prints: the runtime's events, and its log."""

    def __init__(self) -> None:
        self._rest = {"stdout": b"", "stderr": b""}
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)
        """The log's last lines, without the events."""

    def feed(self, stream: str, data: bytes) -> list[dict[str, Any]]:
        """The events that are complete with these bytes."""
        *lines, rest = (self._rest[stream] + data).split(b"\n")
        if len(rest) > MAX_LINE_BYTES:
            lines.append(rest)
            rest = b""
        self._rest[stream] = rest
        events = []
        for line in lines:
            event = _event(line) if stream == "stdout" else None
            if event is not None:
                events.append(event)
            else:
                self.lines.append(line.decode(errors="replace").rstrip("\r"))
        return events

    def tail(self, count: int = 20) -> list[str]:
        """The last lines, those that have no end yet among them."""
        rests = [rest.decode(errors="replace") for rest in self._rest.values() if rest]
        return [*self.lines, *rests][-count:]


def log_lines(pieces: Iterable[str]) -> list[str]:
    """A container's log without the runtime's events."""
    return [
        line.rstrip("\r\n")
        for piece in pieces
        for line in piece.splitlines()
        if not line.startswith('{"event"')
    ]


def start_failed(name: str, reason: str, tail: list[str]) -> ContainerStartError:
    """The error for a container that did not come up."""
    log = "\nIts log ends with:\n" + "\n".join(tail) if tail else ""
    return ContainerStartError(f"The container {name} did not start: {reason}.{log}")


def probe_of(event: dict[str, Any]) -> Probe | None:
    """What the runtime has measured, None where it did not."""
    found = event.get("probe")
    if not isinstance(found, dict):
        return None
    known = {name: found[name] for name in Probe.__dataclass_fields__ if name in found}
    try:
        return Probe(**known)
    except TypeError:
        return None


def _event(line: bytes) -> dict[str, Any] | None:
    if not line.startswith(b'{"event"'):
        return None
    try:
        parsed = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None
