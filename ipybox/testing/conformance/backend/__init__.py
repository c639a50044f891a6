"""The suite for a backend: its containers, from their creation to their end."""

from ipybox.testing.conformance.backend.attaching import AttachChecks
from ipybox.testing.conformance.backend.binds import BindChecks
from ipybox.testing.conformance.backend.cancelling import CancelChecks
from ipybox.testing.conformance.backend.commands import CommandChecks
from ipybox.testing.conformance.backend.crowds import CrowdChecks
from ipybox.testing.conformance.backend.endings import EndingChecks
from ipybox.testing.conformance.backend.environment import EnvironmentChecks
from ipybox.testing.conformance.backend.guarantees import GuaranteeChecks
from ipybox.testing.conformance.backend.hardening import HardeningChecks
from ipybox.testing.conformance.backend.images import ImageChecks
from ipybox.testing.conformance.backend.killing import KillChecks
from ipybox.testing.conformance.backend.lifecycle import LifecycleChecks
from ipybox.testing.conformance.backend.limits import LimitChecks
from ipybox.testing.conformance.backend.owners import OwnerChecks
from ipybox.testing.conformance.backend.ports import PortChecks
from ipybox.testing.conformance.backend.refusals import RefusalChecks
from ipybox.testing.conformance.backend.streams import StreamChecks
from ipybox.testing.conformance.backend.watching import WatchingChecks


class BackendConformance(
    RefusalChecks,
    LifecycleChecks,
    EndingChecks,
    KillChecks,
    EnvironmentChecks,
    BindChecks,
    PortChecks,
    CancelChecks,
    StreamChecks,
    CommandChecks,
    WatchingChecks,
    LimitChecks,
    GuaranteeChecks,
    HardeningChecks,
    AttachChecks,
    OwnerChecks,
    ImageChecks,
    CrowdChecks,
):
    """All that the contract of :class:`ipybox.Backend` and its containers says.

    Besides what :class:`Conformance` wants to know: ``maker``, where the backend's class
    can't be made without arguments; ``existing``, where it can't list its containers.
    """


__all__ = ["BackendConformance"]
