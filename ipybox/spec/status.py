"""What a backend tells of an engine, and of a container: data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Isolation = Literal["none", "container", "virtual-machine"]
Enforcement = Literal["enforced", "best effort", "none"]


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
    """What is held against the code, per concern.

    ``details``: of "user", "capabilities", "privileges" (none can be gained), "system calls",
    "memory", "processes", "processors" (where limited), "root file system" and "bind PATH"
    (where read-only), "filesystem" (the host's), "network"; none is enforced where
    ``isolation`` is "none". ``probe`` is what that was found from, None where nothing was
    measured. ``unmet`` tells what was asked for, or is a default, and is not enforced; of a
    limit it names the field of :class:`Resources`.
    """

    isolation: Isolation
    details: Mapping[str, Enforcement] = field(default_factory=dict)
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
