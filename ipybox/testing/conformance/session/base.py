"""What all session checks share: one container per class, and clients of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, ClassVar

import httpx

from ipybox.client import ExecutionClient
from ipybox.container import ExecutionContainer
from ipybox.kernel.execution import Execution
from ipybox.kernel.timeouts import Timeouts
from ipybox.testing.conformance.base import SOON_SECONDS, Conformance

PATIENT = Timeouts(interrupt=20.0, probe=20.0)
"""The timeouts of checks in which a busy machine must not cost the kernel."""


class SessionChecks(Conformance):
    """Base class of the session checks.

    Each check connects clients of its own to ``container``. A check that needs other
    options, or stops its container, starts one with :meth:`running`.

    Attributes:
        container: A container that runs from the first check of the class to the last.
    """

    container: ClassVar[ExecutionContainer]

    @classmethod
    async def set_up(cls, lifetime: AsyncExitStack) -> None:
        """Start the shared container, or raise the error that its start raised."""
        await super().set_up(lifetime)
        if cls._shared_failure is not None:
            raise cls._shared_failure
        cls.container = cls._shared

    def new_client(
        self, container: ExecutionContainer | None = None, **options: Any
    ) -> ExecutionClient:
        """Return a client that is not connected yet.

        Args:
            container: The container to connect to; None: the shared one.
            options: Further arguments of :class:`ExecutionClient`.
        """
        endpoint = (container or self.container).endpoint
        return ExecutionClient(endpoint.port, endpoint.host, **{"token": endpoint.token, **options})

    @asynccontextmanager
    async def client(
        self, container: ExecutionContainer | None = None, **options: Any
    ) -> AsyncIterator[ExecutionClient]:
        """Connect a client with a kernel of its own; arguments as for :meth:`new_client`."""
        async with self.new_client(container, **options) as connected:
            yield connected

    @asynccontextmanager
    async def session(self, **options: Any) -> AsyncIterator[ExecutionClient]:
        """Start a container with these options, and connect a client to it."""
        async with self.running(**options) as container:
            async with self.client(container) as connected:
                yield connected

    @asynccontextmanager
    async def http(
        self, container: ExecutionContainer | None = None
    ) -> AsyncIterator[httpx.AsyncClient]:
        """Open an HTTP client for a gateway's REST API, which sends the gateway's token.

        Args:
            container: The gateway's container; None: the shared one.
        """
        endpoint = (container or self.container).endpoint
        async with httpx.AsyncClient(
            base_url=f"http://{endpoint.host}:{endpoint.port}",
            headers={"Authorization": f"token {endpoint.token}"},
            trust_env=False,
            timeout=SOON_SECONDS,
        ) as client:
            yield client

    async def begun(self, client: ExecutionClient, code: str) -> Execution:
        """Submit code that prints, and return its execution once something was printed."""
        execution = await client.submit(code)
        async for _ in execution.stream():
            break
        return execution

    async def kernels(self) -> list[str]:
        """Return the sorted ids of all kernels that the shared container's gateway lists."""
        async with self.http() as http:
            return sorted(kernel["id"] for kernel in (await http.get("/api/kernels")).json())
