"""The private parts of aiodocker that this backend cannot do without, each in one function."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import aiodocker
from aiodocker.stream import Stream


async def raw_json(
    docker: aiodocker.Docker,
    path: str,
    method: str = "GET",
    *,
    params: Mapping[str, str] | None = None,
    data: Mapping[str, Any] | None = None,
) -> Any:
    """Send a request of which aiodocker has no call, or one with fewer options.

    Args:
        docker: The client.
        path: Path below the API's version, as in "containers/json".
        method: The HTTP method.
        params: The query's parameters.
        data: The body, which is sent as JSON.

    Returns:
        The answer's JSON.
    """
    body = None if data is None else dict(data)
    return await docker._query_json(path, method, params=params, data=body)


async def raw_text(docker: aiodocker.Docker, path: str, *, params: Mapping[str, str]) -> str:
    """Send a GET request and return the whole answer as a str."""
    async with docker._query(path, params=params) as response:
        return str(await response.text())


async def raw_open(stream: Stream) -> None:
    """Open a stream now; aiodocker opens it with the first read."""
    await stream._init()


def raw_transport(stream: Stream) -> asyncio.Transport | None:
    """Return the transport of an open stream, or None once its connection is closed."""
    response = stream._resp
    if response is None or response.connection is None:
        return None
    return response.connection.transport
