"""The contract between ipybox and an engine.

A backend makes containers; a container runs a kernel gateway (``ipybox_runtime``)
and tells where it answers. What a backend can't do it leaves out of its
``capabilities``, and a spec that asks for it is refused before anything is started.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

from ipybox.errors import BackendUnavailableError, UnsupportedError
from ipybox.spec.container import ContainerSpec, Endpoint
from ipybox.spec.image import BuildContext, BuildEvent, ImageInfo
from ipybox.spec.status import (
    Availability,
    ContainerInfo,
    ExecResult,
    ExitStatus,
    Finding,
    Guarantees,
    Isolation,
    Stats,
)


class Capability(enum.Enum):
    """What a backend may or may not be able to do.

    ISOLATION: the code is kept from the host's files and processes, in a container or a
    virtual machine. A backend without it is for development alone.
    """

    ISOLATION = "isolation"
    BINDS = "binds"
    READ_ONLY_BINDS = "read-only binds"
    FIXED_PORT = "fixed port"
    RESOURCES = "resource limits"
    PORTS = "further ports"
    LABELS = "labels"
    USER = "choice of the user"
    GPUS = "GPUs"
    RUNTIMES = "choice of the runtime"
    ENGINE_INIT = "init of its own"
    READ_ONLY_ROOT = "read-only root file system"
    LEASES = "leases"
    ATTACH = "attaching to running containers"
    EXEC = "exec"
    STATS = "statistics"
    PAUSE = "pausing"
    IMAGES = "images"


class ByteStream(ABC):
    """A command's standard input and output. An async context manager that ends it."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    @abstractmethod
    async def read(self, size: int = 65536) -> bytes:
        """At least one and at most ``size`` bytes of its output; b"" at its end, and again.
        One that is cancelled loses nothing."""

    @abstractmethod
    async def write(self, data: bytes) -> None:
        """To its input. Waits while it does not read."""

    @abstractmethod
    async def write_eof(self) -> None:
        """Ends its input; its output can still be read."""

    @abstractmethod
    async def exit_code(self) -> int:
        """Returns when the command has ended."""

    @abstractmethod
    async def aclose(self) -> None:
        """Ends the command, if it runs still, and the stream. Twice is fine."""


class Container(ABC):
    """One container, from ``create`` to ``kill``. It is started once."""

    @property
    @abstractmethod
    def id(self) -> str:
        """Unique on this engine. Before the start it may be the name, which finds it, too."""

    @property
    @abstractmethod
    def endpoint(self) -> Endpoint | None:
        """Where the gateway answers; None before the start and once it was killed."""

    @property
    @abstractmethod
    def guarantees(self) -> Guarantees:
        """What this container holds against the code that it runs."""

    @abstractmethod
    async def start(self) -> Endpoint:
        """Starts it and returns when the gateway answers.

        Raises ContainerStartError with the last lines of the log as soon as the
        container has died, when ``spec.start_timeout`` has passed, or where it was killed,
        before or meanwhile; PortTakenError and NameTakenError where another has the port or
        the name; ImageNotFoundError; with ``spec.strict`` GuaranteeError for what is not
        enforced. Whatever comes of it, a cancellation too, its caller calls ``kill``:
        nothing is left behind then.
        """

    @property
    def ports(self) -> Mapping[int, int]:
        """The further ports: container port to host port; empty unless it runs."""
        return {}

    @property
    def lease(self) -> float | None:
        """Seconds that it lives on when nobody renews its lease; None for one without."""
        return None

    async def detach(self) -> None:
        """Lets go of it; it runs on."""
        return

    async def stop(self, grace: float = 5.0) -> None:
        """Asks it to end, and kills it if it has not ended after ``grace`` seconds."""
        await self.kill()

    @abstractmethod
    async def kill(self) -> None:
        """Ends it at once and removes all that belongs to it, what its code has detached
        among it. At any time, during the start too; twice and by many is fine. Where it was
        cancelled, it can be called again. EngineGoneError where the container may run on
        without its engine, which does not answer."""

    @abstractmethod
    async def wait(self) -> ExitStatus:
        """Returns when it has ended, by itself or by ``kill``; at once, and the same, where
        it has; with the code None where it was never started. Many may wait."""

    @abstractmethod
    async def logs(self, tail: int = 100) -> list[str]:
        """The last ``tail`` lines of its own log, oldest first, without the runtime's events.
        Once it is removed: what is still known of them, which may be nothing."""

    # What not every backend can do; each is told in its ``capabilities``.

    async def exec(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        workdir: str | None = None,
        timeout: float = 60.0,
        on_output: Callable[[Literal["stdout", "stderr"], bytes], None] | None = None,
        max_bytes: int = 10 * 1024 * 1024,
    ) -> ExecResult:
        """Runs a command beside the kernels, as their user, to its end. There is no shell.

        ``env`` comes on top of the spec's. ``on_output`` gets each piece as it comes.
        ``max_bytes``: so much of each stream is kept. Raises BackendError where it can't be
        started, EngineTimeoutError after ``timeout`` seconds; then, and where it is
        cancelled, the command and what it has started were killed.
        """
        raise _lacks(Capability.EXEC)

    async def open_stream(self, argv: Sequence[str]) -> ByteStream:
        """Starts a command, and returns its standard input and output, without its standard
        error. One that can't be started raises BackendError, or ends with 126 or 127."""
        raise _lacks(Capability.EXEC)

    async def stats(self) -> Stats:
        """What it uses now."""
        raise _lacks(Capability.STATS)

    async def pause(self) -> None:
        """Freezes all its processes, until ``unpause`` or ``kill``. Its lease stands still."""
        raise _lacks(Capability.PAUSE)

    async def unpause(self) -> None:
        raise _lacks(Capability.PAUSE)


