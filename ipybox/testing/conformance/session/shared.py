"""What the areas of the suite share: one container for the class, and clients of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, ClassVar

import httpx

from ipybox.client import ExecutionClient
from ipybox.container import ExecutionContainer
from ipybox.kernel.execution import Execution
from ipybox.testing.conformance.base import SOON_SECONDS, Conformance

PATIENT: Mapping[str, Any] = {"interrupt_grace": 20.0, "probe_grace": 20.0}
"""For a kernel that must not be given up because the machine is busy."""


class SessionChecks(Conformance):
    """``container`` runs from the first check to the last; each check has clients of its
    own. One that needs other options, or ends its container, starts one (``running``)."""

    container: ClassVar[ExecutionContainer]

    @classmethod
    async def set_up(cls, lifetime: AsyncExitStack) -> None:
        await super().set_up(lifetime)
        if cls._shared_failure is not None:
            raise cls._shared_failure
        cls.container = cls._shared

    def new_client(
        self, container: ExecutionContainer | None = None, **options: Any
    ) -> ExecutionClient:
        """A client that is not connected yet; None: of the shared container."""
        endpoint = (container or self.container).endpoint
        return ExecutionClient(endpoint.port, endpoint.host, **{"token": endpoint.token, **options})

    @asynccontextmanager
    async def client(
        self, container: ExecutionContainer | None = None, **options: Any
    ) -> AsyncIterator[ExecutionClient]:
        """A client with a kernel of its own; None: in the shared container."""
        async with self.new_client(container, **options) as connected:
            yield connected

    @asynccontextmanager
    async def session(self, **options: Any) -> AsyncIterator[ExecutionClient]:
        """A client in a container of its own, which has these options."""
        async with self.running(**options) as container:
            async with self.client(container) as connected:
                yield connected

    @asynccontextmanager
    async def http(
        self, container: ExecutionContainer | None = None
    ) -> AsyncIterator[httpx.AsyncClient]:
        """Speaks to a gateway's REST API, with its token."""
        endpoint = (container or self.container).endpoint
        async with httpx.AsyncClient(
            base_url=f"http://{endpoint.host}:{endpoint.port}",
            headers={"Authorization": f"token {endpoint.token}"},
            trust_env=False,
            timeout=SOON_SECONDS,
        ) as client:
            yield client

    async def begun(self, client: ExecutionClient, code: str) -> Execution:
        """An execution whose code has printed something: it runs."""
        execution = await client.submit(code)
        async for _ in execution.stream():
            break
        return execution

    async def kernels(self) -> list[str]:
        """The ids of all kernels of the shared container, as its gateway lists them."""
        async with self.http() as http:
            return sorted(kernel["id"] for kernel in (await http.get("/api/kernels")).json())
