"""The errors for the loss of a kernel, of its connection, or of its container."""

from __future__ import annotations

from ipybox.errors import ConnectionLostError, ContainerLostError, KernelDiedError
from ipybox.spec.status import ExitStatus


def kernel_died(
    kernel_id: str, exit_code: int | None, *, out_of_memory: bool = False
) -> KernelDiedError:
    """Return the error for a kernel whose process has exited.

    Args:
        kernel_id: The id of the kernel.
        exit_code: The exit code of the process, negative for a signal; None if unknown.
        out_of_memory: Whether the system killed the process because memory ran out.
    """
    how = "" if exit_code is None else f" with exit code {exit_code}"
    if exit_code is not None and exit_code < 0:
        how = f" by signal {-exit_code}"
    why = ", out of memory" if out_of_memory else ""
    return KernelDiedError(
        f"Kernel {kernel_id} died{how}{why}; its variables are lost. "
        "Call restart() to start a new one.",
        exit_code,
        out_of_memory=out_of_memory,
    )


def connection_lost(kernel_id: str, detail: str = "") -> ConnectionLostError:
    """Return the error for a connection that can't be resumed.

    Args:
        kernel_id: The id of the kernel.
        detail: Why the connection broke and could not be resumed.
    """
    why = f" ({detail})" if detail else ""
    return ConnectionLostError(
        f"The connection to kernel {kernel_id} was lost{why}. "
        "Call connect() to start a new kernel, if the container is still running."
    )


def container_lost(status: ExitStatus) -> ContainerLostError:
    """Return the error for a container that has exited.

    Args:
        status: How the container exited.
    """
    how = "" if status.code is None else f" with exit code {status.code}"
    why = ", out of memory" if status.out_of_memory else ""
    return ContainerLostError(
        f"The container has exited{how}{why}, and its kernels are lost. Start another container.",
        status.code,
        out_of_memory=status.out_of_memory,
    )
