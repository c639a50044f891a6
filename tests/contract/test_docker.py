"""The Docker backend, checked against the contract of all backends."""

import pytest
from ipybox_docker.backend import DockerBackend

from ipybox.authoring import Backend
from ipybox.testing import BackendConformance


class TestDockerBackend(BackendConformance):
    capabilities = DockerBackend.capabilities
    tag = "ipybox/minimal"

    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls) -> Backend:
        return DockerBackend()
