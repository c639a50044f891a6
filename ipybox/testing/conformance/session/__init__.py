"""The suite for what users see: containers and clients of the library, on a backend."""

from ipybox.testing.conformance.session.answers import InputChecks
from ipybox.testing.conformance.session.caps import CapChecks
from ipybox.testing.conformance.session.code import CodeChecks
from ipybox.testing.conformance.session.displays import DisplayChecks
from ipybox.testing.conformance.session.doors import DoorChecks
from ipybox.testing.conformance.session.kernels import KernelChecks
from ipybox.testing.conformance.session.lines import LineChecks
from ipybox.testing.conformance.session.losses import LossChecks
from ipybox.testing.conformance.session.order import OrderChecks
from ipybox.testing.conformance.session.packages import PackageChecks
from ipybox.testing.conformance.session.promises import PromiseChecks
from ipybox.testing.conformance.session.spill import SpillChecks
from ipybox.testing.conformance.session.stops import StopChecks
from ipybox.testing.conformance.session.writers import WriterChecks


class SessionConformance(
    PromiseChecks,
    CodeChecks,
    DisplayChecks,
    OrderChecks,
    StopChecks,
    LossChecks,
    CapChecks,
    SpillChecks,
    InputChecks,
    KernelChecks,
    PackageChecks,
    DoorChecks,
    WriterChecks,
    LineChecks,
):
    """All that the usage page promises, all ways in which an execution can end, and that no
    output is lost, on any backend. What installs from a package index has the marker
    ``index``."""


__all__ = ["SessionConformance"]
