"""The labels of a container: whose it is, so that what a dead owner has left is found."""

from __future__ import annotations

import functools
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ipybox.spec.container import ContainerSpec

CONTAINER_LABEL = "ipybox.container"
OWNER_LABEL = "ipybox.owner"
LEASE_LABEL = "ipybox.lease"
TAG_LABEL = "ipybox.tag"
NO_LEASE = "none"


@dataclass(frozen=True, kw_only=True)
class Owner:
    """A process, told apart from all others of all machines and all times.

    ``machine`` and ``boot`` are ids; ``namespace`` is that of its process numbers;
    ``started`` is what the system says of its start, in units of its own.
    """

    machine: str
    boot: str
    namespace: str
    pid: int
    started: str

    def __str__(self) -> str:
        return "/".join([self.machine, self.boot, self.namespace, str(self.pid), self.started])

    @classmethod
    def parse(cls, text: str) -> Owner | None:
        """Reads what ``str`` has written; None for anything else."""
        parts = text.split("/")
        if len(parts) != 5 or not parts[3].isdigit():
            return None
        machine, boot, namespace, pid, started = parts
        return cls(machine=machine, boot=boot, namespace=namespace, pid=int(pid), started=started)

    @classmethod
    def current(cls) -> Owner:
        """This process."""
        pid = os.getpid()
        return cls(
            machine=_machine(),
            boot=_boot(),
            namespace=_namespace(),
            pid=pid,
            started=_started(pid) or "?",
        )

    @property
    def is_dead(self) -> bool:
        """Whether it is known to have ended. A process of another machine is not known."""
        if self.boot != _boot():
            # The same machine, started anew since then; or another one.
            return self.machine == _machine()
        if self.namespace != _namespace():
            return False
        return _started(self.pid) != self.started


def labels_for(spec: ContainerSpec) -> dict[str, str]:
    """All labels of a new container."""
    lease = NO_LEASE if spec.lease is None else f"{spec.lease:g}"
    return {
        **spec.labels,
        CONTAINER_LABEL: spec.name,
        OWNER_LABEL: str(Owner.current()),
        LEASE_LABEL: lease,
        TAG_LABEL: spec.tag,
    }


def is_abandoned(labels: Mapping[str, str]) -> bool:
    """Whether the owner that made it is dead. One without a lease was meant to outlive it."""
    owner = Owner.parse(labels.get(OWNER_LABEL, ""))
    return owner is not None and owner.is_dead and labels.get(LEASE_LABEL) != NO_LEASE


@functools.cache
def _machine() -> str:
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        try:
            if found := Path(path).read_text().strip():
                return found
        except OSError:
            continue
    return socket.gethostname().replace("/", "-")


@functools.cache
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return _output("sysctl", "-n", "kern.bootsessionuuid") or "?"


def _namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return "host"


def _started(pid: int) -> str | None:
    """None for a process that is not there."""
    if sys.platform == "linux":
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else fields[19]
    return "".join(_output("ps", "-o", "lstart=", "-p", str(pid)).split()) or None


def _output(*argv: str) -> str:
    result = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=5)
    return result.stdout.strip()
