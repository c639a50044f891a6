"""The Podman backend."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

from ipybox import BackendError
from ipybox.authoring import BuildEvent, Capability, ContainerSpec, Finding
from ipybox.engine import EngineBackend
from ipybox_podman import userns
from ipybox_podman.diagnosis import assess_host
from ipybox_podman.engine import PodmanEngine
from ipybox_podman.host import read_host

NOT_REACHED = "Do what is said there; `podman info` shows whether Podman itself works for you."


class PodmanBackend(EngineBackend):
    """Containers of a Podman engine.

    Args:
        url: Address of the engine, as in "unix:///run/podman/podman.sock", "ssh://user@host/path"
            or "tcp://host:port"; None for CONTAINER_HOST, else the user's socket, else the
            system's socket. If no engine answers at those and Podman is installed, the backend
            runs a service of its own.
    """

    name = "podman"
    capabilities = frozenset(Capability)
    engine: PodmanEngine

    def __init__(self, url: str | None = None) -> None:
        super().__init__(PodmanEngine(url))
        self.capabilities = frozenset(Capability) - self.engine.lacks

    async def diagnose(self) -> Sequence[Finding]:
        try:
            state, info = await self.engine.availability(), None
            if state.ready:
                with suppress(BackendError):  # the host can be assessed without it
                    info = await self.engine.connection.info()
        finally:
            await self._close_unless_entered()
        engine = Finding(
            name="engine",
            level="ok" if state.ready else "error",
            found=f"{state.version} at {self.engine.address}" if state.ready else f"{state.reason}",
            remedy=None if state.ready else state.remedy if state.version else NOT_REACHED,
        )
        if sys.platform != "linux":  # containers run in Podman's virtual machine, not on this host
            return [engine]
        return [engine, *assess_host(await asyncio.to_thread(read_host), info)]

    def prepare(self, spec: ContainerSpec) -> AsyncIterator[BuildEvent]:
        return userns.prepare(self.engine, spec)
