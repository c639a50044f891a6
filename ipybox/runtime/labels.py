"""Labels that record the owner of a container, so that containers of dead owners are found."""

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
    """The process that owns a container, identified uniquely across machines and time.

    As a str, in the label of a container, the parts are joined by slashes.

    Attributes:
        machine: Id of the machine.
        boot: Id of the boot of the machine.
        namespace: PID namespace of the process.
        pid: Process id in that namespace.
        started: When the process started, in the units of the operating system.
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
        """Parse the str form of an owner.

        Args:
            text: The value of the label; it may be anything.

        Returns:
            The owner, or None if ``text`` is not the str form of one.
        """
        parts = text.split("/")
        if len(parts) != 5 or not parts[3].isdigit():
            return None
        machine, boot, namespace, pid, started = parts
        return cls(machine=machine, boot=boot, namespace=namespace, pid=int(pid), started=started)

    @classmethod
    def current(cls) -> Owner:
        """Return the current process as an owner."""
        pid = os.getpid()
        return cls(
            machine=_machine(),
            boot=_boot(),
            namespace=_namespace(),
            pid=pid,
            started=_start_time(pid) or "?",
        )

    @property
    def is_dead(self) -> bool:
        """Whether the process is known to have exited.

        False for a process of another machine or PID namespace, which cannot be examined from
        here.
        """
        if self.boot != _boot():
            # Either the same machine, rebooted since then, or another one.
            return self.machine == _machine()
        if self.namespace != _namespace():
            return False
        return _start_time(self.pid) != self.started


def labels_for(spec: ContainerSpec) -> dict[str, str]:
    """Return all labels of a new container.

    Args:
        spec: The spec of the container.

    Returns:
        The labels of the spec, and those that record container, owner, lease and image.
    """
    lease = NO_LEASE if spec.lease is None else f"{spec.lease:g}"
    return {
        **spec.labels,
        CONTAINER_LABEL: spec.name,
        OWNER_LABEL: str(Owner.current()),
        LEASE_LABEL: lease,
        TAG_LABEL: spec.tag,
    }


def is_abandoned(labels: Mapping[str, str]) -> bool:
    """Return whether a container is left over from a dead owner.

    Args:
        labels: The labels of the container.

    Returns:
        Whether the owner in the labels is known to be dead. False for a container without a
        lease, which was meant to outlive its owner.
    """
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


def _start_time(pid: int) -> str | None:
    """Return when a process started, or None if there is no such process."""
    if sys.platform == "linux":
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        # proc(5): fields[0] is the state (Z and X are dead), fields[19] the start time.
        return None if fields[0] in "ZX" else fields[19]
    return "".join(_output("ps", "-o", "lstart=", "-p", str(pid)).split()) or None


def _output(*argv: str) -> str:
    result = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=5)
    return result.stdout.strip()
