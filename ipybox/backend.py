"""The contract between ipybox and an engine.

A backend makes containers; a container runs a kernel gateway (``ipybox_runtime``)
and tells where it answers. What a backend can't do it leaves out of its
``capabilities``, and a spec that asks for it is refused before anything is started.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Self

from ipybox.errors import BackendUnavailableError, UnsupportedError
from ipybox.spec import ContainerSpec, Endpoint

Isolation = Literal["none", "container", "virtual-machine"]
Enforcement = Literal["enforced", "best effort", "none"]


class Capability(enum.Enum):
    """What a backend may or may not be able to do."""

    BINDS = "binds"
    READ_ONLY_BINDS = "read-only binds"
    FIXED_PORT = "fixed port"
    RESOURCES = "resource limits"


@dataclass(frozen=True, kw_only=True)
class Availability:
    """Whether a backend can run containers now; where not, why, and what to do."""

    ready: bool
    version: str | None = None
    reason: str | None = None
    remedy: str | None = None


@dataclass(frozen=True, kw_only=True)
class Guarantees:
    """What is held against the code, per concern (``"filesystem"``, ``"network"``, …)."""

    isolation: Isolation
    details: Mapping[str, Enforcement] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ExitStatus:
    """How a container ended. ``code`` is negative for a signal, None where unknown."""

    code: int | None
    out_of_memory: bool = False
    reason: str = ""


class Container(ABC):
    """One container, from ``create`` to ``kill``."""

    @property
    @abstractmethod
    def id(self) -> str:
        """Unique on this engine; known before the start."""

    @property
    @abstractmethod
    def endpoint(self) -> Endpoint | None:
        """Where the gateway answers; None before the start and after the end."""

    @property
    @abstractmethod
    def guarantees(self) -> Guarantees:
        """What this container holds against the code that it runs."""

    @abstractmethod
    async def start(self) -> Endpoint:
        """Starts it and returns when the gateway answers.

        Raises ContainerStartError with the last lines of the log as soon as the
        container has died, or when ``spec.start_timeout`` has passed; PortTakenError
        where the port asked for is in use. Nothing is left behind then, nor after a
        cancellation.
        """

    @abstractmethod
    async def kill(self) -> None:
        """Ends it at once and removes all that belongs to it. Twice is fine."""

    @abstractmethod
    async def wait(self) -> ExitStatus:
        """Returns when it has ended, by itself or by ``kill``."""

    @abstractmethod
    async def logs(self, tail: int = 100) -> list[str]:
        """The last ``tail`` lines of its own log, oldest first; empty once it is removed."""


class Backend(ABC):
    """One engine. An async context manager: what it opens it closes."""

    name: str
    capabilities: frozenset[Capability] = frozenset()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return None

    @abstractmethod
    async def availability(self) -> Availability:
        """Whether it can run containers now. Raises nothing, ends within seconds."""

    @abstractmethod
    async def create(self, spec: ContainerSpec) -> Container:
        """A container that is not started yet. Raises BackendError."""


@dataclass(frozen=True, kw_only=True)
class BackendDescriptor:
    """What a plugin registers. ``load`` imports the engine's library, no sooner."""

    name: str
    summary: str
    isolation: Isolation
    load: Callable[[], Callable[[], Backend]]


def check_capabilities(backend: Backend, spec: ContainerSpec) -> None:
    """Raises UnsupportedError for what the spec asks for and the backend can't do."""
    wanted = {
        Capability.BINDS: bool(spec.binds),
        Capability.READ_ONLY_BINDS: any(bind.read_only for bind in spec.binds),
        Capability.FIXED_PORT: spec.port is not None,
        Capability.RESOURCES: spec.resources is not None,
    }
    for capability, asked_for in wanted.items():
        if asked_for and capability not in backend.capabilities:
            raise UnsupportedError(
                f"The backend {backend.name!r} has no {capability.value}; "
                "leave that out, or choose another backend."
            )


async def check_available(backend: Backend) -> None:
    """Raises BackendUnavailableError, with reason and remedy, unless it is ready."""
    state = await backend.availability()
    if not state.ready:
        raise BackendUnavailableError(
            " ".join(
                filter(
                    None,
                    [
                        f"The backend {backend.name!r} is not ready:",
                        state.reason or "it gives no reason.",
                        state.remedy,
                    ],
                )
            )
        )
