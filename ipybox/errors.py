"""All that ipybox raises.

::

    IpyboxError
    ├── InvalidArgumentError (ValueError)   an argument that can't be right; nothing was started
    ├── PluginError                         a plugin that can't be used, or that failed
    ├── SpillError                          the disk would not take the text of an execution
    ├── ContainerStateError (RuntimeError)  a container is not running, or is running already
    ├── BackendError                        the engine's side
    │   ├── BackendNotFoundError            no backend of that name
    │   ├── BackendUnavailableError         it is there, and not ready
    │   │   └── EngineGoneError             it was ready, and can't be reached any more
    │   ├── UnsupportedError                this backend can't do what was asked for
    │   ├── EngineTimeoutError (TimeoutError)  the engine stopped answering
    │   ├── PortTakenError                  the port asked for is in use
    │   ├── NameTakenError                  another container has that name
    │   ├── ContainerNotFoundError          no container of ours with that id
    │   ├── ContainerStartError             the container did not come up
    │   ├── GuaranteeError                  what strict=True asks for is not enforced
    │   └── ImageError                      an image that can't be used
    │       ├── ImageNotFoundError          it is nowhere
    │       ├── ImageRefusedError           it has no runtime, or one that does not fit
    │       └── ImageBuildError             a step of its build failed
    ├── TransportError                      between client and gateway
    │   ├── NotConnectedError (ValueError)  before connect, or after disconnect
    │   ├── AlreadyConnectedError           a second connect
    │   ├── ConnectFailedError              nobody answers there
    │   ├── AuthenticationError             no token, or a wrong one
    │   ├── GatewayError                    the gateway refused, or is no gateway
    │   │   └── VersionMismatchError        host and runtime do not fit
    │   ├── ProtocolError                   frames that are none
    │   ├── ConnectionLostError             it was there, and is gone
    │   └── ContainerLostError              the container has ended
    └── ExecutionFailedError                how an execution ended; carries the output so far
        ├── ExecutionError                  the code raised
        │   └── ExecutionInterruptedError   it was interrupted
        ├── ExecutionTimeoutError (TimeoutError)
        ├── KernelDiedError                 the kernel's process ended
        └── InputFailedError                the callback for input() raised
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypeVar

if TYPE_CHECKING:
    from PIL.Image import Image

    from ipybox.outputs.result import ExecutionResult


KernelState = Literal["preserved", "lost"]
"""Whether a kernel's variables are still there."""


class IpyboxError(Exception):
    """The root of all errors of this library."""


E = TypeVar("E", bound=BaseException)


def copy_error(error: E) -> E:
    """Copy an exception, so that it can be raised for one more caller.

    Each caller gets an exception of its own, with its own traceback. ``copy.copy`` alone
    would drop the cause.

    Args:
        error: The exception to copy; it is left unchanged.

    Returns:
        A copy with the same type, arguments, attributes and cause.
    """
    duplicate = copy.copy(error)
    duplicate.__cause__ = error.__cause__
    duplicate.__context__ = error.__context__
    duplicate.__suppress_context__ = error.__suppress_context__
    return duplicate


class InvalidArgumentError(IpyboxError, ValueError):
    """An argument that can't be right. Raised before anything is started."""


class PluginError(IpyboxError):
    """A plugin that can't be used, or that failed while it was asked."""


class SpillError(IpyboxError):
    """The disk would not take the text of an execution; the rest of its result is fine."""


class ContainerStateError(IpyboxError, RuntimeError):
    """A call that needs a running container, or that needs one not to run yet."""


class BackendError(IpyboxError):
    """The engine's side: finding a backend, starting and ending a container.

    Attributes:
        engine_status: HTTP status with which the engine refused a request; None for other errors.
        engine_message: The engine's own message; None for other errors.
    """

    engine_status: int | None = None
    engine_message: str | None = None


class BackendNotFoundError(BackendError):
    """No backend of that name is installed."""


class BackendUnavailableError(BackendError):
    """A backend that is installed, and not ready to run containers."""


class EngineGoneError(BackendUnavailableError):
    """The engine can't be reached any more: whether its containers live is unknown."""


