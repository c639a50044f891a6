"""The contract between ipybox and an engine.

A backend makes containers. A container runs a kernel gateway (``ipybox_runtime``) and reports
where the gateway answers. A backend leaves what it cannot do out of its ``capabilities``; a
spec that asks for it is refused before anything is started.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ipybox._async import AsyncResource
from ipybox.errors import UnsupportedError
from ipybox.spec.container import ContainerSpec, Endpoint
from ipybox.spec.image import BuildContext, BuildEvent, ImageInfo
from ipybox.spec.ports import PublishedPorts
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
    """Something that not every backend can do.

    ISOLATION means that the code is kept from the host's files and processes, in a container
    or a virtual machine. A backend without it is for development only.
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


class ByteStream(AsyncResource):
    """The standard input and output of a command in a container.

    An async context manager: leaving it closes the stream and kills the command.
    """

    @abstractmethod
    async def read(self, size: int = 65536) -> bytes:
        """Wait for output and return it. A cancelled call loses no output.

        Args:
            size: The most bytes to return.

        Returns:
            Between 1 and ``size`` bytes; ``b""`` at the end of the output, and on every later
            call.
        """

    @abstractmethod
    async def write(self, data: bytes) -> None:
        """Write ``data`` to the command's standard input. Wait while the command does not read."""

    @abstractmethod
    async def write_eof(self) -> None:
        """Close the command's standard input. Its output can still be read."""

    @abstractmethod
    async def exit_code(self) -> int:
        """Wait until the command has exited and return its exit code."""

    @abstractmethod
    async def aclose(self) -> None:
        """Close the stream, and kill the command if it still runs. Safe to call more than once."""


class Container(ABC):
    """One container, from ``create`` to ``kill``. A container is started once.

    Every method that asks an engine may raise BackendError, besides what it lists.
    """

    @property
    @abstractmethod
    def id(self) -> str:
        """The container's id, unique on its engine.

        Before the start this may be the name, which identifies the container as well.
        """

    @property
    @abstractmethod
    def endpoint(self) -> Endpoint | None:
        """Where the gateway answers; None before the start and after ``kill``."""

    @property
    @abstractmethod
    def guarantees(self) -> Guarantees:
        """What this container enforces against the code that it runs."""

    @abstractmethod
    async def start(self) -> Endpoint:
        """Start the container and return when its gateway answers.

        The caller calls ``kill`` whatever the outcome, a cancellation included; nothing may be
        left behind after that.

        Returns:
            Where the gateway answers.

        Raises:
            ContainerStartError: As soon as the container has exited, once ``spec.start_timeout``
                seconds have passed, or if the container was killed before or meanwhile. The
                message ends with the last lines of the log.
            PortTakenError: If another process has the port.
            NameTakenError: If another container has the name.
            ImageNotFoundError: If the image does not exist.
            GuaranteeError: If ``spec.strict`` is set and something is not enforced.
        """

    @property
    def ports(self) -> PublishedPorts:
        """The further ports: container port to host port; empty unless the container runs."""
        return PublishedPorts()

    @property
    def lease(self) -> float | None:
        """Seconds that the container lives on after the last renewal of its lease.

        None for a container without a lease.
        """
        return None

    async def detach(self) -> None:
        """Release this object's connections to the container, which keeps running."""
        return

    async def stop(self, grace: float = 5.0) -> None:
        """Ask the container to exit, and kill it if it has not done so in time.

        Args:
            grace: Seconds between the request and the kill.
        """
        await self.kill()

    @abstractmethod
    async def kill(self) -> None:
        """Stop the container immediately and remove everything that belongs to it.

        Processes that the code has detached are killed as well. Safe to call at any time, also
        during ``start``, repeatedly and concurrently. A call that was cancelled may be repeated.

        Raises:
            EngineGoneError: If the engine is unreachable and the container may still be running.
        """

    @abstractmethod
    async def wait(self) -> ExitStatus:
        """Wait until the container has exited, by itself or by ``kill``.

        Returns immediately, with the same status, after that. Any number of callers may wait.

        Returns:
            How the container exited; ``code`` is None for one that was never started.
        """

    @abstractmethod
    async def logs(self, tail: int = 100) -> list[str]:
        """Return the end of the container's own log, without the runtime's events.

        Args:
            tail: The most lines to return.

        Returns:
            Lines, oldest first. After the removal of the container: the lines that are still
            known, possibly none.
        """

    # Optional operations; a backend lists the ones that it supports in its ``capabilities``.

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
        """Run a command beside the kernels, as their user, until it exits.

        After a timeout or a cancellation, the command and everything it started are killed.

        Args:
            argv: The program and its arguments; no shell is involved.
            stdin: The command's whole standard input.
            env: Variables in addition to those of the spec.
            workdir: The working directory; None for that of the kernels.
            timeout: Seconds until the command is killed.
            on_output: Called with the stream ("stdout" or "stderr") and the bytes of each piece of
                output as it arrives. An exception that it raises kills the command and is raised.
            max_bytes: How much of each stream is kept.

        Returns:
            The exit code and the output.

        Raises:
            BackendError: If the command could not be started.
            EngineTimeoutError: If the command did not exit within ``timeout`` seconds.
            UnsupportedError: If the backend lacks ``Capability.EXEC``.
        """
        raise _lacks(Capability.EXEC)

    async def open_stream(self, argv: Sequence[str]) -> ByteStream:
        """Start a command and return its standard input and output; standard error is discarded.

        Args:
            argv: The program and its arguments; no shell is involved.

        Raises:
            BackendError: If the command could not be started; a backend may instead let the
                command exit with 126 or 127.
            UnsupportedError: If the backend lacks ``Capability.EXEC``.
        """
        raise _lacks(Capability.EXEC)

    async def stats(self) -> Stats:
        """Measure what the container uses now.

        Returns:
            CPU time, memory and number of processes.

        Raises:
            UnsupportedError: If the backend lacks ``Capability.STATS``.
        """
        raise _lacks(Capability.STATS)

    async def pause(self) -> None:
        """Freeze every process of the container until ``unpause`` or ``kill``.

        The lease does not run down while the container is paused.

        Raises:
            UnsupportedError: If the backend lacks ``Capability.PAUSE``.
        """
        raise _lacks(Capability.PAUSE)

    async def unpause(self) -> None:
        """Continue the processes that ``pause`` froze.

        Raises:
            UnsupportedError: If the backend lacks ``Capability.PAUSE``.
        """
        raise _lacks(Capability.PAUSE)


