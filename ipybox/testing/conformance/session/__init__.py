"""The suite for what users see: the library's containers and clients, on one backend."""

from ipybox.testing.conformance.session.access import AccessChecks
from ipybox.testing.conformance.session.code import CodeChecks
from ipybox.testing.conformance.session.concurrency import ConcurrencyChecks
from ipybox.testing.conformance.session.displays import DisplayChecks
from ipybox.testing.conformance.session.failures import FailureChecks
from ipybox.testing.conformance.session.interrupts import InterruptChecks
from ipybox.testing.conformance.session.kernels import KernelChecks
from ipybox.testing.conformance.session.limits import LimitChecks
from ipybox.testing.conformance.session.packages import PackageChecks
from ipybox.testing.conformance.session.spill import SpillChecks
from ipybox.testing.conformance.session.stdin import StdinChecks
from ipybox.testing.conformance.session.streaming import StreamingChecks
from ipybox.testing.conformance.session.usage import UsageChecks


class SessionConformance(
    UsageChecks,
    CodeChecks,
    DisplayChecks,
    ConcurrencyChecks,
    InterruptChecks,
    FailureChecks,
    LimitChecks,
    SpillChecks,
    StdinChecks,
    KernelChecks,
    PackageChecks,
    AccessChecks,
    StreamingChecks,
):
    """Checks of containers and clients as users see them, on any backend.

    The checks cover all that the usage page promises, every way in which an execution can
    end, and that no output is lost. Checks that install from a package index have the
    marker ``index``.
    """


__all__ = ["SessionConformance"]
