"""The local backend, checked against the contract of all backends."""

import tempfile
from pathlib import Path

import pytest
from ipybox_local.backend import LocalBackend

from ipybox.authoring import Backend
from ipybox.testing import BackendConformance


class TestLocalBackend(BackendConformance):
    capabilities = LocalBackend.capabilities

    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls) -> Backend:
        return LocalBackend()

    @classmethod
    async def existing(cls) -> list[str]:
        """Return the names of all temporary folders: each container's folder has its name."""
        return [path.name for path in Path(tempfile.gettempdir()).iterdir()]
