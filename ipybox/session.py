"""Container and client in one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from ipybox.backend import Backend
from ipybox.client import ExecutionClient
from ipybox.container import ExecutionContainer


@asynccontextmanager
async def session(
    *, backend: str | Backend | None = None, **spec: Any
) -> AsyncIterator[ExecutionClient]:
    """A client that is connected to a container of its own; both end with the block.

    ``spec`` are the arguments of :class:`ExecutionContainer`::

        async with ipybox.session(backend="docker", env={"DEBUG": "1"}) as client:
            result = await client.execute("1 + 1")
    """
    async with ExecutionContainer(backend=backend, **spec) as container:
        endpoint = container.endpoint
        async with ExecutionClient(endpoint.port, endpoint.host, token=endpoint.token) as client:
            yield client
