"""The foreign toy backend, held to the contract."""

import pytest
from ipybox_toy.backend import ToyBackend

from ipybox import Backend
from ipybox.testing import BackendConformance


class TestToy(BackendConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls) -> Backend:
        return ToyBackend()
