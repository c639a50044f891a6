"""Every exception that ipybox raises.

::

    IpyboxError
    ├── InvalidArgumentError (ValueError)   an argument is invalid; nothing was started
    ├── PluginError                         a plugin can't be used, or failed
    ├── SpillError                          the text of an execution could not be written to a file
    ├── ContainerStateError (RuntimeError)  a container is not running, or is running already
    ├── BackendError                        a backend or its engine failed
    │   ├── BackendNotFoundError            no backend of that name is installed
    │   ├── BackendUnavailableError         the backend can't run containers now
    │   │   └── EngineGoneError             the engine answered before, and no longer does
    │   ├── UnsupportedError                the backend lacks a capability
    │   ├── EngineTimeoutError (TimeoutError)  the engine did not answer in time
    │   ├── PortTakenError                  the requested host port is in use
    │   ├── NameTakenError                  another container has the requested name
    │   ├── ContainerNotFoundError          no container of ipybox has that id or name
    │   ├── ContainerStartError             the container did not start
    │   ├── GuaranteeError                  strict=True, and something is not enforced
    │   └── ImageError                      an image can't be used
    │       ├── ImageNotFoundError          it does not exist, and can't be built or pulled
    │       ├── ImageRefusedError           it has no runtime, or one of another protocol
    │       └── ImageBuildError             a step of its build failed
    ├── TransportError                      between the client and the gateway
    │   ├── NotConnectedError (ValueError)  the client is not connected
    │   ├── AlreadyConnectedError           the client is connected already
    │   ├── ConnectFailedError              no gateway or kernel answers
    │   ├── AuthenticationError             the token is missing or wrong
    │   ├── GatewayError                    the gateway refused, or is not a kernel gateway
    │   │   └── VersionMismatchError        host and runtime speak different protocol versions
    │   ├── ProtocolError                   the peer violated the Jupyter wire protocol
    │   ├── ConnectionLostError             the connection broke and could not be resumed
    │   └── ContainerLostError              the container has exited
    └── ExecutionFailedError                an execution failed; holds the output so far
        ├── ExecutionError                  the code raised an exception
        │   └── ExecutionInterruptedError   the code was interrupted
        ├── ExecutionTimeoutError (TimeoutError)  the execution took longer than its timeout
        ├── KernelDiedError                 the kernel's process has exited
        └── InputFailedError                the callback for input() failed
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypeVar

if TYPE_CHECKING:
    from PIL.Image import Image

    from ipybox.outputs.result import ExecutionResult


KernelState = Literal["preserved", "lost"]
"""What became of a kernel's variables: "preserved" if they are intact, else "lost"."""


class IpyboxError(Exception):
    """Base class of every exception that ipybox raises."""


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
    """An argument has the wrong type, or a value that can't be valid.

    Raised before anything is started.
    """


class PluginError(IpyboxError):
    """A plugin can't be used, or one of its hooks failed.

    Raised by ``ExecutionContainer.run()`` if ``ipybox_prepare_spec`` of a plugin fails, and by
    ``ExecutionClient.connect()`` and ``restart()`` if ``ipybox_kernel_startup``, or the code that
    it returned, fails. A plugin that fails to load is reported by ``ipybox plugins`` instead.
    """


class SpillError(IpyboxError):
    """The text of an execution could not be written to ``spill``.

    Raised by ``Execution.result()`` and ``Execution.stream()`` when the execution has finished,
    if it did not fail in another way. The cause is the error of the file.
    """


class ContainerStateError(IpyboxError, RuntimeError):
    """The call needs a running container and it is not, or a stopped one and it is running.

    Raised by the properties and methods of ``ExecutionContainer`` before ``run()`` and after
    ``kill()``, and by a second ``run()``.
    """


class BackendError(IpyboxError):
    """A backend or its engine failed, while a backend was chosen or a container was used.

    Attributes:
        engine_status: HTTP status with which the engine refused a request; None for other errors.
        engine_message: The engine's own message; None for other errors.
    """

    engine_status: int | None = None
    engine_message: str | None = None


class BackendNotFoundError(BackendError):
    """No installed plugin provides a backend of that name."""


class BackendUnavailableError(BackendError):
    """The backend is installed, but can't run containers now.

    For example, its engine can't be reached, this user may not use it, or the backend's library
    is missing. Also raised if no backend is named and none that isolates is ready.
    """


class EngineGoneError(BackendUnavailableError):
    """The engine can no longer be reached; whether its containers still run is unknown.

    Raised by calls to the engine that find it gone. ``kill()`` raises it if the container may
    still be running.
    """


class UnsupportedError(BackendError):
    """The backend lacks a capability that the spec or the call needs.

    For a spec, it is raised before anything is started.
    """


class PortTakenError(BackendError):
    """The requested host port is in use, or this process may not use it."""


class ContainerStartError(BackendError):
    """The container did not start.

    Raised as soon as the container has exited, after ``start_timeout`` seconds, and if the
    container was killed meanwhile. The message ends with the last lines of the container's log.
    """


class EngineTimeoutError(BackendError, TimeoutError):
    """The engine did not answer a call in time, or a command ran longer than its timeout."""


