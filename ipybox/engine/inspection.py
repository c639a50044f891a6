"""An engine's inspection of a container, as Docker has made it and others have taken it up."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ipybox.engine.base import Inspection, Mount, Ref
from ipybox.runtime.launch import EXIT_LEASE
from ipybox.spec.status import ExitStatus

MAX_SIGNAL = 64


def read_inspection(found: Mapping[str, Any]) -> Inspection:
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
        ports={
            int(key.split("/")[0]): int(bindings[0]["HostPort"])
            for key, bindings in (network.get("Ports") or {}).items()
            if bindings
        },
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


def exit_status(code: int, *, out_of_memory: bool = False) -> ExitStatus:
    """As the engine tells an exit code: 128 and the signal for a killed process."""
    if code == EXIT_LEASE:
        return ExitStatus(code=code, reason="its lease was not renewed")
    if 128 < code <= 128 + MAX_SIGNAL:
        code = 128 - code
    reason = "out of memory" if out_of_memory else "ended" if code == 0 else "failed"
    return ExitStatus(code=code, out_of_memory=out_of_memory, reason=reason)


def seconds_of(timestamp: str) -> float:
    """The engine's time, in seconds since the epoch; its nanoseconds are cut."""
    head, _, rest = timestamp.partition(".")
    zone = "+00:00" if not rest or rest.endswith("Z") else rest[-6:]
    return datetime.fromisoformat(f"{head.removesuffix('Z')}{zone}").timestamp()
