"""Run untrusted Python statefully, wherever there is a container engine.

Authors of backends, images and output handlers find what they need in
:mod:`ipybox.authoring`; the complete list of errors is in :mod:`ipybox.errors`.
"""

import typing as _typing

from ipybox import _moved
from ipybox.client import ExecutionClient
from ipybox.container import ExecutionContainer
from ipybox.errors import (
    BackendError,
    BackendUnavailableError,
    ConnectionLostError,
    ContainerLostError,
    ContainerStartError,
    ContainerStateError,
    ExecutionError,
    ExecutionFailedError,
    ExecutionInterruptedError,
    ExecutionTimeoutError,
    InvalidArgumentError,
    IpyboxError,
    KernelDiedError,
    NotConnectedError,
    TransportError,
)
from ipybox.gateway.versions import VERSION as _VERSION
from ipybox.kernel.execution import Execution
from ipybox.kernel.timeouts import Timeouts
from ipybox.outputs.limits import OutputLimits
from ipybox.outputs.result import ExecutionResult, Output
from ipybox.session import session
from ipybox.spec.container import Bind
from ipybox.spec.resources import Port, Resources
from ipybox.spec.status import Guarantees, Truncation

__all__ = [  # noqa: RUF022  # in groups, for the reader
    # Run code
    "ExecutionContainer",
    "ExecutionClient",
    "Timeouts",
    "session",
    # What an execution returns
    "Execution",
    "ExecutionResult",
    "Output",
    "OutputLimits",
    "Truncation",
    # What a container may use, and what it guarantees
    "Bind",
    "Port",
    "Resources",
    "Guarantees",
    # Errors; ipybox.errors has the complete tree
    "IpyboxError",
    "InvalidArgumentError",
    "BackendError",
    "BackendUnavailableError",
    "ContainerStartError",
    "ContainerStateError",
    "ContainerLostError",
    "TransportError",
    "NotConnectedError",
    "ConnectionLostError",
    "ExecutionFailedError",
    "ExecutionError",
    "ExecutionInterruptedError",
    "ExecutionTimeoutError",
    "KernelDiedError",
]

__version__ = _VERSION
_moved.serve_old_modules()

if not _typing.TYPE_CHECKING:  # type checkers report the old names as missing
    __getattr__ = _moved.moved_names(
        __name__,
        {
            **{
                name: f"ipybox.authoring.{name}"
                for name in (
                    "Availability",
                    "Backend",
                    "BackendDescriptor",
                    "BuildContext",
                    "BuildEvent",
                    "ByteStream",
                    "Capability",
                    "Container",
                    "ContainerInfo",
                    "ContainerSpec",
                    "Endpoint",
                    "Event",
                    "ExecResult",
                    "ExitStatus",
                    "Finding",
                    "ImageInfo",
                    "ImageRecipe",
                    "OutputHandler",
                    "Probe",
                    "Stats",
                    "hookimpl",
                )
            },
            **{
                name: f"ipybox.errors.{name}"
                for name in (
                    "AuthenticationError",
                    "BackendNotFoundError",
                    "ConnectFailedError",
                    "ContainerNotFoundError",
                    "EngineGoneError",
                    "EngineTimeoutError",
                    "GatewayError",
                    "GuaranteeError",
                    "ImageBuildError",
                    "ImageError",
                    "ImageNotFoundError",
                    "ImageRefusedError",
                    "InputFailedError",
                    "NameTakenError",
                    "PluginError",
                    "PortTakenError",
                    "ProtocolError",
                    "SpillError",
                    "UnsupportedError",
                    "VersionMismatchError",
                )
            },
        },
    )
