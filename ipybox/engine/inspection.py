"""What an engine reports of a container: Docker's inspection, which other engines adopted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ipybox.runtime.launch import EXIT_LEASE
from ipybox.spec.ports import PublishedPorts
from ipybox.spec.status import ExitStatus

MAX_SIGNAL = 64
SIGNAL_BASE = 128
"""An engine reports a process that signal N has killed with the exit code 128 + N."""
NO_FINAL_EXIT_CODE = ("created", "configured", "initialized", "stopping", "removing")
"""States of a container that does not run and whose exit code may still change."""


@dataclass(frozen=True)
class Ref:
    """A container of an engine.

    Attributes:
        id: The engine's id.
        name: The name, for messages.
    """

    id: str
    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A folder of the engine's host that is mounted into a container.

    Attributes:
        source: Path on the engine's host.
        target: Absolute path in the container.
        read_only: Whether the container cannot write to it.
    """

    source: str
    target: str
    read_only: bool


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What an engine reports of one container.

    Attributes:
        ref: Id and name.
        status: The state in the engine's own word, as in "running" or "exited".
        running: Whether the container's first process runs; a paused one does.
        exit_code: The engine's exit code, 128 + N for signal N; see :attr:`ended`.
        out_of_memory: Whether the engine saw the container run out of memory.
        labels: All labels.
        ports: Container ports that are published on the engine's host.
        addresses: Network name to the container's address in it; the name "" stands for the
            default network.
        memory_bytes: Memory limit in bytes; None for no limit.
        pids: Limit on processes and threads; None for no limit.
        read_only_root: Whether the root file system is read-only.
        binds: Folders of the host that are mounted.
    """

    ref: Ref
    status: str
    running: bool
    exit_code: int = 0
    out_of_memory: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: PublishedPorts = field(default_factory=PublishedPorts)
    addresses: Mapping[str, str] = field(default_factory=dict)
    memory_bytes: int | None = None
    pids: int | None = None
    read_only_root: bool = False
    binds: Sequence[Mount] = ()

    @property
    def ended(self) -> bool:
        """Whether the container has run to its end, so that its exit code is final."""
        return not self.running and self.status not in NO_FINAL_EXIT_CODE


def parse_inspection(found: Mapping[str, Any]) -> Inspection:
    """Read what an engine reports of a container.

    Args:
        found: The JSON of ``GET /containers/{id}/json``.

    Returns:
        The state and settings of the container.

    Raises:
        KeyError: If the JSON lacks a key.
    """
    state, host, network = found["State"], found["HostConfig"], found["NetworkSettings"]
    addresses = {
        name: item.get("IPAddress") or "" for name, item in (network.get("Networks") or {}).items()
    }
    return Inspection(
        ref=Ref(found["Id"], str(found["Name"]).lstrip("/")),
        status=str(state["Status"]),
        running=bool(state["Running"]),
        exit_code=int(state["ExitCode"]),
        out_of_memory=bool(state.get("OOMKilled")),
        labels=found["Config"].get("Labels") or {},
        ports=_published_ports(network.get("Ports") or {}),
        addresses={"": network.get("IPAddress") or "", **addresses},
        memory_bytes=host.get("Memory") or None,
        pids=host.get("PidsLimit") or None,
        read_only_root=bool(host.get("ReadonlyRootfs")),
        binds=tuple(
            Mount(source=item["Source"], target=item["Destination"], read_only=not item["RW"])
            for item in found.get("Mounts") or ()
            if item["Type"] == "bind"
        ),
    )


def _published_ports(found: Mapping[str, Any]) -> PublishedPorts:
    """Return the published ports of a mapping such as {"53/udp": [{"HostPort": "40001"}]}."""
    ports: dict[tuple[int, str], int] = {}
    for key, bindings in found.items():
        if bindings:  # None for a port that is exposed and not published
            number, _, protocol = key.partition("/")
            ports[int(number), protocol] = int(bindings[0]["HostPort"])
    return PublishedPorts(ports)


def exit_status(code: int, *, out_of_memory: bool = False) -> ExitStatus:
    """Return the exit status for an engine's exit code.

    Args:
        code: As the engine reports it: 128 + N if signal N has killed the first process.
        out_of_memory: Whether the container ran out of memory.

    Returns:
        The exit status, with a negative code for a signal.
    """
    if code == EXIT_LEASE:
        return ExitStatus(code=code, reason="its lease was not renewed")
    if SIGNAL_BASE < code <= SIGNAL_BASE + MAX_SIGNAL:
        code = SIGNAL_BASE - code
    reason = "out of memory" if out_of_memory else "ended" if code == 0 else "failed"
    return ExitStatus(code=code, out_of_memory=out_of_memory, reason=reason)


def parse_timestamp(timestamp: str) -> float:
    """Read an engine's timestamp.

    Args:
        timestamp: A time as in RFC 3339.

    Returns:
        Whole seconds since the epoch.

    Raises:
        ValueError: If ``timestamp`` is not such a time.
    """
    return float(int(datetime.fromisoformat(timestamp).timestamp()))
