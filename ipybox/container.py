"""ExecutionContainer: one container, from its start to its removal."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from ipybox._async import shielded
from ipybox.backend import Backend, ByteStream, Capability, Container, check_capabilities
from ipybox.errors import GuaranteeError, InvalidArgumentError
from ipybox.events import Event, EventName
from ipybox.gateway.leases import LeaseKeeper
from ipybox.gateway.started import StartedContainer, forget, remember
from ipybox.image.resolve import ensure_image
from ipybox.plugins.registry import registry
from ipybox.plugins.selection import choose_backend
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
from ipybox.spec.resources import Port, Resources
from ipybox.spec.status import ExecResult, ExitStatus, Guarantees, Stats
from ipybox.validation import check_command, check_exec

log = logging.getLogger(__name__)


class ExecutionContainer:
    """A container that runs a kernel gateway, for :class:`ExecutionClient` to connect to.

    - ``tag``: the image. It has no meaning for the local backend.
    - ``binds``: host path (absolute or relative, made if missing) to a path below
      the working directory ``/app``; or a list of :class:`Bind`.
    - ``env``: environment variables inside the container.
    - ``port``: host port of the gateway; None: the system chooses.
    - ``port_allocation_timeout``: seconds until that port is known.
    - ``show_pull_progress``: whether building or pulling an image tells how far it is, to
      the log and to the hook ``ipybox_event``; or a function that is told as well.
    - ``backend``: a name, a :class:`Backend`, or None: ``IPYBOX_BACKEND``, then the
      first ready one that isolates.
    - ``resources``: limits; refused where the backend has none.
    - ``start_timeout``: seconds until the gateway answers.
    - ``ports``: further ports, published on loopback; :attr:`ports` tells where.
    - ``labels``, ``name``: as the engine has them.
    - ``user``: who runs the code, as in "1000:1000"; None: the image's own user, and with
      binds the host's, so that files belong to the same on both sides.
    - ``gpus``: "all", how many, or ids with commas between them.
    - ``runtime``: of the engine's, for example "runsc" (gVisor) or "kata".
    - ``engine_init``: the engine's own init as process 1, in place of the runtime's.
    - ``read_only_root``: only ``/app``, ``/tmp`` and the home folder can be written to.
    - ``lease``: seconds that the container lives on when this process has died; None: it
      stays until it is removed, and can be attached to (:meth:`attach`).
    - ``strict``: refuses to start where something of this is not enforced.

    Bad arguments raise InvalidArgumentError here, before anything is started.
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
                f"backend is a {type(backend).__name__}; it must be a name, a Backend or None."
            )
        self._spec = ContainerSpec(
            tag=tag,
            binds=parse_binds(binds),
            env={} if env is None else env,
            port=port,
            ports=tuple(ports),
            resources=resources,
            labels=labels or {},
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
        """A container that runs already, by its id or name, whoever has started it.

        A context manager as any other, but that leaving it lets the container run on;
        :meth:`kill` ends it. ContainerNotFoundError where it is not there.
        """
        if not isinstance(container_id, str) or not container_id.strip():
            raise InvalidArgumentError(f"container_id is {container_id!r}; it must be a text.")
        attached = cls(backend=backend)
        attached._attach_to = container_id
        return attached

    async def __aenter__(self) -> Self:
        await self.run()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._close()

    def __repr__(self) -> str:
        state = f"port={self.port}" if self._running else "not running"
        return f"<ExecutionContainer {self._spec.name} tag={self._spec.tag!r} {state}>"

    @property
    def _running(self) -> bool:
        return self._container is not None and self._container.endpoint is not None

    @property
    def tag(self) -> str:
        return self._spec.tag

    @property
    def id(self) -> str:
        """The container's id on its engine. RuntimeError when not running."""
        return self._current().id

    @property
    def container(self) -> Container:
        """The backend's own container, with what only :class:`Container` offers.

        Raises:
            RuntimeError: If the container is not running.
        """
        return self._current()

    @property
    def port(self) -> int:
        """The host port of the gateway. RuntimeError when not running."""
        return self.endpoint.port

    @property
    def endpoint(self) -> Endpoint:
        """Address and token of the gateway. RuntimeError when not running."""
        endpoint = self._current().endpoint
        if endpoint is None:
            raise RuntimeError("Container not running")
        return endpoint

    @property
    def ports(self) -> Mapping[int, int]:
        """The further ports: container port to host port. RuntimeError when not running."""
        return self._current().ports

    @property
    def guarantees(self) -> Guarantees:
        """What is held against the code inside. RuntimeError when not running."""
        return self._current().guarantees

    async def run(self) -> None:
        """Starts it, and returns when its gateway answers.

        Raises BackendError, and PluginError where a plugin refuses. Nothing is
        left behind then, nor after a cancellation.
        """
        if self._lifetime is not None:
            raise RuntimeError("Container already running")
        self._lifetime = lifetime = AsyncExitStack()
        self._lives_on = self._attach_to is not None
        try:
            await self._start(lifetime)
        except BaseException:
            self._lifetime = None
            await shielded(lifetime.aclose())
            raise

    async def kill(self) -> None:
        """Ends it and removes all that belongs to it. Twice is fine."""
        self._lives_on = False
        await self._close()

    async def stop(self, grace: float = 5.0) -> None:
        """As :meth:`kill`, but asks it to end first, and waits ``grace`` seconds for it."""
        container = self._container
        try:
            if container is not None:
                await container.stop(grace)
        finally:
            await self.kill()

    async def detach(self) -> None:
        """Lets go of it. It runs on, until its lease ends, if it has one."""
        self._lives_on = True
        await self._close()

    async def _close(self) -> None:
        lifetime, self._lifetime = self._lifetime, None
        if lifetime is not None:
            await shielded(lifetime.aclose())

    async def wait(self) -> ExitStatus:
        """Returns when the container has ended, by itself or by :meth:`kill`."""
        return await self._current().wait()

    async def logs(self, tail: int = 100) -> list[str]:
        """The last lines of the container's own log: the gateway's, not the code's."""
        return await self._current().logs(tail)

    async def exec(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        workdir: str | None = None,
        timeout: float = 60.0,
    ) -> ExecResult:
        """Runs a command beside the kernels, as their user; :meth:`Container.exec` has more."""
        check_exec(argv, stdin, env, timeout)
        return await self._current().exec(
            argv, stdin=stdin, env=env, workdir=workdir, timeout=timeout
        )

    async def open_stream(self, argv: Sequence[str]) -> ByteStream:
        """Starts a command, and returns its standard input and output."""
        check_command(argv)
        return await self._current().open_stream(argv)

    async def stats(self) -> Stats:
        """What it uses now."""
        return await self._current().stats()

    async def pause(self) -> None:
        """Freezes all that runs in it, until :meth:`unpause`."""
        await self._current().pause()

    async def unpause(self) -> None:
        await self._current().unpause()

    def _current(self) -> Container:
        if self._container is None:
            raise RuntimeError("Container not running")
        return self._container

    async def _start(self, lifetime: AsyncExitStack) -> None:
        """Each step puts its undoing on ``lifetime`` before anything can go wrong."""
        backend = await choose_backend(self._backend)
        await lifetime.enter_async_context(backend)
        if self._attach_to is not None:
            container = await backend.attach(self._attach_to)
            name = self._attach_to
        else:
            container = await self._create(backend, lifetime)
            name = self._spec.name
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
        )
        remember(started)
        lifetime.callback(forget, started)
        self._emit("container.ready", name, backend=backend.name)

    async def _create(self, backend: Backend, lifetime: AsyncExitStack) -> Container:
        spec = registry().prepare_spec(self._spec)
        check_capabilities(backend, spec)
        spec = await asyncio.to_thread(resolve_binds, spec)
        self._emit("container.starting", spec.name, backend=backend.name)
        if Capability.IMAGES in backend.capabilities:
            await ensure_image(backend, spec.tag, on_event=self._tell_progress)
        async for event in backend.prepare(spec):
            self._tell_progress(event)
        lifetime.callback(self._emit, "container.ended", spec.name, backend=backend.name)
        container = await backend.create(spec)
        if spec.strict and container.guarantees.isolation == "none":
            raise GuaranteeError(
                f"The backend {backend.name!r} enforces nothing, and strict=True asks for it. "
                "Choose a backend that isolates."
            )
        return container

    async def _end(self, container: Container) -> None:
        await (container.detach() if self._lives_on else container.kill())

    def _tell_progress(self, event: BuildEvent) -> None:
        if callable(self.show_pull_progress):
            self.show_pull_progress(event)
        if self.show_pull_progress:
            log.info("%s: %s %s", self.tag, event.item, event.text)
            self._emit("image.progress", self.tag, event=event)

    def _emit(self, name: EventName, subject: str, **data: object) -> None:
        registry().emit(Event(name=name, subject=subject, data=data))


async def _settled(task: asyncio.Task[ExitStatus]) -> None:
    """Ends a task that nobody waits for any more."""
    task.cancel()
    await asyncio.wait([task])
