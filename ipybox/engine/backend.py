"""A backend whose containers are made by an engine."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Sequence
from typing import Self

from ipybox._async import shielded
from ipybox.backend import Backend, Container
from ipybox.engine import reattach
from ipybox.engine.base import Engine
from ipybox.engine.container import EngineContainer
from ipybox.engine.inspection import Ref
from ipybox.errors import (
    BackendError,
    BackendUnavailableError,
    EngineTimeoutError,
    InvalidArgumentError,
)
from ipybox.runtime.labels import Owner
from ipybox.runtime.launch import log_lines
from ipybox.spec.container import ContainerSpec
from ipybox.spec.image import BuildContext, BuildEvent, ImageInfo
from ipybox.spec.paths import LEASE_FILE
from ipybox.spec.status import Availability, ContainerInfo

log = logging.getLogger(__name__)


class EngineBackend(Backend):
    """A backend that is built on an :class:`Engine`; a subclass adds its name.

    When a process first uses an engine, the containers that dead owners have left there are
    removed in the background.

    Attributes:
        engine: The engine.
    """

    def __init__(self, engine: Engine) -> None:
        """Build a backend on an engine."""
        self.engine = engine
        self._users = 0
        self._sweeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self.engine.check_address()
        self._users += 1
        cache = self.engine.cache
        if not cache.swept:
            cache.swept = True
            self._sweeper = asyncio.create_task(self._sweep_quietly(), name="ipybox sweep")
        return self

    async def aclose(self) -> None:
        self._users = max(0, self._users - 1)
        if not self._users:
            await shielded(self._close())

    async def _close(self) -> None:
        sweeper, self._sweeper = self._sweeper, None
        if sweeper is not None:
            sweeper.cancel()
            await asyncio.wait([sweeper])
        await self.engine.aclose()

    async def _close_unless_entered(self) -> None:
        """Close the connection after a call outside of ``async with``."""
        if not self._users:
            await self.engine.aclose()

    async def availability(self) -> Availability:
        try:
            return await self.engine.availability()
        finally:
            await self._close_unless_entered()

    async def create(self, spec: ContainerSpec) -> Container:
        placement = await self.engine.placement()
        for bind in spec.binds:
            # An engine that runs as root would hand over folders that its user cannot read. The
            # folders of a remote engine are not this machine's.
            if placement.local and not os.access(bind.host_path, os.R_OK):
                raise InvalidArgumentError(
                    f"The bind {str(bind.host_path)!r} is refused: this user may not read it, so a "
                    "container may not either. Change its permissions, or leave it out."
                )
        return EngineContainer(self.engine, spec)

    async def attach(self, container_id: str) -> Container:
        return await reattach.attach(self.engine, container_id)

    async def list(self) -> Sequence[ContainerInfo]:
        return await self.engine.list()

    async def logs(self, container_id: str, tail: int = 100) -> Sequence[str]:
        found = await reattach.find(self.engine, container_id)
        return log_lines(await self.engine.logs(found.ref, tail))

    async def remove(self, container_id: str) -> None:
        await self.engine.remove((await reattach.find(self.engine, container_id)).ref)

    async def sweep(self) -> Sequence[ContainerInfo]:
        removed = []
        for info in await self.engine.list():
            if info.abandoned and not await self._is_held(info):
                await self.engine.remove(Ref(info.id, info.name))
                removed.append(info)
        return removed

    async def _is_held(self, info: ContainerInfo) -> bool:
        """Return whether a living process has attached to a container and renews its lease."""
        if info.state != "running":
            return False
        try:
            text = await reattach.read_file(self.engine, Ref(info.id, info.name), LEASE_FILE)
        except (BackendUnavailableError, EngineTimeoutError):
            return True  # that is unknown now; leave the container to the next sweep
        except BackendError:
            return False
        holder = Owner.parse(text.strip())
        return holder is not None and not holder.is_dead

    async def _sweep_quietly(self) -> None:
        try:
            for info in await self.sweep():
                log.info("removed the container %s, whose owner has died", info.name)
        except BackendError as error:
            log.warning("containers of dead owners could not be removed: %s", error)

    async def image(self, tag: str) -> ImageInfo | None:
        return await self.engine.images.find(tag)

    async def images(self) -> Sequence[ImageInfo]:
        return await self.engine.images.list()

    def pull(self, tag: str) -> AsyncIterator[BuildEvent]:
        return self.engine.images.pull(tag)

    def build(self, context: BuildContext) -> AsyncIterator[BuildEvent]:
        return self.engine.images.build(context)

    async def remove_image(self, tag: str) -> None:
        await self.engine.images.remove(tag)
