"""The suite that holds a backend and its containers to the contract."""

from ipybox.testing.conformance.backend.access import AccessChecks
from ipybox.testing.conformance.backend.attach import AttachChecks
from ipybox.testing.conformance.backend.binds import BindChecks
from ipybox.testing.conformance.backend.cancellation import CancellationChecks
from ipybox.testing.conformance.backend.commands import CommandChecks
from ipybox.testing.conformance.backend.concurrency import ConcurrencyChecks
from ipybox.testing.conformance.backend.environment import EnvironmentChecks
from ipybox.testing.conformance.backend.exit import ExitChecks
from ipybox.testing.conformance.backend.guarantees import GuaranteeChecks
from ipybox.testing.conformance.backend.images import ImageChecks
from ipybox.testing.conformance.backend.kill import KillChecks
from ipybox.testing.conformance.backend.leases import LeaseChecks
from ipybox.testing.conformance.backend.lifecycle import LifecycleChecks
from ipybox.testing.conformance.backend.limits import LimitChecks
from ipybox.testing.conformance.backend.observability import ObservabilityChecks
from ipybox.testing.conformance.backend.ports import PortChecks
from ipybox.testing.conformance.backend.streams import StreamChecks
from ipybox.testing.conformance.backend.validation import ValidationChecks


class BackendConformance(
    ValidationChecks,
    LifecycleChecks,
    ExitChecks,
    KillChecks,
    EnvironmentChecks,
    BindChecks,
    PortChecks,
    CancellationChecks,
    StreamChecks,
    CommandChecks,
    ObservabilityChecks,
    LimitChecks,
    GuaranteeChecks,
    AccessChecks,
    AttachChecks,
    LeaseChecks,
    ImageChecks,
    ConcurrencyChecks,
):
    """Everything that the contract of :class:`Backend` and :class:`Container` promises.

    A test class defines the fixture ``backend`` and the attributes of :class:`Conformance`. It
    also sets ``maker`` if the backend's class needs arguments, and overrides ``existing`` if the
    backend cannot list its containers.
    """


__all__ = ["BackendConformance"]