class NameTakenError(BackendError):
    """Another container has the requested name."""


class ContainerNotFoundError(BackendError):
    """The engine has no container of ipybox with that id or name, or it has been removed.

    Also raised by calls that need a running container, such as ``exec()``, if it has exited.
    """


class GuaranteeError(BackendError):
    """``strict=True``, and something that was asked for, or is a default, is not enforced.

    Raised during the start, before any code has run; nothing is left of the container.
    """


class ImageError(BackendError):
    """An image can't be used."""


class ImageNotFoundError(ImageError):
    """The image does not exist on the engine, no recipe claims its name, and it can't be pulled."""


class ImageRefusedError(ImageError):
    """The image does not contain the runtime, or contains one of another protocol version."""


class ImageBuildError(ImageError):
    """A step of an image's build failed.

    Attributes:
        output: The last lines that the step printed, oldest first; may be empty.
    """

    def __init__(self, message: str, output: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.output = tuple(output)


class TransportError(IpyboxError):
    """The communication between the client and the gateway failed."""


class NotConnectedError(TransportError, ValueError):
    """The client is not connected.

    Raised by calls before ``connect()`` and after ``disconnect()``, and by executions that were
    running or waiting at ``disconnect()``.
    """


class AlreadyConnectedError(TransportError):
    """``connect()`` was called on a client that is connected."""


class ConnectFailedError(TransportError):
    """No gateway answers at the address, or the kernel did not answer in time."""


class AuthenticationError(TransportError):
    """The client sent no token, or a wrong one (HTTP status 401)."""


class GatewayError(TransportError):
    """The gateway refused a request, or the server at the address is not a kernel gateway."""


class VersionMismatchError(GatewayError):
    """The runtime in the container speaks another protocol version than this library."""


class OutputSoFar:
    """The output of an execution until it failed. A mixin, not an exception itself.

    Attributes:
        result: The output so far; None if the exception does not come from an execution.
    """

    result: ExecutionResult | None = None

    @property
    def text(self) -> str | None:
        """The text so far, as in ``ExecutionResult.text``; None without a result."""
        return self.result.text if self.result else None

    @property
    def images(self) -> Sequence[Image]:
        """The images so far, as in ``ExecutionResult.images``; empty without a result."""
        return self.result.images if self.result else ()


class ConnectionLostError(OutputSoFar, TransportError):
    """The connection to the kernel broke and could not be resumed.

    What the kernel has done since then is unknown. Raised if the client could not connect again
    within ``timeouts.reconnect`` seconds, was away longer than the gateway keeps output, or if the
    gateway does not answer an interrupt. ``connect()`` starts a new kernel.
    """


class ContainerLostError(OutputSoFar, TransportError):
    """The container has exited, and the kernel with it. Start another container.

    Attributes:
        exit_code: The container's exit code: negative for a signal (-9 is SIGKILL), None if
            unknown.
        out_of_memory: Whether the container was killed because it was out of memory.
    """

    def __init__(
        self, message: str, exit_code: int | None = None, *, out_of_memory: bool = False
    ) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.out_of_memory = out_of_memory


class ProtocolError(OutputSoFar, TransportError):
    """The peer sent a frame or message that violates the Jupyter wire protocol.

    Also raised for a frame above the size limit. The connection is closed.
    """


class ExecutionFailedError(OutputSoFar, IpyboxError):
    """An execution failed.

    This class itself is raised for an execution that was given up before its turn, and for one
    that could not be run because of a fault in ipybox.
    """


class ExecutionError(ExecutionFailedError):
    """The code raised an exception.

    The message names it, as in ``"NameError: name 'x' is not defined"``.

    Attributes:
        trace: The traceback, without colour codes; may be empty.
    """

    def __init__(self, message: str, trace: str = "") -> None:
        super().__init__(message)
        self.trace = trace


class ExecutionInterruptedError(ExecutionError):
    """The code was interrupted by ``interrupt()``, or raised KeyboardInterrupt itself."""


class ExecutionTimeoutError(ExecutionFailedError, TimeoutError):
    """The execution took longer than its timeout; its code was interrupted.

    Attributes:
        state: ``"preserved"`` if the kernel responds after the interrupt: its variables are
            intact. ``"lost"`` if the kernel is gone or must be replaced.
    """

    def __init__(self, message: str, state: KernelState = "preserved") -> None:
        super().__init__(message)
        self.state = state


class KernelDiedError(ExecutionFailedError):
    """The kernel's process has exited; its variables are lost. ``restart()`` starts a new one.

    Also raised by executions that were running or waiting at ``restart()``.

    Attributes:
        exit_code: The kernel's exit code: negative for a signal (-9 is SIGKILL), None if unknown.
        out_of_memory: Whether the system killed the kernel because memory ran out.
    """

    def __init__(
        self, message: str, exit_code: int | None = None, *, out_of_memory: bool = False
    ) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.out_of_memory = out_of_memory


class InputFailedError(ExecutionFailedError):
    """The code asked for input, and the callback ``stdin`` raised or did not return a str.

    The cause is the exception of the callback.
    """
