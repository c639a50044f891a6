"""The Podman backend."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

from ipybox import BackendError
from ipybox.authoring import (
    BuildContext,
    BuildEvent,
    Capability,
    ContainerSpec,
    EngineBackend,
    Finding,
    ImageInfo,
)
from ipybox_podman import images, userns
from ipybox_podman.diagnosis import assess_host
from ipybox_podman.engine import PodmanEngine
from ipybox_podman.host import read_host

NOT_REACHED = "Do what is said there; `podman info` tells whether Podman itself works for you."


class PodmanBackend(EngineBackend):
    """Containers of a Podman engine: ``url``, else CONTAINER_HOST, else the user's socket,
    else the system's; where none answers and Podman is there, a service of its own."""

    name = "podman"
    capabilities = frozenset(Capability)
    engine: PodmanEngine

    def __init__(self, url: str | None = None) -> None:
        super().__init__(PodmanEngine(url))
        self.capabilities = frozenset(Capability) - self.engine.lacks
        self._connection = self.engine.connection

    async def diagnose(self) -> Sequence[Finding]:
        try:
            state, info = await self.engine.availability(), None
            if state.ready:
                with suppress(BackendError):  # then the host is judged without it
                    info = await self._connection.info()
        finally:
            if not self._users:
                await self.engine.aclose()
        engine = Finding(
            name="engine",
            level="ok" if state.ready else "error",
            found=f"{state.version} at {self.engine.address}" if state.ready else f"{state.reason}",
            remedy=None if state.ready else state.remedy if state.version else NOT_REACHED,
        )
        if sys.platform != "linux":  # the host of the containers is a machine of Podman's
            return [engine]
        return [engine, *assess_host(await asyncio.to_thread(read_host), info)]

    def prepare(self, spec: ContainerSpec) -> AsyncIterator[BuildEvent]:
        return userns.prepare(self.engine, spec)

    async def image(self, tag: str) -> ImageInfo | None:
        return await images.find(self._connection, tag)

    async def images(self) -> Sequence[ImageInfo]:
        return await images.list_ours(self._connection)

    def pull(self, tag: str) -> AsyncIterator[BuildEvent]:
        return images.pull(self._connection, tag)

    def build(self, context: BuildContext) -> AsyncIterator[BuildEvent]:
        return images.build(self._connection, context)

    async def remove_image(self, tag: str) -> None:
        await images.remove(self._connection, tag)
