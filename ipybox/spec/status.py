"""What a backend tells of an engine, and of a container: data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NewType, TypeAlias, get_args

Isolation = Literal["none", "container", "virtual-machine"]
Enforcement = Literal["enforced", "best effort", "none"]
Concern = Literal[
    "user",
    "capabilities",
    "privileges",
    "system calls",
    "memory",
    "processes",
    "processors",
    "root file system",
    "filesystem",
    "network",
]
CONCERNS: tuple[Concern, ...] = get_args(Concern)
"""The keys of ``Guarantees.details``, except those of read-only binds."""
BindConcern = NewType("BindConcern", str)
AnyConcern: TypeAlias = Concern | BindConcern


def bind_concern(container_path: str) -> BindConcern:
    """Return the key under which ``Guarantees.details`` reports a read-only bind.

    Args:
        container_path: The bind's path in the container, as in ``Bind.container_path``.
    """
    return BindConcern(f"bind {container_path}")


@dataclass(frozen=True, kw_only=True)
class Availability:
    """Whether a backend can run containers now; where not, why, and what to do."""

    ready: bool
    version: str | None = None
    reason: str | None = None
    remedy: str | None = None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something of a host that a backend needs, or would be better with.

    ``found``: how it is; ``remedy``: what mends it, None where nothing has to be.
    """

    name: str
    level: Literal["ok", "warning", "error"]
    found: str
    remedy: str | None = None


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What the runtime has found inside its container, before any code ran.

    ``user``, ``group``: numbers. ``capabilities``: the effective ones, as the kernel's bit
    mask. ``seccomp``: the kernel's mode (0 none, 1 strict, 2 filter). Limits are as the
    control group has them, in bytes, processes and cores; None for no limit, or where
    they can't be read. ``mounts``: path to whether it is writable.
    """

    user: int
    group: int
    capabilities: int
    no_new_privileges: bool
    seccomp: int
    memory_bytes: int | None = None
    pids: int | None = None
    cpus: float | None = None
    mounts: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Guarantees:
    """What a container enforces against the code that runs in it.

    Attributes:
        isolation: What separates the code from the host. With "none", nothing in ``details``
            is enforced.
        details: How far each concern is enforced. A concern that does not apply is absent:

            - "user": the code does not run as root, unless root was asked for.
            - "capabilities": the code has no effective capability.
            - "privileges": the code cannot gain privileges (no_new_privs).
            - "system calls": a seccomp filter is active.
            - "memory", "processes": the limits of :class:`Resources`.
            - "processors": the limit of :class:`Resources`, if one was asked for.
            - "root file system": it is read-only, if that was asked for.
            - "bind PATH": the bind is read-only, for each bind that is to be; see
              :func:`bind_concern`.
            - "filesystem": the code cannot reach the host's files.
            - "network": the code's network access is restricted.
        probe: The measurements behind ``details``; None if nothing was measured.
        unmet: One sentence for each thing that was asked for, or is a default, and is not
            enforced. For a limit, the sentence names the field of :class:`Resources`.
    """

    isolation: Isolation
    details: Mapping[AnyConcern, Enforcement] = field(default_factory=dict)
    probe: Probe | None = None
    unmet: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ExitStatus:
    """How a container ended. ``code`` is negative for a signal, None where unknown, and 0
    where its owner has ended it."""

    code: int | None
    out_of_memory: bool = False
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class ExecResult:
    """What a command in the container came to. ``truncated``: bytes that were cut off."""

    exit_code: int
    stdout: bytes
    stderr: bytes
    truncated: int = 0


@dataclass(frozen=True, kw_only=True)
class Stats:
    """What a container uses: processor time in seconds since its start, memory in bytes
    (without the page cache), processes and threads."""

    cpu_seconds: float
    memory_bytes: int
    memory_limit_bytes: int | None
    pids: int | None


@dataclass(frozen=True, kw_only=True)
class ContainerInfo:
    """A container of ours, as the engine lists it. ``created``: seconds since the epoch.
    ``state``: the engine's word; "running" where it runs.

    ``abandoned``: its owner is known to be dead, and nobody else holds it.
    """

    id: str
    name: str
    state: str
    image: str
    created: float
    labels: Mapping[str, str] = field(default_factory=dict, repr=False)
    abandoned: bool = False
