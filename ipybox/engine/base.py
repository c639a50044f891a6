"""The calls that a container engine has to answer. What is made of them is the same for all."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ipybox.backend import Capability
from ipybox.runtime.ports import LOOPBACK
from ipybox.spec.container import ContainerSpec
from ipybox.spec.status import Availability, ContainerInfo, ExitStatus, Stats

UNSETTLED = ("created", "configured", "initialized", "stopping", "removing")
Lane = Literal["stdout", "stderr"]


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """How this process stands to an engine.

    ``publish_on``: the engine's address for our ports, None where there is no need for
    any; ``host``: where clients find them, None for the container's own address.
    ``network``: what the container has to join. ``mounts``: where this process is in a
    container itself, its folders and what they are on the engine's host. ``local``: the
    engine sees the same folders. ``rootless``: it runs as an ordinary user. ``names``:
    what clients may call the host.
    """

    publish_on: str | None = LOOPBACK
    host: str | None = LOOPBACK
    network: str | None = None
    mounts: Mapping[str, str] | None = None
    local: bool = True
    rootless: bool = False
    names: Collection[str] = ()


@dataclass(frozen=True)
class Ref:
    """A container: its id for the engine, its name for people."""

    id: str
    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A folder of the engine's host in a container."""

    source: str
    target: str
    read_only: bool


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What an engine tells of a container.

    ``status`` is the engine's word. ``ports``: container port to host port. ``addresses``:
    networks to the container's address in them; ``""`` is the one of no name. Limits are
    None where there are none.
    """

    ref: Ref
    status: str
    running: bool
    exit_code: int = 0
    out_of_memory: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[int, int] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)
    memory_bytes: int | None = None
    pids: int | None = None
    read_only_root: bool = False
    binds: Sequence[Mount] = ()

    @property
    def ended(self) -> bool:
        """It ran, and its exit code is its own: on its way to its end it may be another."""
        return not self.running and self.status not in UNSETTLED


class Streams(ABC):
    """The standard streams of a process in a container."""

    @abstractmethod
    async def read(self) -> tuple[Lane, bytes] | None:
        """The next piece of its output; None at the end."""

    @abstractmethod
    async def write(self, data: bytes) -> None:
        """To its standard input."""

    @abstractmethod
    async def write_eof(self) -> None:
        """Ends its standard input. UnsupportedError where the connection can't do it alone."""

    @abstractmethod
    async def aclose(self) -> None:
        """Twice is fine."""


class Engine(ABC):
    """A client of one engine.

    Each call has an end in time, and raises BackendErrors only: EngineTimeoutError for no
    answer in time, EngineGoneError where the engine can't be reached any more,
    ContainerNotFoundError for a container that is not there.
    """

    title: str
    """As people call it, "Docker"."""
    lacks: frozenset[Capability] = frozenset()
    """What it can't do here, and others can."""
    limits_remedy: str = ""
    """What to do where limits are not enforced."""

    @property
    @abstractmethod
    def address(self) -> str:
        """Where it is, for people to read; the same for the same engine."""

    @abstractmethod
    async def availability(self) -> Availability: ...

    @abstractmethod
    async def surroundings(self) -> Surroundings: ...

    @abstractmethod
    async def aclose(self) -> None:
        """Ends the connection. It is opened anew with the next call."""

    @abstractmethod
    async def payload(self, spec: ContainerSpec, around: Surroundings) -> dict[str, Any]:
        """A spec as the body of this engine's "create a container"."""

    @abstractmethod
    async def create(self, name: str, payload: Mapping[str, Any]) -> Ref: ...

    @abstractmethod
    async def attach(self, ref: Ref) -> Streams:
        """To its first process, before its start: nothing of its output is missed."""

    @abstractmethod
    async def start(self, ref: Ref) -> None: ...

    @abstractmethod
    async def stop(self, ref: Ref, grace: float) -> None:
        """SIGTERM, and SIGKILL after ``grace`` seconds. Returns when it has ended."""

    @abstractmethod
    async def remove(self, ref: Ref) -> None:
        """Ends it and removes it, its volumes too. One that has gone is fine, and so is an
        engine that is gone and has taken the container along. EngineGoneError where the
        container may run on without it."""

    @abstractmethod
    async def inspect(self, container: str) -> Inspection:
        """By id or name."""

    @abstractmethod
    async def ending(self, ref: Ref, output_ended: asyncio.Event | None) -> ExitStatus:
        """Returns when it has ended. ContainerNotFoundError where nobody knows how.

        ``output_ended``: set when the streams of :meth:`attach` have ended, with it or with
        the connection; None where nobody reads them."""

    @abstractmethod
    async def list(self) -> Sequence[ContainerInfo]:
        """All containers that carry our labels, running or not."""

    @abstractmethod
    async def logs(self, ref: Ref, tail: int) -> Sequence[str]:
        """The last pieces of its log, with all that the runtime prints."""

    @abstractmethod
    async def stats(self, ref: Ref) -> Stats: ...

    @abstractmethod
    async def pause(self, ref: Ref) -> None: ...

    @abstractmethod
    async def unpause(self, ref: Ref) -> None: ...

    @abstractmethod
    async def exec_create(
        self, ref: Ref, argv: Sequence[str], *, stdin: bool, env: Sequence[str], workdir: str | None
    ) -> str:
        """A command that is not started yet; ``env`` as in NAME=value. Returns its id."""

    @abstractmethod
    async def exec_start(self, exec_id: str, what: str) -> Streams:
        """Starts it. BackendError where it can't be started. ``what``: for messages."""

    @abstractmethod
    async def exec_started(self, exec_id: str, what: str) -> bool:
        """Whether it runs or has run."""

    @abstractmethod
    async def exec_code(self, exec_id: str, what: str) -> int | None:
        """Its exit code; None while it runs."""
