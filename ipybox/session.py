"""Container and client in one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Unpack

from ipybox.backend import Backend
from ipybox.client import ExecutionClient
from ipybox.container import ContainerOptions, ExecutionContainer


@asynccontextmanager
async def session(
    *, backend: str | Backend | None = None, **options: Unpack[ContainerOptions]
) -> AsyncIterator[ExecutionClient]:
    """Start a container and connect a client to it; both end with the block.

    ::

        async with ipybox.session(backend="docker", env={"DEBUG": "1"}) as client:
            result = await client.execute("1 + 1")

    Args:
        backend: As for :class:`ExecutionContainer`.
        **options: The other arguments of :class:`ExecutionContainer`.

    Yields:
        A connected client.

    Raises:
        IpyboxError: What :meth:`ExecutionContainer.run` and :meth:`ExecutionClient.connect` raise.
    """
    async with ExecutionContainer(backend=backend, **options) as container:
        endpoint = container.endpoint
        async with ExecutionClient(endpoint.port, endpoint.host, token=endpoint.token) as client:
            yield client