class UnsupportedError(BackendError):
    """The backend lacks a capability that was asked for."""


class PortTakenError(BackendError):
    """The host port that was asked for is in use."""


class ContainerStartError(BackendError):
    """The container did not come up; the message ends with its last log lines."""


class EngineTimeoutError(BackendError, TimeoutError):
    """The engine did not answer a call in time."""


class NameTakenError(BackendError):
    """Another container has the name asked for."""


class ContainerNotFoundError(BackendError):
    """There is no container of ours with that id on this engine."""


class GuaranteeError(BackendError):
    """With ``strict=True``: something that was asked for is not enforced here."""


class ImageError(BackendError):
    """An image that can't be used."""


class ImageNotFoundError(ImageError):
    """An image that is not there, that no recipe claims, and that can't be pulled."""


class ImageRefusedError(ImageError):
    """An image without the runtime, or with one that this library does not speak to."""


class ImageBuildError(ImageError):
    """A step of a build failed. ``output``: what it printed, its last lines."""

    def __init__(self, message: str, output: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.output = tuple(output)


class TransportError(IpyboxError):
    """Between the client and the gateway."""


class NotConnectedError(TransportError, ValueError):
    """A call before ``connect()``, or after ``disconnect()``."""


class AlreadyConnectedError(TransportError):
    """A call of ``connect()`` on a client that is connected."""


class ConnectFailedError(TransportError):
    """Nobody answers at the address."""


class AuthenticationError(TransportError):
    """The gateway wants a token, and got none or a wrong one."""


class GatewayError(TransportError):
    """The gateway refused a request, or what answers there is no gateway."""


class VersionMismatchError(GatewayError):
    """The runtime in the container speaks another protocol than this library."""


class OutputSoFar:
    """What an execution had printed and displayed when it ended badly.

    ``result`` is None where the error was not of an execution.
    """

    result: ExecutionResult | None = None

    @property
    def text(self) -> str | None:
        """As ``ExecutionResult.text``."""
        return self.result.text if self.result else None

    @property
    def images(self) -> Sequence[Image]:
        """As ``ExecutionResult.images``."""
        return self.result.images if self.result else ()


class ConnectionLostError(OutputSoFar, TransportError):
    """The connection was there, and is gone. What the kernel did since is unknown."""


class ContainerLostError(OutputSoFar, TransportError):
    """The container has ended, and the kernel with it.

    ``exit_code`` is its exit status, negative for a signal, None where unknown.
    """

    def __init__(
        self, message: str, exit_code: int | None = None, *, out_of_memory: bool = False
    ) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.out_of_memory = out_of_memory


class ProtocolError(OutputSoFar, TransportError):
    """What arrived is no valid frame of the Jupyter protocol. The connection is closed."""


class ExecutionFailedError(OutputSoFar, IpyboxError):
    """An execution that did not end well."""


class ExecutionError(ExecutionFailedError):
    """The code raised. ``args[0]`` is ``"NameError: name 'x' is not defined"``.

    ``trace`` is the traceback as text, without colour codes.
    """

    def __init__(self, message: str, trace: str = "") -> None:
        super().__init__(message)
        self.trace = trace


class ExecutionInterruptedError(ExecutionError):
    """The code was interrupted, by ``interrupt()`` or by its own KeyboardInterrupt."""


class ExecutionTimeoutError(ExecutionFailedError, TimeoutError):
    """The execution took longer than its time-out.

    ``state`` tells whether the kernel's variables are still there: "preserved"
    after an interrupt that worked, "lost" where the kernel had to be replaced.
    """

    def __init__(self, message: str, state: KernelState = "preserved") -> None:
        super().__init__(message)
        self.state = state


class KernelDiedError(ExecutionFailedError):
    """The kernel's process ended.

    ``exit_code`` is its exit status, negative for a signal (-9: SIGKILL), None
    where nobody can tell. ``out_of_memory``: the system ended it for want of memory.
    """

    def __init__(
        self, message: str, exit_code: int | None = None, *, out_of_memory: bool = False
    ) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.out_of_memory = out_of_memory


class InputFailedError(ExecutionFailedError):
    """The code asked for input, and the callback that was to give it raised (the cause)."""
