"""ExecutionContainer: one container, from its start to its removal."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from ipybox import endpoints
from ipybox.backend import Backend, Container, check_capabilities
from ipybox.errors import InvalidArgumentError
from ipybox.events import Event, EventName
from ipybox.lifetimes import shielded
from ipybox.plugins import registry
from ipybox.reports import ExitStatus, Guarantees
from ipybox.resources import Resources
from ipybox.selection import choose_backend
from ipybox.spec import DEFAULT_TAG, Bind, ContainerSpec, Endpoint, parse_binds


class ExecutionContainer:
    """A container that runs a kernel gateway, for :class:`ExecutionClient` to connect to.

    - ``tag``: the image. It has no meaning for the local backend.
    - ``binds``: host path (absolute or relative, made if missing) to a path below
      the working directory ``/app``; or a list of :class:`Bind`.
    - ``env``: environment variables inside the container.
    - ``port``: host port of the gateway; None: the system chooses.
    - ``port_allocation_timeout``: seconds until that port is known.
    - ``show_pull_progress``: whether pulling an image tells how far it is.
    - ``backend``: a name, a :class:`Backend`, or None: ``IPYBOX_BACKEND``, then the
      first ready one that isolates.
    - ``resources``: limits; refused where the backend has none.
    - ``start_timeout``: seconds until the gateway answers.

    Bad arguments raise InvalidArgumentError here, before anything is started.
    """

    def __init__(
        self,
        tag: str = DEFAULT_TAG,
        binds: Mapping[str, str] | Sequence[Bind] | None = None,
        env: Mapping[str, str] | None = None,
        port: int | None = None,
        port_allocation_timeout: float = 10,
        show_pull_progress: bool = True,
        *,
        backend: str | Backend | None = None,
        resources: Resources | None = None,
        start_timeout: float = 60,
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
            resources=resources,
            port_timeout=port_allocation_timeout,
            start_timeout=start_timeout,
        )
        self.show_pull_progress = show_pull_progress
        self._backend = backend
        self._container: Container | None = None
        self._lifetime: AsyncExitStack | None = None

    async def __aenter__(self) -> Self:
        await self.run()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.kill()

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
        try:
            await self._start(lifetime)
        except BaseException:
            self._lifetime = None
            await shielded(lifetime.aclose())
            raise

    async def kill(self) -> None:
        """Ends it and removes all that belongs to it. Twice is fine."""
        lifetime, self._lifetime = self._lifetime, None
        if lifetime is not None:
            await shielded(lifetime.aclose())

    async def wait(self) -> ExitStatus:
        """Returns when the container has ended, by itself or by :meth:`kill`."""
        return await self._current().wait()

    async def logs(self, tail: int = 100) -> list[str]:
        """The last lines of the container's own log: the gateway's, not the code's."""
        return await self._current().logs(tail)

    def _current(self) -> Container:
        if self._container is None:
            raise RuntimeError("Container not running")
        return self._container

    async def _start(self, lifetime: AsyncExitStack) -> None:
        """Each step puts its undoing on ``lifetime`` before anything can go wrong."""
        backend = await choose_backend(self._backend)
        spec = registry().prepare_spec(self._spec)
        check_capabilities(backend, spec)
        spec = await asyncio.to_thread(_resolve_binds, spec)
        await lifetime.enter_async_context(backend)
        self._emit("container.starting", spec.name, backend=backend.name)
        container = await backend.create(spec)
        lifetime.callback(self._emit, "container.ended", spec.name, backend=backend.name)
        lifetime.callback(setattr, self, "_container", None)
        lifetime.push_async_callback(container.kill)
        self._container = container
        endpoint = await container.start()
        ended = asyncio.create_task(container.wait(), name="ipybox container end")
        lifetime.push_async_callback(_settled, ended)
        started = endpoints.StartedContainer(
            endpoint=endpoint,
            ended=ended,
            kill=container.kill,
            isolated=container.guarantees.isolation != "none",
        )
        endpoints.remember(started)
        lifetime.callback(endpoints.forget, started)
        self._emit("container.ready", spec.name, backend=backend.name)

    def _emit(self, name: EventName, subject: str, **data: object) -> None:
        registry().emit(Event(name=name, subject=subject, data=data))


async def _settled(task: asyncio.Task[ExitStatus]) -> None:
    """Ends a task that nobody waits for any more."""
    task.cancel()
    await asyncio.wait([task])


def _resolve_binds(spec: ContainerSpec) -> ContainerSpec:
    """The spec with absolute host paths, each of them made if it was missing."""
    binds = []
    for bind in spec.binds:
        path = bind.host_path.absolute()
        try:
            path.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            pass  # a file: bound as it is
        except OSError as error:
            raise InvalidArgumentError(
                f"bind {str(bind.host_path)!r}: it does not exist and can't be made: {error}."
            ) from error
        binds.append(dataclasses.replace(bind, host_path=path))
    return dataclasses.replace(spec, binds=tuple(binds))
