"""The Docker backend."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any, Self

from ipybox import (
    Availability,
    Backend,
    BackendError,
    BuildContext,
    BuildEvent,
    Capability,
    Container,
    ContainerInfo,
    ContainerSpec,
    ImageInfo,
    InvalidArgumentError,
)
from ipybox.authoring import CONTAINER_LABEL, LEASE_FILE, Owner, is_abandoned
from ipybox_docker import attaching, images
from ipybox_docker.connection import Connection
from ipybox_docker.container import DockerContainer
from ipybox_docker.ending import remove
from ipybox_docker.errors import engine_call
from ipybox_docker.reading import last_lines
from ipybox_docker.translate import create_payload, run_user

log = logging.getLogger(__name__)


class DockerBackend(Backend):
    """Containers of a Docker engine: ``url``, else DOCKER_HOST, else the Docker context,
    else the usual sockets."""

    name = "docker"
    capabilities = frozenset(Capability)
    swept: set[str] = set()  # noqa: RUF012  # addresses of engines, once a process

    def __init__(self, url: str | None = None) -> None:
        self._connection = Connection(url)
        self._users = 0
        self._sweep: asyncio.Task[Any] | None = None

    async def __aenter__(self) -> Self:
        self._users += 1
        if self._connection.address not in self.swept:
            self.swept.add(self._connection.address)
            self._sweep = asyncio.create_task(self._sweep_quietly(), name="ipybox sweep")
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._users -= 1
        if self._users:
            return
        sweep, self._sweep = self._sweep, None
        if sweep is not None:
            sweep.cancel()
            await asyncio.wait([sweep])
        await self._connection.aclose()

    async def availability(self) -> Availability:
        try:
            return await self._connection.availability()
        finally:
            if not self._users:
                await self._connection.aclose()

    async def create(self, spec: ContainerSpec) -> Container:
        around = await self._connection.surroundings()
        for bind in spec.binds:
            # A remote engine has other folders; a local one runs as root and would not tell.
            if around.local and not os.access(bind.host_path, os.R_OK):
                raise InvalidArgumentError(
                    f"bind {str(bind.host_path)!r}: you may not read it; what you can't read "
                    "is not handed to a container."
                )
        user = run_user(spec, around, os.getuid(), os.getgid())
        payload = create_payload(spec, around, user)
        return DockerContainer(self._connection, spec, around, payload)

    async def attach(self, container_id: str) -> Container:
        return await attaching.attach(self._connection, container_id)

    async def list(self) -> Sequence[ContainerInfo]:
        async with engine_call("list its containers"):
            found = await self._connection.docker._query_json(
                "containers/json",
                params={"all": "1", "filters": json.dumps({"label": [CONTAINER_LABEL]})},
            )
        return [
            ContainerInfo(
                id=item["Id"],
                name=str(item["Names"][0]).lstrip("/") if item["Names"] else item["Id"][:12],
                state=item["State"],
                image=item["Image"],
                created=float(item["Created"]),
                labels=item["Labels"],
                abandoned=is_abandoned(item["Labels"]),
            )
            for item in found
        ]

    async def logs(self, container_id: str, tail: int = 100) -> Sequence[str]:
        container, _ = await attaching.find(self._connection, container_id)
        return await last_lines(container, container_id, tail)

    async def remove(self, container_id: str) -> None:
        container, _ = await attaching.find(self._connection, container_id)
        await remove(container, container_id)

    async def sweep(self) -> Sequence[ContainerInfo]:
        removed = []
        for info in await self.list():
            if info.abandoned and not await self._is_held(info):
                await remove(self._connection.docker.containers.container(info.id), info.name)
                removed.append(info)
        return removed

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

    async def _is_held(self, info: ContainerInfo) -> bool:
        """Whether somebody else has attached to it and renews its lease."""
        if info.state != "running":
            return False
        try:
            text = await attaching.read_file(self._connection, info.id, LEASE_FILE)
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
