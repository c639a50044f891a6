"""For the authors of plugins and clients: fakes that inject faults."""

from ipybox.testing.fake_gateway import FakeGateway, Fault

__all__ = ["FakeGateway", "Fault"]
