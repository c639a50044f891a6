"""The Podman backend, held to the contract: rootless as an ordinary user, rootful as root."""

import pytest
from ipybox_podman.backend import PodmanBackend

from ipybox.authoring import Backend
from ipybox.testing import BackendConformance


class TestPodmanBackend(BackendConformance):
    capabilities = PodmanBackend().capabilities  # without cgroup v2 no pausing, for a user
    tag = "ipybox/minimal"

    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls) -> Backend:
        return PodmanBackend()