class Backend(AsyncResource):
    """A client of one engine.

    An async context manager, which closes what it has opened.
    It may be entered again while it is open; the last exit closes it.
    Every method that asks the engine may raise BackendError, besides what it lists.

    Attributes:
        name: The name that users select the backend by.
        capabilities: The optional features that this backend supports.
    """

    name: str
    capabilities: frozenset[Capability] = frozenset()

    async def aclose(self) -> None:
        """Undo one entry; undoing the last one closes what the backend has opened."""
        return

    @abstractmethod
    async def availability(self) -> Availability:
        """Report whether the backend can run containers now. Raises nothing.

        Returns:
            Whether it can, and why not; within seconds.
        """

    async def diagnose(self) -> Sequence[Finding]:
        """Report what the backend needs of this host, and whether it is there. Raises nothing.

        Returns:
            One finding per need, within seconds.
        """
        return ()

    @abstractmethod
    async def create(self, spec: ContainerSpec) -> Container:
        """Make a container that is not started yet.

        The code gets the variables of ``spec.env``, and none of this process that may be a secret.
        The token appears in no argument, environment variable or label.

        Args:
            spec: What is asked for.

        Returns:
            The container, to be started.

        Raises:
            BackendError: If the engine refused the container.
        """

    # Optional operations; a backend lists the ones that it supports in its ``capabilities``.

    async def attach(self, container_id: str) -> Container:
        """Find a running container of ipybox, started by any process.

        Args:
            container_id: The container's id or name.

        Returns:
            The container, whose ``kill`` ends it.

        Raises:
            ContainerNotFoundError: If there is no such container, or it has exited.
            UnsupportedError: If the backend lacks ``Capability.ATTACH``.
        """
        raise _lacks(Capability.ATTACH, self.name)

    async def list(self) -> Sequence[ContainerInfo]:
        """List all containers that carry the labels of ipybox, running or not.

        Returns:
            What their labels and the engine say of them.

        Raises:
            UnsupportedError: If the backend lacks ``Capability.ATTACH``.
        """
        raise _lacks(Capability.ATTACH, self.name)

    async def logs(self, container_id: str, tail: int = 100) -> Sequence[str]:
        """Return the end of a container's own log, running or not.

        Args:
            container_id: The container's id or name.
            tail: The most lines to return.

        Returns:
            Lines, oldest first.

        Raises:
            ContainerNotFoundError: If there is no such container.
            UnsupportedError: If the backend lacks ``Capability.ATTACH``.
        """
        raise _lacks(Capability.ATTACH, self.name)

    async def remove(self, container_id: str) -> None:
        """Stop a container of ipybox and remove it together with its volumes.

        A container that disappears during the call is not an error.

        Args:
            container_id: The container's id or name.

        Raises:
            ContainerNotFoundError: If there is no such container, or it does not carry the
                labels of ipybox.
            UnsupportedError: If the backend lacks ``Capability.ATTACH``.
        """
        raise _lacks(Capability.ATTACH, self.name)

    async def sweep(self) -> Sequence[ContainerInfo]:
        """Remove the containers whose owners are dead.

        Returns:
            The containers that were removed.
        """
        return ()

    async def image(self, tag: str) -> ImageInfo | None:
        """Find an image. Return None if it does not exist.

        Args:
            tag: The image's name or id.

        Raises:
            UnsupportedError: If the backend lacks ``Capability.IMAGES``.
        """
        raise _lacks(Capability.IMAGES, self.name)

    async def images(self) -> Sequence[ImageInfo]:
        """List all images that contain the runtime.

        Raises:
            UnsupportedError: If the backend lacks ``Capability.IMAGES``.
        """
        raise _lacks(Capability.IMAGES, self.name)

    def pull(self, tag: str) -> AsyncIterator[BuildEvent]:
        """Download an image.

        Args:
            tag: The image's name.

        Yields:
            Progress; the last event is "done".

        Raises:
            ImageNotFoundError: If the image could not be downloaded.
            UnsupportedError: If the backend lacks ``Capability.IMAGES``.
        """
        raise _lacks(Capability.IMAGES, self.name)

    def build(self, context: BuildContext) -> AsyncIterator[BuildEvent]:
        """Build an image.

        The names are assigned last, so that a failed or cancelled build leaves no image with them.

        Args:
            context: The files, names and labels.

        Yields:
            Progress; the last event is "done".

        Raises:
            ImageBuildError: If a step failed.
            UnsupportedError: If the backend lacks ``Capability.IMAGES``.
        """
        raise _lacks(Capability.IMAGES, self.name)

    def prepare(self, spec: ContainerSpec) -> AsyncIterator[BuildEvent]:
        """Do what the first container of this kind would wait for, besides its image.

        Returns immediately if this was done before.

        Args:
            spec: The container.

        Yields:
            Progress.
        """
        return _no_events()

    async def remove_image(self, tag: str) -> None:
        """Remove a name from an image, and the image once it has no name left.

        Args:
            tag: The name.

        Raises:
            ImageNotFoundError: If there is no such image.
            UnsupportedError: If the backend lacks ``Capability.IMAGES``.
        """
        raise _lacks(Capability.IMAGES, self.name)


@dataclass(frozen=True, kw_only=True)
class BackendDescriptor:
    """A backend as a plugin registers it.

    Attributes:
        name: The name that users select the backend by.
        summary: One line for listings.
        isolation: How strongly the backend separates the code from the host.
        load: Imports the engine's library, which listing the plugins must not do, and returns
            what makes the backend.
    """

    name: str
    summary: str
    isolation: Isolation
    load: Callable[[], Callable[[], Backend]]


async def _no_events() -> AsyncIterator[BuildEvent]:
    events: tuple[BuildEvent, ...] = ()
    for event in events:
        yield event


def _lacks(capability: Capability, name: str | None = None) -> UnsupportedError:
    backend = "This backend" if name is None else f"The backend {name!r}"
    return UnsupportedError(f"{backend} does not support {capability.value}.")
