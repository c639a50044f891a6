"""For the authors of plugins: fakes that inject faults, and what counts how they end."""

from ipybox.testing.cutting_proxy import CuttingProxy
from ipybox.testing.fake_gateway import FakeGateway, Fault
from ipybox.testing.tries import Tries

__all__ = ["CuttingProxy", "FakeGateway", "Fault", "Tries"]
