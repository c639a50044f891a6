"""The errors for what ends a kernel, or the way to it."""

from __future__ import annotations

from ipybox.errors import ConnectionLostError, ContainerLostError, KernelDiedError
from ipybox.spec.status import ExitStatus


def kernel_died(
    kernel_id: str, exit_code: int | None, *, out_of_memory: bool = False
) -> KernelDiedError:
    """For a kernel whose process has ended."""
    how = "" if exit_code is None else f" with exit code {exit_code}"
    if exit_code is not None and exit_code < 0:
        how = f" by signal {-exit_code}"
    why = ", out of memory" if out_of_memory else ""
    return KernelDiedError(
        f"Kernel {kernel_id} died{how}{why}; its variables are lost. restart() gives a new one.",
        exit_code,
        out_of_memory=out_of_memory,
    )


def connection_lost(kernel_id: str, detail: str = "") -> ConnectionLostError:
    """For a connection that is not made again."""
    why = f" ({detail})" if detail else ""
    return ConnectionLostError(
        f"The connection to kernel {kernel_id} was lost{why}. "
        "Call connect() for a new kernel, if the container is still there."
    )


def container_lost(status: ExitStatus) -> ContainerLostError:
    """For a container that has ended."""
    how = "" if status.code is None else f", exit code {status.code}"
    why = ", out of memory" if status.out_of_memory else ""
    return ContainerLostError(
        f"The container has ended{how}{why}, and the kernel with it. Start another container.",
        status.code,
        out_of_memory=status.out_of_memory,
    )
