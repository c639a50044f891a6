"""Tests for authors of plugins: conformance suites for backends, and fakes that inject faults.

Needs pytest.
"""

# ruff: noqa: E402  # asserts are rewritten before the import, so that failures show values

import typing

import pytest

from ipybox import _moved

pytest.register_assert_rewrite("ipybox.testing.conformance")

from ipybox.testing.conformance.backend import BackendConformance
from ipybox.testing.conformance.checks import SUITE_VERSION, check, overrides
from ipybox.testing.conformance.session import SessionConformance
from ipybox.testing.cutting_proxy import CuttingProxy
from ipybox.testing.fake_gateway import FakeGateway, Fault
from ipybox.testing.fault_trials import FaultTrials
from ipybox.testing.loop_watch import LoopWatch

__all__ = [
    "SUITE_VERSION",
    "BackendConformance",
    "CuttingProxy",
    "FakeGateway",
    "Fault",
    "FaultTrials",
    "LoopWatch",
    "SessionConformance",
    "check",
    "overrides",
]

if not typing.TYPE_CHECKING:  # type checkers report the old name as missing
    __getattr__ = _moved.moved_names(__name__, {"Tries": "ipybox.testing.FaultTrials"})
