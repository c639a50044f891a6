"""The Docker backend."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from ipybox.authoring import BuildContext, BuildEvent, Capability, EngineBackend, ImageInfo
from ipybox_docker import images
from ipybox_docker.engine import DockerEngine


class DockerBackend(EngineBackend):
    """Containers of a Docker engine: ``url``, else DOCKER_HOST, else the Docker context,
    else the usual sockets."""

    name = "docker"
    capabilities = frozenset(Capability)

    engine: DockerEngine

    def __init__(self, url: str | None = None) -> None:
        super().__init__(DockerEngine(url))
        self._connection = self.engine.connection

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