class Backend(ABC):
    """One engine. An async context manager: what it opens it closes. It may be entered again
    while it is; the last exit closes."""

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

    async def diagnose(self) -> Sequence[Finding]:
        """What it needs of this host, and whether it is there. Raises nothing, ends within
        seconds."""
        return ()

    @abstractmethod
    async def create(self, spec: ContainerSpec) -> Container:
        """A container that is not started yet. Raises BackendError.

        Its code gets the variables of ``spec.env``, and none of this process's that may be
        a secret. The token stands in no arguments, no environment and no label.
        """

    # What not every backend can do; each is told in its ``capabilities``.

    async def attach(self, container_id: str) -> Container:
        """A running container of ours, by its id or name, whoever started it.

        Its ``kill`` ends it. Raises ContainerNotFoundError, also for one that has ended.
        """
        raise _lacks(Capability.ATTACH)

    async def list(self) -> Sequence[ContainerInfo]:
        """All containers that carry our labels, running or not."""
        raise _lacks(Capability.ATTACH)

    async def logs(self, container_id: str, tail: int = 100) -> Sequence[str]:
        """The last lines of a container's own log, running or not, oldest first. Raises
        ContainerNotFoundError."""
        raise _lacks(Capability.ATTACH)

    async def remove(self, container_id: str) -> None:
        """Ends a container of ours and removes it, its volumes too. Raises
        ContainerNotFoundError for one that is not there, or not ours; one that goes
        meanwhile is fine."""
        raise _lacks(Capability.ATTACH)

    async def sweep(self) -> Sequence[ContainerInfo]:
        """Removes the abandoned containers, and returns them."""
        return ()

    async def image(self, tag: str) -> ImageInfo | None:
        """The image of that name or id, None where it is not there."""
        raise _lacks(Capability.IMAGES)

    async def images(self) -> Sequence[ImageInfo]:
        """All images with our runtime."""
        raise _lacks(Capability.IMAGES)

    def pull(self, tag: str) -> AsyncIterator[BuildEvent]:
        """Fetches an image; the last event is "done". Raises ImageNotFoundError."""
        raise _lacks(Capability.IMAGES)

    def build(self, context: BuildContext) -> AsyncIterator[BuildEvent]:
        """Builds an image; the last event is "done". Raises ImageBuildError. Where it failed
        or was broken off, no image has the names."""
        raise _lacks(Capability.IMAGES)

    def prepare(self, spec: ContainerSpec) -> AsyncIterator[BuildEvent]:
        """What a first container of this kind has to wait for besides its image: done here,
        and told. Done before, it takes no time."""
        return _nothing()

    async def remove_image(self, tag: str) -> None:
        """Takes a name from an image; with its last name the image goes. Raises
        ImageNotFoundError."""
        raise _lacks(Capability.IMAGES)


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
        Capability.PORTS: bool(spec.ports),
        Capability.LABELS: bool(spec.labels),
        Capability.USER: spec.user is not None,
        Capability.GPUS: spec.gpus is not None,
        Capability.RUNTIMES: spec.runtime is not None,
        Capability.ENGINE_INIT: spec.engine_init,
        Capability.READ_ONLY_ROOT: spec.read_only_root,
        Capability.LEASES: spec.lease is None,
    }
    for capability, asked_for in wanted.items():
        if asked_for and capability not in backend.capabilities:
            raise UnsupportedError(
                f"The backend {backend.name!r} has no {capability.value}; "
                "leave that out, or choose another backend."
            )


async def _nothing() -> AsyncIterator[BuildEvent]:
    events: tuple[BuildEvent, ...] = ()
    for event in events:
        yield event


def _lacks(capability: Capability) -> UnsupportedError:
    return UnsupportedError(f"This backend has no {capability.value}.")


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
