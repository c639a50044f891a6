"""A backend whose containers an engine makes."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence
from types import TracebackType
from typing import ClassVar, Self

from ipybox._async import shielded
from ipybox.backend import Backend, Container
from ipybox.engine import reattach
from ipybox.engine.base import Engine, Ref
from ipybox.engine.container import EngineContainer
from ipybox.errors import (
    BackendError,
    BackendUnavailableError,
    EngineTimeoutError,
    InvalidArgumentError,
)
from ipybox.runtime.labels import Owner
from ipybox.runtime.launch import log_lines
from ipybox.spec.container import ContainerSpec
from ipybox.spec.paths import LEASE_FILE
from ipybox.spec.status import Availability, ContainerInfo

log = logging.getLogger(__name__)


class EngineBackend(Backend):
    """All of a backend but its images. What dead owners have left on the engine is swept
    when it is first used in a process."""

    swept: ClassVar[set[str]] = set()
    """Addresses of engines, once a process."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._users = 0
        self._sweep: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        address = self.engine.address  # raises where there is none
        self._users += 1
        if address not in self.swept:
            self.swept.add(address)
            self._sweep = asyncio.create_task(self._sweep_quietly(), name="ipybox sweep")
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._users -= 1
        if not self._users:
            await shielded(self._leave())

    async def _leave(self) -> None:
        sweep, self._sweep = self._sweep, None
        if sweep is not None:
            sweep.cancel()
            await asyncio.wait([sweep])
        await self.engine.aclose()

    async def availability(self) -> Availability:
        try:
            return await self.engine.availability()
        finally:
            if not self._users:
                await self.engine.aclose()

    async def create(self, spec: ContainerSpec) -> Container:
        around = await self.engine.surroundings()
        for bind in spec.binds:
            # A remote engine has other folders; a local one may be root, and would not tell.
            if around.local and not os.access(bind.host_path, os.R_OK):
                raise InvalidArgumentError(
                    f"bind {str(bind.host_path)!r}: you may not read it; what you can't read "
                    "is not handed to a container."
                )
        return EngineContainer(self.engine, spec, around, await self.engine.payload(spec, around))

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
        """Whether somebody else has attached to it and renews its lease."""
        if info.state != "running":
            return False
        try:
            text = await reattach.read_file(self.engine, Ref(info.id, info.name), LEASE_FILE)
        except (BackendUnavailableError, EngineTimeoutError):
            return True  # it can't be known: the next sweep may
        except BackendError:
            return False
        holder = Owner.parse(text.strip())
        return holder is not None and not holder.is_dead

    async def _sweep_quietly(self) -> None:
        try:
            for info in await self.sweep():
                log.info("removed the container %s, which its owner had left", info.name)
        except BackendError as error:
            log.warning("what dead owners left could not be swept: %s", error)
