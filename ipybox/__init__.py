"""Run untrusted Python statefully, wherever there is a container engine."""

from ipybox.backend import (
    Availability,
    Backend,
    BackendDescriptor,
    Capability,
    Container,
    ExitStatus,
    Guarantees,
)
from ipybox.client import ExecutionClient
from ipybox.container import ExecutionContainer
from ipybox.errors import (
    AuthenticationError,
    BackendError,
    BackendNotFoundError,
    BackendUnavailableError,
    ConnectFailedError,
    ConnectionLostError,
    ContainerLostError,
    ContainerStartError,
    ExecutionError,
    ExecutionFailedError,
    ExecutionInterruptedError,
    ExecutionTimeoutError,
    GatewayError,
    InputFailedError,
    InvalidArgumentError,
    IpyboxError,
    KernelDiedError,
    NotConnectedError,
    PluginError,
    PortTakenError,
    ProtocolError,
    SpillError,
    TransportError,
    UnsupportedError,
    VersionMismatchError,
)
from ipybox.events import Event
from ipybox.execution import Execution
from ipybox.hookspecs import hookimpl
from ipybox.image import ImageRecipe
from ipybox.outputs.handler import OutputHandler
from ipybox.outputs.limits import OutputLimits, Truncation
from ipybox.outputs.result import ExecutionResult, Output
from ipybox.session import session
from ipybox.spec import Bind, ContainerSpec, Endpoint, Resources

__all__ = [
    "AuthenticationError",
    "Availability",
    "Backend",
    "BackendDescriptor",
    "BackendError",
    "BackendNotFoundError",
    "BackendUnavailableError",
    "Bind",
    "Capability",
    "ConnectFailedError",
    "ConnectionLostError",
    "Container",
    "ContainerLostError",
    "ContainerSpec",
    "ContainerStartError",
    "Endpoint",
    "Event",
    "Execution",
    "ExecutionClient",
    "ExecutionContainer",
    "ExecutionError",
    "ExecutionFailedError",
    "ExecutionInterruptedError",
    "ExecutionResult",
    "ExecutionTimeoutError",
    "ExitStatus",
    "GatewayError",
    "Guarantees",
    "ImageRecipe",
    "InputFailedError",
    "InvalidArgumentError",
    "IpyboxError",
    "KernelDiedError",
    "NotConnectedError",
    "Output",
    "OutputHandler",
    "OutputLimits",
    "PluginError",
    "PortTakenError",
    "ProtocolError",
    "Resources",
    "SpillError",
    "TransportError",
    "Truncation",
    "UnsupportedError",
    "VersionMismatchError",
    "hookimpl",
    "session",
]
