"""What a container engine has to be able to do; all else is built on these calls."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

from ipybox._async import AsyncResource
from ipybox.backend import Capability
from ipybox.engine.cache import EngineCache, engine_cache
from ipybox.engine.images import EngineImages
from ipybox.engine.inspection import Inspection, Ref
from ipybox.engine.placement import Placement
from ipybox.spec.container import ContainerSpec
from ipybox.spec.status import Availability, ContainerInfo, ExitStatus, Stats

StreamName = Literal["stdout", "stderr"]

CONNECT_TIMEOUT = 5.0
"""Seconds in which an engine has to accept a connection."""
CALL_TIMEOUT = 30.0
"""Seconds in which an engine has to answer an ordinary call."""
REMOVE_TIMEOUT = 30.0
"""Seconds that an engine has for the removal of a container."""


class Streams(AsyncResource):
    """The standard streams of a process in a container.

    All methods raise EngineGoneError if the connection to the engine breaks.
    """

    @abstractmethod
    async def read(self) -> tuple[StreamName, bytes] | None:
        """Return the next piece of output, or None at the end of both streams."""

    @abstractmethod
    async def write(self, data: bytes) -> None:
        """Write ``data`` to the process's standard input."""

    @abstractmethod
    async def write_eof(self) -> None:
        """Close the process's standard input.

        Raises:
            UnsupportedError: If the connection cannot close one direction alone.
        """


class Engine(ABC):
    """A client of one container engine.

    Every call has a time limit and raises only BackendErrors:

    - EngineTimeoutError if the engine does not answer in time,
    - EngineGoneError if the engine cannot be reached any more,
    - ContainerNotFoundError if the container does not exist.

    Attributes:
        title: The engine's name for people, as in "Docker".
        images: The engine's image operations.
        lacks: Capabilities that engines of this kind have, but this one has not.
    """

    title: str
    images: EngineImages
    lacks: frozenset[Capability] = frozenset()

    @property
    @abstractmethod
    def address(self) -> str:
        """Where the engine is, for people to read; the same for all clients of one engine."""

    def check_address(self) -> None:
        """Check, without asking the engine, that something can be reached at its address.

        Raises:
            BackendUnavailableError: If it is clear already that nothing answers there.
        """
        return

    @property
    def cache(self) -> EngineCache:
        """What this process remembers about the engine."""
        return engine_cache(self.title, self.address)

    @abstractmethod
    async def availability(self) -> Availability:
        """Return whether the engine can run containers; raise nothing."""

    async def placement(self) -> Placement:
        """Return where the engine runs; it is asked for that once."""
        cache = self.cache
        if cache.placement is None:
            cache.placement = await self.find_placement()
        return cache.placement

    @abstractmethod
    async def find_placement(self) -> Placement:
        """Find out where the engine runs."""

    @abstractmethod
    async def aclose(self) -> None:
        """Close the connection. The next call opens it again."""

    @abstractmethod
    async def create(self, spec: ContainerSpec) -> Ref:
        """Create a container with the spec's name, without starting it.

        Args:
            spec: What is asked for.

        Returns:
            The container.

        Raises:
            InvalidArgumentError: If the engine cannot do what the spec asks for.
            ImageNotFoundError: If the engine does not have the image.
            NameTakenError: If another container has the name.
            PortTakenError: If a host port is in use, where that is known before the start.
        """

    @abstractmethod
    async def attach(self, ref: Ref) -> Streams:
        """Attach to a container's first process; before the start, so that no output is missed.

        Args:
            ref: The container.

        Returns:
            The standard streams of the process.
        """

    @abstractmethod
    async def start(self, ref: Ref) -> None:
        """Start a container.

        Args:
            ref: The container.

        Raises:
            PortTakenError: If a host port is in use.
        """

    @abstractmethod
    async def stop(self, ref: Ref, grace: float) -> None:
        """Stop a container: SIGTERM, then SIGKILL. Returns once the container has stopped.

        Args:
            ref: The container.
            grace: Seconds between the two signals.
        """

    @abstractmethod
    async def remove(self, ref: Ref) -> None:
        """Stop a container and remove it with its volumes.

        A container that does not exist any more is fine, and so is an engine that has gone
        down and taken its containers along.

        Args:
            ref: The container.

        Raises:
            EngineGoneError: If the container may still run without the engine.
        """

    @abstractmethod
    async def inspect(self, container: str) -> Inspection:
        """Return the state of a container.

        Args:
            container: Its id or name.

        Returns:
            What the engine reports.
        """

    @abstractmethod
    async def wait_for_exit(self, ref: Ref, output_ended: asyncio.Event | None) -> ExitStatus:
        """Wait until a container has stopped. This call has no time limit.

        Args:
            ref: The container.
            output_ended: Set once the streams of :meth:`attach` have ended, either with the
                container or with the connection; None if nothing reads them.

        Returns:
            How the container exited.

        Raises:
            ContainerNotFoundError: If the container is gone and its exit code is unknown.
        """

    @abstractmethod
    async def list(self) -> Sequence[ContainerInfo]:
        """Return all containers that carry ipybox's labels, running or not."""

    @abstractmethod
    async def logs(self, ref: Ref, tail: int) -> Sequence[str]:
        """Return the end of a container's log, the runtime's events included.

        Args:
            ref: The container.
            tail: The most pieces to return.

        Returns:
            The pieces, oldest first; each is whatever the engine sends at once.
        """

    @abstractmethod
    async def stats(self, ref: Ref) -> Stats:
        """Return what a running container uses.

        Args:
            ref: The container.

        Returns:
            CPU time, memory and number of processes.
        """

    @abstractmethod
    async def pause(self, ref: Ref) -> None:
        """Freeze all processes of a container.

        Args:
            ref: The container.
        """

    @abstractmethod
    async def unpause(self, ref: Ref) -> None:
        """Let the processes of a paused container continue.

        Args:
            ref: The container.
        """

    @abstractmethod
    async def exec_create(
        self, ref: Ref, argv: Sequence[str], *, stdin: bool, env: Sequence[str], workdir: str | None
    ) -> str:
        """Prepare a command in a container, without starting it.

        Args:
            ref: The container.
            argv: The program and its arguments.
            stdin: Whether the command gets a standard input.
            env: Variables on top of the container's, each as in "NAME=value".
            workdir: Working directory; None for the container's.

        Returns:
            The command's id.
        """

    @abstractmethod
    async def exec_start(self, exec_id: str, what: str) -> Streams:
        """Start a command.

        Args:
            exec_id: Its id.
            what: The command, for error messages.

        Returns:
            The command's standard streams.

        Raises:
            BackendError: If the command cannot be started.
        """

    @abstractmethod
    async def exec_started(self, exec_id: str, what: str) -> bool:
        """Return whether a command runs or has run.

        Args:
            exec_id: Its id.
            what: The command, for error messages.
        """

    @abstractmethod
    async def exec_code(self, exec_id: str, what: str) -> int | None:
        """Return a command's exit code, or None while it runs.

        Args:
            exec_id: Its id.
            what: The command, for error messages.
        """
