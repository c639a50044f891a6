"""The Docker backend."""

from __future__ import annotations

from ipybox.authoring import Capability
from ipybox.engine import EngineBackend
from ipybox_docker.engine import DockerEngine


class DockerBackend(EngineBackend):
    """Containers of a Docker engine.

    Args:
        url: Address of the engine, as in "unix:///var/run/docker.sock" or "tcp://host:2376";
            None for DOCKER_HOST, else the Docker context, else the usual sockets.
    """

    name = "docker"
    capabilities = frozenset(Capability)
    engine: DockerEngine

    def __init__(self, url: str | None = None) -> None:
        super().__init__(DockerEngine(url))
