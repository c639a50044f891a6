"""What backends report about an engine and its containers, and gateways about kernels."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal, NewType, TypeAlias, get_args

from ipybox.spec.dict_access import DictAccess

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
    """Whether a backend can run containers now.

    Attributes:
        ready: Whether it can.
        version: Version of the engine, if known.
        reason: Why the backend is not ready; None if it is.
        remedy: What the user can do about it; None if there is nothing to do, or not known.
    """

    ready: bool
    version: str | None = None
    reason: str | None = None
    remedy: str | None = None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One property of the host that a backend requires or recommends.

    Attributes:
        name: What was examined.
        level: ``"ok"``; ``"warning"`` if something recommended is missing; ``"error"`` if
            something required is.
        found: What was found.
        remedy: What fixes it; None if nothing has to be fixed.
    """

    name: str
    level: Literal["ok", "warning", "error"]
    found: str
    remedy: str | None = None


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What the runtime measured inside its container, before any code ran.

    Limits are those of the control group; None means no limit, or that the limit could not be
    read.

    Attributes:
        user: User id of the runtime and the code.
        group: Group id of the runtime and the code.
        capabilities: Effective capabilities, as the bit mask of the Linux kernel.
        no_new_privileges: Whether the processes can gain no further privileges.
        seccomp: Mode of the Linux kernel: 0 none, 1 strict, 2 filter.
        memory_bytes: Memory limit, in bytes.
        pids: Limit of processes and threads.
        cpus: Limit of processor time, in cores.
        mounts: Mount points, each mapped to whether it is writable.
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
    """How a container exited.

    Attributes:
        code: Exit code: negative for a signal (-9 is SIGKILL), None if unknown, 0 if the owner
            stopped the container.
        out_of_memory: Whether the system killed the container because it was out of memory.
        reason: Why the container exited, as a phrase for messages.
    """

    code: int | None
    out_of_memory: bool = False
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Truncation:
    """How much output was cut off because it exceeded a limit; false if nothing was.

    Attributes:
        text: Bytes of text that were cut off: UTF-8 for an execution; of standard output and
            standard error together, as they came, for a command.
        outputs: Number of displays and results beyond the maximum.
        messages: Number of messages that were dropped because they were too large.
        message_bytes: Size of those messages together, in bytes.
    """

    text: int = 0
    outputs: int = 0
    messages: int = 0
    message_bytes: int = 0

    def __bool__(self) -> bool:
        return bool(self.text or self.outputs or self.messages)


@dataclass(frozen=True, kw_only=True)
class ExecResult:
    """The outcome of a command that ran in a container.

    Attributes:
        exit_code: Exit code of the command.
        stdout: What the command wrote to standard output, up to the maximum.
        stderr: What the command wrote to standard error, up to the maximum.
        truncated: How much was cut off: ``truncated.text`` bytes. An int, which older backends
            pass, is converted with a DeprecationWarning.
    """

    exit_code: int
    stdout: bytes
    stderr: bytes
    truncated: Truncation = Truncation()

    def __post_init__(self) -> None:
        if isinstance(self.truncated, int):
            warnings.warn(
                f"ExecResult.truncated must be a Truncation, got int: {self.truncated}. "
                "Pass ipybox.authoring.Truncation(text=...).",
                DeprecationWarning,
                stacklevel=3,
            )
            object.__setattr__(self, "truncated", Truncation(text=self.truncated))


@dataclass(frozen=True, kw_only=True)
class Stats:
    """What a container currently uses.

    Attributes:
        cpu_seconds: Processor time since the container started, in seconds.
        memory_bytes: Memory without the page cache, in bytes.
        memory_limit_bytes: Memory limit, in bytes; None if there is none, or it is unknown.
        pids: Number of processes and threads; None if unknown.
    """

    cpu_seconds: float
    memory_bytes: int
    memory_limit_bytes: int | None
    pids: int | None


@dataclass(frozen=True, kw_only=True)
class ContainerInfo:
    """A container of ipybox, as the engine lists it.

    Attributes:
        id: Id of the container on its engine.
        name: Name of the container.
        state: State in the engine's words; ``"running"`` for a running container.
        image: Name of its image.
        created: When it was created, in seconds since the epoch.
        labels: Its labels.
        abandoned: Whether its owner is known to be dead and no other process holds it.
    """

    id: str
    name: str
    state: str
    image: str
    created: float
    labels: Mapping[str, str] = field(default_factory=dict, repr=False)
    abandoned: bool = False


@dataclass(frozen=True, kw_only=True)
class KernelStatus(DictAccess):
    """One kernel, as its gateway reports it.

    It can still be used as the dict that it was, such as ``status["key"]`` with a key of the
    gateway's JSON, with a DeprecationWarning.

    Attributes:
        id: The id of the kernel (a UUID).
        state: "starting", "idle", "busy" or "dead"; other gateways may report other states.
        pid: The process id in the container; None if the process has exited.
        memory_bytes: The resident memory of the process; None where it is unknown.
        last_activity: When the kernel last sent a message; None where it is unknown.
        exit_code: The exit code of a dead kernel, negative for a signal; None if there is none.
        out_of_memory: Whether the kernel was killed because memory ran out.
        forked: Whether the fork server started the kernel; None where it is unknown.
    """

    id: str
    state: str
    pid: int | None = None
    memory_bytes: int | None = None
    last_activity: datetime | None = None
    exit_code: int | None = None
    out_of_memory: bool = False
    forked: bool | None = None

    _attributes: ClassVar[Mapping[str, str]] = {
        "id": "id",
        "state": "state",
        "pid": "pid",
        "memory": "memory_bytes",
        "last_activity": "last_activity",
        "exit_code": "exit_code",
        "out_of_memory": "out_of_memory",
        "forked": "forked",
    }

    def _value(self, key: str) -> Any:
        value = super()._value(key)
        return value.isoformat() if isinstance(value, datetime) else value


@dataclass(frozen=True, kw_only=True)
class GatewayStatus(DictAccess):
    """The status of a gateway's runtime and of all its kernels.

    It can still be used as the dict that it was, such as ``status["key"]`` with a key of the
    gateway's JSON, with a DeprecationWarning.

    Attributes:
        runtime_version: The version of the runtime in the container.
        protocol: The number of the protocol between client and runtime.
        fork_server: Whether new kernels are started by a fork server.
        fork_server_ready: Whether the fork server is ready to start kernels.
        lease_seconds: Seconds until the container's lease expires; None without a lease.
        kernels: All kernels of the gateway, those of other clients included.
    """

    runtime_version: str
    protocol: int
    fork_server: bool = False
    fork_server_ready: bool = False
    lease_seconds: float | None = None
    kernels: tuple[KernelStatus, ...] = ()

    _attributes: ClassVar[Mapping[str, str]] = {
        "runtime": "runtime_version",
        "protocol": "protocol",
        "fork_server": "fork_server",
        "fork_server_ready": "fork_server_ready",
        "lease": "lease_seconds",
        "kernels": "kernels",
    }

    def _value(self, key: str) -> Any:
        value = super()._value(key)
        return list(value) if key == "kernels" else value


@dataclass(frozen=True)
class Completions:
    """What may stand at a position in code. Can be unpacked: ``matches, start, end = ...``.

    Attributes:
        matches: The texts that may be inserted; empty if there are none, or the kernel is busy.
        start: Where the replaced text starts, in characters from the start of the code.
        end: Where the replaced text ends.
    """

    matches: tuple[str, ...]
    start: int
    end: int

    def __iter__(self) -> Iterator[Any]:
        return iter((list(self.matches), self.start, self.end))
