"""ExecutionContainer: one container, from its start to its removal."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Self

from ipybox._async import AsyncResource, shielded
from ipybox.backend import Backend, ByteStream, Capability, Container
from ipybox.errors import ContainerStateError, GuaranteeError, InvalidArgumentError
from ipybox.events import Event, EventName
from ipybox.gateway.leases import LeaseKeeper
from ipybox.gateway.started import StartedContainer, forget, remember
from ipybox.image.resolve import ensure_image
from ipybox.plugins.registry import registry
from ipybox.plugins.selection import check_capabilities, choose_backend
from ipybox.spec.container import (
    DEFAULT_LEASE_SECONDS,
    DEFAULT_TAG,
    Bind,
    ContainerSpec,
    Endpoint,
    parse_binds,
    resolve_binds,
)
from ipybox.spec.image import BuildEvent
from ipybox.spec.options import ContainerOptions as ContainerOptions
from ipybox.spec.ports import PublishedPorts
from ipybox.spec.resources import Port, Resources
from ipybox.spec.status import ExecResult, ExitStatus, Guarantees, Stats
from ipybox.validation import (
    check_command,
    check_exec,
    check_grace,
    check_sequence,
    check_tail,
    describe,
)

log = logging.getLogger(__name__)


class ExecutionContainer(AsyncResource):
    """A container that runs a kernel gateway, for :class:`ExecutionClient` to connect to.

    An async context manager: entering it starts the container, leaving it removes the container.

    Args:
        tag: The name of the image. The local backend ignores it.
        binds: Host paths (absolute or relative; created if missing) mapped to paths relative to
            the working directory ``/app``; or a list of :class:`Bind`.
        env: Environment variables inside the container.
        port: Host port of the gateway; None lets the system choose one.
        port_allocation_timeout: Seconds until that port is known.
        show_pull_progress: Whether to report the progress of building or pulling an image to
            the log and to the hook ``ipybox_event``; a function is called with each event too.
        backend: A name or a :class:`Backend`; None for the value of ``IPYBOX_BACKEND``, else
            the first backend that isolates and is ready.
        resources: Limits; None for the backend's defaults. A backend without limits refuses
            them.
        start_timeout: Seconds until the gateway answers.
        ports: Further ports to publish on the host's loopback address; :attr:`ports` has the
            host ports.
        labels: Labels of the container, for the engine's own tools.
        name: Name of the container; None for a random one.
        user: Who runs the code, as in "1000:1000". None for the image's user, or with binds for
            the host's user, so that files have the same owner on both sides.
        gpus: "all", a number of GPUs, or their ids separated by commas.
        runtime: A runtime that the engine has, for example "runsc" (gVisor) or "kata".
        engine_init: Whether the engine's own init is process 1 instead of the runtime's.
        read_only_root: Whether only ``/app``, ``/tmp`` and the home folder are writable.
        lease: Seconds that the container lives on after this process has died. None for a
            container that stays until it is removed.
        strict: Whether to refuse the start if anything of this is not enforced.

    Raises:
        InvalidArgumentError: For a bad argument, before anything is started.
    """

    def __init__(
        self,
        tag: str = DEFAULT_TAG,
        binds: Mapping[str, str] | Sequence[Bind] | None = None,
        env: Mapping[str, str] | None = None,
        port: int | None = None,
        port_allocation_timeout: float = 10,
        show_pull_progress: bool | Callable[[BuildEvent], None] = True,
        *,
        backend: str | Backend | None = None,
        resources: Resources | None = None,
        start_timeout: float = 60,
        ports: Sequence[Port] = (),
        labels: Mapping[str, str] | None = None,
        name: str | None = None,
        user: str | None = None,
        gpus: str | int | None = None,
        runtime: str | None = None,
        engine_init: bool = False,
        read_only_root: bool = False,
        lease: float | None = DEFAULT_LEASE_SECONDS,
        strict: bool = False,
    ) -> None:
        if backend is not None and not isinstance(backend, str | Backend):
            raise InvalidArgumentError(
                f"backend must be a name, a Backend or None, got {type(backend).__name__}."
            )
        check_sequence("ports", ports, "Port")
        if not isinstance(show_pull_progress, bool) and not callable(show_pull_progress):
            raise InvalidArgumentError(
                "show_pull_progress must be a bool or a function, "
                f"got {describe(show_pull_progress)}."
            )
        self._spec = ContainerSpec(
            tag=tag,
            binds=parse_binds(binds),
            env={} if env is None else env,
            port=port,
            ports=tuple(ports),
            resources=resources,
            labels={} if labels is None else labels,
            user=user,
            gpus=gpus,
            runtime=runtime,
            engine_init=engine_init,
            read_only_root=read_only_root,
            lease=lease,
            strict=strict,
            port_timeout=port_allocation_timeout,
            start_timeout=start_timeout,
            **({} if name is None else {"name": name}),
        )
        self._attach_to: str | None = None
        self._lives_on = False
        self.show_pull_progress = show_pull_progress
        self._backend = backend
        self._container: Container | None = None
        self._lifetime: AsyncExitStack | None = None

    @classmethod
    def attach(cls, container_id: str, *, backend: str | Backend | None = None) -> Self:
        """Prepare to attach to a container that runs already, started by any process.

        Entering the returned context manager attaches, and raises ContainerNotFoundError if there
        is no such container or it is not running. Leaving it lets the container run on;
        :meth:`kill` removes the container.

        Args:
            container_id: The container's id or name.
            backend: As for :class:`ExecutionContainer`.

        Returns:
            A context manager that is not attached yet.

        Raises:
            InvalidArgumentError: If ``container_id`` is not a non-empty str, or ``backend`` is
                neither a name nor a Backend.
        """
        if not isinstance(container_id, str) or not container_id.strip():
            kind = type(container_id).__name__
            raise InvalidArgumentError(
                f"container_id must be a non-empty str, got {kind}: {container_id!r}."
            )
        attached = cls(backend=backend)
        attached._attach_to = container_id
        return attached

    async def __aenter__(self) -> Self:
        await self.run()
        return self

    async def aclose(self) -> None:
        """Remove the container, or only release it if this object is attached to it."""
        await self._close()

    def __repr__(self) -> str:
        state = f"port={self.port}" if self._running else "not running"
        return f"<ExecutionContainer {self._spec.name} tag={self._spec.tag!r} {state}>"

    @property
    def _running(self) -> bool:
        return self._container is not None and self._container.endpoint is not None

    @property
    def tag(self) -> str:
        """The name of the image."""
        return self._spec.tag

    @property
    def container(self) -> Container:
        """The backend's own object for the running container.

        Raises:
            ContainerStateError: If the container is not running.
        """
        if self._container is None:
            raise self._not_running()
        return self._container

    @property
    def id(self) -> str:
        """The container's id on its engine.

        Raises:
            ContainerStateError: If the container is not running.
        """
        return self.container.id

    @property
    def port(self) -> int:
        """The host port of the gateway.

        Raises:
            ContainerStateError: If the container is not running.
        """
        return self.endpoint.port

    @property
    def endpoint(self) -> Endpoint:
        """Address and token of the gateway.

        Raises:
            ContainerStateError: If the container is not running.
        """
        endpoint = self.container.endpoint
        if endpoint is None:
            raise self._not_running()
        return endpoint

    @property
    def ports(self) -> PublishedPorts:
        """The further ports: container port to host port.

        Raises:
            ContainerStateError: If the container is not running.
        """
        ports = self.container.ports
        # Backends that were written for an older version return a dict.
        return ports if isinstance(ports, PublishedPorts) else PublishedPorts(ports)

    @property
    def guarantees(self) -> Guarantees:
        """What is enforced against the code in the container.

        Raises:
            ContainerStateError: If the container is not running.
        """
        return self.container.guarantees

    async def run(self) -> None:
        """Start the container, or attach to it, and return when its gateway answers.

        Nothing is left behind after an error or a cancellation.

        Raises:
            ContainerStateError: If the container is running already.
            InvalidArgumentError: If a folder to bind cannot be used.
            PluginError: If a plugin refused the start.
            BackendError: If no backend is ready, the backend does not support something of
                this, the image cannot be used, or the container did not start.
        """
        if self._lifetime is not None:
            raise ContainerStateError(
                f"The container {self._label} is running already. Start a second one with another "
                "ExecutionContainer."
            )
        self._lifetime = lifetime = AsyncExitStack()
        self._lives_on = self._attach_to is not None
        try:
            await self._start(lifetime)
        except BaseException:
            self._lifetime = None
            await shielded(lifetime.aclose())
            raise

    async def kill(self) -> None:
        """Stop the container immediately and remove everything that belongs to it. Idempotent.

        Raises:
            BackendError: If the engine could not remove the container.
        """
        self._lives_on = False
        await self._close()

    async def stop(self, grace: float = 5.0) -> None:
        """Ask the container to exit, then remove it as :meth:`kill` does.

        Args:
            grace: Seconds that the container has to exit by itself; a finite number from 0.

        Raises:
            InvalidArgumentError: If ``grace`` is not such a number. The container runs on.
            BackendError: If the engine could not stop or remove the container.
        """
        check_grace(grace)
        container = self._container
        try:
            if container is not None:
                await container.stop(grace)
        finally:
            await self.kill()

    async def detach(self) -> None:
        """Release the connections to the container, which runs on until its lease has expired."""
        self._lives_on = True
        await self._close()

    async def _close(self) -> None:
        lifetime, self._lifetime = self._lifetime, None
        if lifetime is not None:
            await shielded(lifetime.aclose())

    async def wait(self) -> ExitStatus:
        """Wait until the container has exited, by itself or by :meth:`kill`.

        Returns:
            How the container exited.

        Raises:
            ContainerStateError: If the container is not running.
            BackendError: If the engine cannot report the exit.
        """
        return await self.container.wait()

    async def logs(self, tail: int = 100) -> list[str]:
        """Return the end of the gateway's log, which holds no output of the code.

        Args:
            tail: The most lines to return.

        Returns:
            Lines, oldest first.

        Raises:
            ContainerStateError: If the container is not running.
            BackendError: If the engine cannot read the log.
            InvalidArgumentError: If ``tail`` is not an int from 0.
        """
        check_tail(tail)
        return await self.container.logs(tail)

    async def exec(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        workdir: str | None = None,
        timeout: float = 60.0,
    ) -> ExecResult:
        """Run a command beside the kernels, as their user, until it exits.

        Args:
            argv: The program and its arguments; no shell is involved.
            stdin: The command's whole standard input.
            env: Variables in addition to those of the container.
            workdir: The working directory; None for that of the kernels.
            timeout: Seconds until the command and everything it started are killed.

        Returns:
            The exit code and the output; of each stream, at most 10 MiB.

        Raises:
            InvalidArgumentError: For a bad argument.
            ContainerStateError: If the container is not running.
            BackendError: If the command could not be started, or the engine failed meanwhile.
            EngineTimeoutError: If the command did not exit within ``timeout`` seconds.
            UnsupportedError: If the backend cannot run commands.
        """
        check_exec(argv, stdin, env, workdir, timeout)
        return await self.container.exec(
            argv, stdin=stdin, env=env, workdir=workdir, timeout=timeout
        )

    async def open_stream(self, argv: Sequence[str]) -> ByteStream:
        """Start a command with a stream to and from it. Its standard error is discarded.

        Args:
            argv: The program and its arguments; no shell is involved.

        Returns:
            The command's standard input and output. Closing the stream kills the command.

        Raises:
            InvalidArgumentError: If ``argv`` is not a program and its arguments.
            ContainerStateError: If the container is not running.
            BackendError: If the command could not be started.
            UnsupportedError: If the backend cannot run commands.
        """
        check_command(argv)
        return await self.container.open_stream(argv)

    async def stats(self) -> Stats:
        """Measure what the container uses now.

        Returns:
            CPU time, memory and number of processes.

        Raises:
            ContainerStateError: If the container is not running.
            BackendError: If the engine failed; UnsupportedError if the backend has no statistics.
        """
        return await self.container.stats()

    async def pause(self) -> None:
        """Freeze every process of the container until :meth:`unpause`.

        Raises:
            ContainerStateError: If the container is not running.
            BackendError: If the engine refused; UnsupportedError if it cannot pause containers.
        """
        await self.container.pause()

    async def unpause(self) -> None:
        """Continue the processes that :meth:`pause` froze.

        Raises:
            ContainerStateError: If the container is not running.
            BackendError: If the engine refused; UnsupportedError if it cannot pause containers.
        """
        await self.container.unpause()

    @property
    def _label(self) -> str:
        return self._attach_to or self._spec.name

    def _not_running(self) -> ContainerStateError:
        return ContainerStateError(
            f"The container {self._label} is not running. Use `async with`, or call run() first."
        )

    async def _start(self, lifetime: AsyncExitStack) -> None:
        """Start or attach. Each step registers its cleanup on ``lifetime`` before it can fail."""
        backend = await choose_backend(self._backend)
        await lifetime.enter_async_context(backend)
        if self._attach_to is not None:
            container = await backend.attach(self._attach_to)
        else:
            container = await self._create(backend, lifetime)
        lifetime.push_async_callback(self._end, container)
        lifetime.callback(setattr, self, "_container", None)
        self._container = container
        endpoint = container.endpoint or await container.start()
        if container.lease is not None:
            keeper = LeaseKeeper(endpoint, container.lease)
            keeper.start()
            lifetime.callback(keeper.stop)
        ended = asyncio.create_task(container.wait(), name="ipybox container end")
        lifetime.push_async_callback(_settled, ended)
        started = StartedContainer(
            endpoint=endpoint,
            ended=ended,
            kill=container.kill,
            isolated=container.guarantees.isolation != "none",
            detached=lambda: self._lives_on,
        )
        remember(started)
        lifetime.callback(forget, started)
        self._emit("container.ready", self._label, backend=backend.name)

    async def _create(self, backend: Backend, lifetime: AsyncExitStack) -> Container:
        spec = registry().prepare_spec(self._spec)
        check_capabilities(backend, spec)
        spec = await asyncio.to_thread(resolve_binds, spec)
        self._emit("container.starting", spec.name, backend=backend.name)
        if Capability.IMAGES in backend.capabilities:
            await ensure_image(backend, spec.tag, on_event=self._report_progress)
        async for event in backend.prepare(spec):
            self._report_progress(event)
        lifetime.callback(self._emit, "container.ended", spec.name, backend=backend.name)
        container = await backend.create(spec)
        if spec.strict and container.guarantees.isolation == "none":
            raise GuaranteeError(
                f"The backend {backend.name!r} enforces nothing, and strict=True requires it. "
                "Choose a backend that isolates."
            )
        return container

    async def _end(self, container: Container) -> None:
        await (container.detach() if self._lives_on else container.kill())

    def _report_progress(self, event: BuildEvent) -> None:
        if callable(self.show_pull_progress):
            self.show_pull_progress(event)
        if self.show_pull_progress:
            log.info("%s: %s %s", self.tag, event.item, event.text)
            self._emit("image.progress", self.tag, event=event)

    def _emit(self, name: EventName, subject: str, **data: object) -> None:
        registry().emit(Event(name=name, subject=subject, data=data))


async def _settled(task: asyncio.Task[ExitStatus]) -> None:
    """Cancel a task whose result is no longer needed, and wait for it to finish."""
    task.cancel()
    await asyncio.wait([task])
