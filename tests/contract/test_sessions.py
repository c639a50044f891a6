"""The session suite, run on each backend."""

import os
from typing import ClassVar

import pytest
from ipybox_docker.backend import DockerBackend
from ipybox_local.backend import LocalBackend
from ipybox_podman.backend import PodmanBackend
from ipybox_toy.backend import ToyBackend

from ipybox.authoring import Backend
from ipybox.testing import SessionConformance


class TestLocalSession(SessionConformance):
    capabilities = LocalBackend.capabilities

    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls) -> Backend:
        return LocalBackend()


class TestDockerSession(SessionConformance):
    capabilities = DockerBackend.capabilities
    # With IPYBOX_TEST_READ_ONLY=1, every container of these checks has a read-only root.
    options: ClassVar = {"read_only_root": os.environ.get("IPYBOX_TEST_READ_ONLY") == "1"}

    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls) -> Backend:
        return DockerBackend()


class TestPodmanSession(SessionConformance):
    capabilities = PodmanBackend().capabilities

    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls) -> Backend:
        return PodmanBackend()


class TestToySession(SessionConformance):
    """A third-party backend that has no optional capability."""

    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls) -> Backend:
        return ToyBackend()
