"""The toy backend of another distribution, checked against the contract."""

import tempfile
from pathlib import Path

import pytest
from ipybox_toy.backend import ToyBackend

from ipybox.authoring import Backend
from ipybox.testing import BackendConformance


class TestToy(BackendConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls) -> Backend:
        return ToyBackend()

    @classmethod
    async def existing(cls) -> list[str]:
        """Find containers by their folders: the toy backend cannot list them."""
        return [path.name[4:] for path in Path(tempfile.gettempdir()).glob("toy-*")]
