"""The Podman backend, checked against the contract: rootful as root, rootless otherwise."""

import pytest
from ipybox_podman.backend import PodmanBackend

from ipybox.authoring import Backend
from ipybox.testing import BackendConformance


class TestPodmanBackend(BackendConformance):
    capabilities = PodmanBackend().capabilities  # a rootless user cannot pause without cgroup v2
    tag = "ipybox/minimal"

    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls) -> Backend:
        return PodmanBackend()
