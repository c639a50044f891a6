"""The base of both suites: the backend under test, its event loop, gates by capability."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, ClassVar

import pytest

from ipybox._async import poll
from ipybox.backend import Backend, Capability, Container
from ipybox.client import ExecutionClient
from ipybox.container import ExecutionContainer
from ipybox.image.resolve import ensure_image
from ipybox.spec.container import DEFAULT_TAG, ContainerSpec
from ipybox.testing.conformance.checks import (
    SUITE_VERSION,
    check_of,
    check_overrides,
    check_suite_version,
    parse_version,
)
from ipybox.testing.loop_watch import LoopWatch

MAX_BLOCK_SECONDS = 1.0
"""A check fails if the event loop stands still for longer."""
SOON_SECONDS = 20.0
"""Time limit for what normally happens at once; generous, because machines may be busy."""
POLL_INTERVAL = 0.05
"""Seconds between two looks at a condition that has no event."""


class Conformance:
    """The base of the suites. Derive ``Test…`` from a suite and define its fixture ``backend``.

    Attributes:
        capabilities: What the backend can do. Checks that need more are skipped; the table at
            the end of the run counts them by the capability that is missing.
        suite_version: The suite's version for which the class was written. Newer checks are
            skipped until it is raised.
        tag: Name of the image that the containers run, if the backend has images.
        options: Arguments of :class:`ContainerSpec` for every container, for example
            ``{"read_only_root": True}``.
    """

    capabilities: ClassVar[frozenset[Capability]] = frozenset()
    suite_version: ClassVar[str] = SUITE_VERSION
    tag: ClassVar[str] = DEFAULT_TAG
    options: ClassVar[Mapping[str, Any]] = {}

    subject: ClassVar[Backend]
    """The backend under test, entered for as long as the checks of the class run."""
    _runner: ClassVar[asyncio.Runner]
    _names: ClassVar[set[str]]
    _shared: ClassVar[ExecutionContainer]
    _shared_name: ClassVar[str]
    _shared_failure: ClassVar[BaseException | None] = None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        check_overrides(cls)
        check_suite_version(cls, cls.suite_version)

    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls) -> Backend:
        """Return the backend under test. Each test class overrides this fixture."""
        raise NotImplementedError(
            "The suite needs a fixture 'backend' of scope 'class' that returns the backend."
        )

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a check; fail it if it blocks the event loop or leaves a container behind."""

        async def watched() -> None:
            async with LoopWatch() as watch:
                await work
            assert watch.longest < MAX_BLOCK_SECONDS, (
                f"the event loop was blocked for {watch.longest:.2f} s"
            )
            left = await self.leftovers()
            assert not left, f"the check left these containers behind: {left}"

        self._runner.run(watched())

    @classmethod
    async def set_up(cls, lifetime: AsyncExitStack) -> None:
        """Prepare for the checks of the class, before the first one.

        Args:
            lifetime: Is closed after the last check, with all that was entered into it.
        """
        await lifetime.enter_async_context(cls.subject)
        if Capability.IMAGES in cls.subject.capabilities:
            await ensure_image(cls.subject, cls.tag, on_event=lambda event: None)
        cls._shared_name = f"ipybox-shared-{secrets.token_hex(6)}"
        cls._shared = ExecutionContainer(
            cls.tag, backend=cls.subject, name=cls._shared_name, **cls.options
        )
        lifetime.push_async_callback(cls._check_shared_is_gone)
        try:
            await lifetime.enter_async_context(cls._shared)
        except Exception as error:  # raised by the checks that need it; others can run
            cls._shared_failure = error

    def spec(self, **options: Any) -> ContainerSpec:
        """Return a spec for the backend under test, with a new name.

        Args:
            options: Arguments of :class:`ContainerSpec`; they replace those of the class.
        """
        named = {"tag": self.tag, "name": self.new_name(), **self.options, **options}
        return ContainerSpec(**named)

    def new_name(self) -> str:
        """Return an unused container name that :meth:`leftovers` will look for."""
        name = f"ipybox-suite-{secrets.token_hex(6)}"
        self._names.add(name)
        return name

    @asynccontextmanager
    async def created(self, **options: Any) -> AsyncIterator[Container]:
        """Create a container without starting it, and kill it on exit."""
        container = await self.subject.create(self.spec(**options))
        try:
            yield container
        finally:
            await container.kill()

    @asynccontextmanager
    async def started(self, **options: Any) -> AsyncIterator[Container]:
        """Start a container through the backend alone, and kill it on exit.

        The suite does not renew its lease.
        """
        async with self.created(**options) as container:
            await container.start()
            yield container

    @asynccontextmanager
    async def running(self, **options: Any) -> AsyncIterator[ExecutionContainer]:
        """Start a container through the library, as users do, and kill it on exit."""
        options = {"tag": self.tag, "name": self.new_name(), **self.options, **options}
        async with ExecutionContainer(backend=self.subject, **options) as container:
            yield container

    async def python(self, code: str, *, on: Container | None = None) -> str:
        """Run code in a new kernel and return what it prints to standard output.

        Args:
            code: Python code.
            on: The container; None for the shared one.
        """
        endpoint = (on or self.shared).endpoint
        assert endpoint is not None, "the container is not running"
        async with ExecutionClient(endpoint.port, endpoint.host, token=endpoint.token) as client:
            return (await client.execute(code)).stdout

    @property
    def shared(self) -> Container:
        """A running container for checks that do it no harm. Its lease is renewed."""
        if self._shared_failure is not None:
            raise AssertionError("the shared container did not start") from self._shared_failure
        return self._shared.container

    async def until(
        self, condition: Callable[[], Awaitable[bool]], what: str, seconds: float = SOON_SECONDS
    ) -> None:
        """Wait until a condition holds that has no event; fail if it does not in time.

        Args:
            condition: Is asked repeatedly.
            what: The condition in words, for the failure message.
            seconds: Time limit.
        """
        came_true = await poll(condition, every=POLL_INTERVAL, within=seconds)
        assert came_true, f"not within {seconds:.0f} s: {what}"

    @classmethod
    async def existing(cls) -> list[str]:
        """Return the names of all containers that the backend has.

        Override this for a backend that cannot list its containers; without that, its
        leftovers stay unnoticed.
        """
        if Capability.ATTACH not in cls.subject.capabilities:
            return []
        return [info.name for info in await cls.subject.list()]

    @classmethod
    async def _check_shared_is_gone(cls) -> None:
        assert cls._shared_name not in await cls.existing(), "the shared container was left behind"

    async def leftovers(self) -> list[str]:
        """Return the names of the suite's containers that still exist, except the shared one."""
        created = self._names - {self._shared_name}
        return [name for name in await self.existing() if name in created]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _suite(cls, request: pytest.FixtureRequest, backend: Backend) -> Iterator[None]:
        # A loop of our own, never the thread's current one, which may belong to another plugin.
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            cls.subject, cls._runner = backend, runner
            cls._names, cls._shared_failure = set(), None
            state = runner.run(backend.availability())
            if not state.ready:
                reason = f"The backend {backend.name!r} is not ready: {state.reason}"
                required = os.environ.get("IPYBOX_REQUIRE_BACKENDS", "").split(",")
                (pytest.fail if backend.name in required else pytest.skip)(reason)
            lifetime = AsyncExitStack()
            try:
                runner.run(cls.set_up(lifetime))
                yield
            finally:
                runner.run(lifetime.aclose())

    @pytest.fixture(autouse=True)
    def _gate(self, request: pytest.FixtureRequest) -> None:
        record = request.node.user_properties.append
        description = check_of(request.function)
        if description is None:
            return  # not a check but a test that the author added
        if description.reason is not None:
            record(("ipybox_overridden", f"{request.node.name}: {description.reason}"))
        lacking = [need.value for need in description.needs if need not in self.capabilities]
        if lacking:
            record(("ipybox_lacks", ", ".join(lacking)))
            pytest.skip(f"lacks {', '.join(lacking)}")
        if parse_version(description.since) > parse_version(self.suite_version):
            record(("ipybox_lacks", f"suite_version {description.since}"))
            pytest.skip(f"new in version {description.since} of the suite")
