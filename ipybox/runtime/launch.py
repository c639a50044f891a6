"""What a backend and the runtime say to each other while a container starts: pure, no I/O.

The backend writes one line of JSON to the runtime's standard input. The runtime writes events
to its standard output, one JSON object per line, among whatever else the container prints.
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
"""Exit code of a container whose lease was not renewed."""


def config_line(spec: ContainerSpec, *, hosts: Collection[str] = ()) -> bytes:
    """Return the configuration that the runtime reads from its standard input.

    Args:
        spec: The spec of the container.
        hosts: Host names, besides those of loopback, that clients may use for the gateway.

    Returns:
        One line of JSON, with its line feed.
    """
    config = {
        "token": spec.token,
        # All interfaces of the container; on the host the engine publishes it on loopback only.
        "host": "0.0.0.0",  # noqa: S104
        "port": GATEWAY_PORT,
        "hosts": sorted(hosts),
        "contained": True,
        "lease_seconds": spec.lease or 0.0,
        "run_folder": RUN_FOLDER,
    }
    return json.dumps(config).encode() + b"\n"


class LaunchOutput:
    """The output of a container, separated into the runtime's events and the log.

    Attributes:
        lines: The last 200 complete lines of the log, without the events.
    """

    def __init__(self) -> None:
        self._rest = {"stdout": b"", "stderr": b""}
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)

    def feed(self, stream: str, data: bytes) -> list[dict[str, Any]]:
        """Add output of the container.

        Args:
            stream: ``"stdout"`` or ``"stderr"``. Only standard output carries events.
            data: What was read, in pieces of any size.

        Returns:
            The events that these bytes complete, in order.
        """
        *lines, rest = (self._rest[stream] + data).split(b"\n")
        if len(rest) > MAX_LINE_BYTES:
            lines.append(rest)
            rest = b""
        self._rest[stream] = rest
        events = []
        for line in lines:
            event = _parse_event(line) if stream == "stdout" else None
            if event is not None:
                events.append(event)
            else:
                self.lines.append(line.decode(errors="replace").rstrip("\r"))
        return events

    def tail(self, count: int = 20) -> list[str]:
        """Return the last lines of the log, oldest first, incomplete ones included.

        Args:
            count: Number of lines.
        """
        rests = [rest.decode(errors="replace") for rest in self._rest.values() if rest]
        return [*self.lines, *rests][-count:]


def log_lines(pieces: Iterable[str]) -> list[str]:
    """Remove the runtime's events from the log of a container.

    Args:
        pieces: The log, in pieces of one or more lines.

    Returns:
        The remaining lines, without line ends.
    """
    return [
        line.rstrip("\r\n")
        for piece in pieces
        for line in piece.splitlines()
        if not line.startswith('{"event"')
    ]


def start_failed(name: str, reason: str, tail: list[str]) -> ContainerStartError:
    """Build the error for a container that did not start.

    Args:
        name: Name of the container.
        reason: Why it did not start, as a phrase without a full stop.
        tail: The last lines of its log; empty if there are none.

    Returns:
        The error, to be raised by the caller.
    """
    log = "\nLast lines of its log:\n" + "\n".join(tail) if tail else ""
    return ContainerStartError(f"The container {name} did not start: {reason}.{log}")


def probe_of(event: dict[str, Any]) -> Probe | None:
    """Read the runtime's measurements from an event.

    Args:
        event: An event of the runtime; its contents are untrusted.

    Returns:
        The probe, or None if the event holds none or one that is incomplete.
    """
    found = event.get("probe")
    if not isinstance(found, dict):
        return None
    known = {name: found[name] for name in Probe.__dataclass_fields__ if name in found}
    try:
        return Probe(**known)
    except TypeError:
        return None


def _parse_event(line: bytes) -> dict[str, Any] | None:
    if not line.startswith(b'{"event"'):
        return None
    try:
        parsed = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None
