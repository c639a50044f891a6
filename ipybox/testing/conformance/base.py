"""What both suites stand on: the backend, an event loop of its own, gates by capability."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, ClassVar

import pytest

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

BLOCKED_SECONDS = 1.0
SOON_SECONDS = 20.0
"""The end of each wait for what comes at once: far above it, for machines that are busy."""
STEP_SECONDS = 0.05


class Conformance:
    """Derive a class ``Test…`` from one of the suites; write the fixture ``backend``.

    - ``capabilities``: what the backend can do. What needs more is skipped, and the table
      at the end of the run tells for lack of what.
    - ``suite_version``: the version that was there when the class was written. Checks that
      are newer are skipped until it is raised.
    - ``tag``: the image that the containers run, where the backend has images.
    - ``options``: of all containers, for example ``{"read_only_root": True}``.
    """

    capabilities: ClassVar[frozenset[Capability]] = frozenset()
    suite_version: ClassVar[str] = SUITE_VERSION
    tag: ClassVar[str] = DEFAULT_TAG
    options: ClassVar[Mapping[str, Any]] = {}

    subject: ClassVar[Backend]
    """The backend, entered, while the checks of the class run."""
    _runner: ClassVar[asyncio.Runner]
    _names: ClassVar[set[str]]
    _shared: ClassVar[ExecutionContainer]
    _shared_name: ClassVar[str]
    _not_shared: ClassVar[BaseException | None] = None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        check_overrides(cls)
        check_suite_version(cls, cls.suite_version)

    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls) -> Backend:
        """The backend under test. Every author writes this one."""
        raise NotImplementedError("write a fixture 'backend' of scope 'class' that returns it")

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs a check to its end. The event loop must go on meanwhile, and no container
        of the check's be left."""

        async def watched() -> None:
            async with LoopWatch() as watch:
                await work
            assert watch.longest < BLOCKED_SECONDS, (
                f"the event loop was blocked for {watch.longest:.2f} s"
            )
            left = await self.leftovers()
            assert not left, f"the check is over, and these containers are left: {left}"

        self._runner.run(watched())

    @classmethod
    async def set_up(cls, lifetime: AsyncExitStack) -> None:
        """Before the first check of the class; what it puts on ``lifetime`` ends after the
        last one."""
        await lifetime.enter_async_context(cls.subject)
        if Capability.IMAGES in cls.subject.capabilities:
            await ensure_image(cls.subject, cls.tag, on_event=lambda event: None)
        cls._shared_name = f"ipybox-shared-{secrets.token_hex(6)}"
        cls._shared = ExecutionContainer(
            cls.tag, backend=cls.subject, name=cls._shared_name, **cls.options
        )
        lifetime.push_async_callback(cls._shared_is_gone)
        try:
            await lifetime.enter_async_context(cls._shared)
        except Exception as error:  # told by the checks that need it: the others can run
            cls._not_shared = error

    def spec(self, **options: Any) -> ContainerSpec:
        """A spec for the backend under test, with a name of the suite's own."""
        named = {"tag": self.tag, "name": self.new_name(), **self.options, **options}
        return ContainerSpec(**named)

    def new_name(self) -> str:
        """For a container; what is left of that name is found by :meth:`leftovers`."""
        name = f"ipybox-suite-{secrets.token_hex(6)}"
        self._names.add(name)
        return name

    @asynccontextmanager
    async def created(self, **options: Any) -> AsyncIterator[Container]:
        """A container that is not started yet; it is killed in the end."""
        container = await self.subject.create(self.spec(**options))
        try:
            yield container
        finally:
            await container.kill()

    @asynccontextmanager
    async def started(self, **options: Any) -> AsyncIterator[Container]:
        """A container whose gateway answers; it is killed in the end. Nobody renews its
        lease."""
        async with self.created(**options) as container:
            await container.start()
            yield container

    @asynccontextmanager
    async def running(self, **options: Any) -> AsyncIterator[ExecutionContainer]:
        """The same through the library, as a user has it."""
        options = {"tag": self.tag, "name": self.new_name(), **self.options, **options}
        async with ExecutionContainer(backend=self.subject, **options) as container:
            yield container

    async def python(self, code: str, *, on: Container | None = None) -> str:
        """What the code prints, in a kernel of that container; None: of the shared one."""
        endpoint = (on or self.shared).endpoint
        assert endpoint is not None, "the container does not run"
        async with ExecutionClient(endpoint.port, endpoint.host, token=endpoint.token) as client:
            return (await client.execute(code)).stdout

    @property
    def shared(self) -> Container:
        """A container for all checks of the class that do it no harm; its lease is renewed."""
        if self._not_shared is not None:
            raise AssertionError("the container of the class did not start") from self._not_shared
        return self._shared._current()

    async def until(
        self, true: Callable[[], Awaitable[bool]], what: str, seconds: float = SOON_SECONDS
    ) -> None:
        """Waits for something that has no event; fails where it does not come."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not await true():
            late = asyncio.get_running_loop().time() > deadline
            assert not late, f"not within {seconds:.0f} s: {what}"
            await asyncio.sleep(STEP_SECONDS)

    @classmethod
    async def existing(cls) -> list[str]:
        """The names of all containers that there are of this backend. Where it can't list
        them, its author may tell them in a way of their own."""
        if Capability.ATTACH not in cls.subject.capabilities:
            return []
        return [info.name for info in await cls.subject.list()]

    @classmethod
    async def _shared_is_gone(cls) -> None:
        assert cls._shared_name not in await cls.existing(), "the class's container is left"

    async def leftovers(self) -> list[str]:
        """The containers of the suite that are there, without the shared one."""
        made = self._names - {self._shared_name}
        return [name for name in await self.existing() if name in made]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _suite(cls, request: pytest.FixtureRequest, backend: Backend) -> Iterator[None]:
        # The loop is made by us, and never the thread's current one: other plugins have theirs.
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            cls.subject, cls._runner = backend, runner
            cls._names, cls._not_shared = set(), None
            state = runner.run(backend.availability())
            if not state.ready:
                reason = f"the backend {backend.name!r} is not ready: {state.reason}"
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
        tell = request.node.user_properties.append
        description = check_of(request.function)
        if description is None:
            return  # a test of the author's own
        if description.reason is not None:
            tell(("ipybox_overridden", f"{request.node.name}: {description.reason}"))
        lacking = [need.value for need in description.needs if need not in self.capabilities]
        if lacking:
            tell(("ipybox_lacks", ", ".join(lacking)))
            pytest.skip(f"lacks {', '.join(lacking)}")
        if parse_version(description.since) > parse_version(self.suite_version):
            tell(("ipybox_lacks", f"suite_version {description.since}"))
            pytest.skip(f"came with version {description.since} of the suite")
