"""Parses the answer to ``GET /ipybox/v1/status``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec

from ipybox.errors import GatewayError
from ipybox.spec.status import GatewayStatus, KernelStatus
from ipybox.validation import KERNEL_ID

_Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_ExitCode = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e15)]  # neither infinite nor NaN
_Word = Annotated[str, msgspec.Meta(pattern=r"\A[\x20-\x7e]{1,100}\Z")]  # printable ASCII
_KernelId = Annotated[str, msgspec.Meta(pattern=rf"\A{KERNEL_ID.pattern}\Z")]


class _Kernel(msgspec.Struct):
    id: _KernelId
    state: _Word
    pid: _Count | None = None
    memory: _Count | None = None
    last_activity: datetime | None = None
    exit_code: _ExitCode | None = None
    out_of_memory: bool = False
    forked: bool | None = None


class _Status(msgspec.Struct):
    runtime: _Word
    protocol: _Count
    kernels: list[_Kernel]
    fork_server: bool = False
    fork_server_ready: bool = False
    lease: _Seconds | None = None


def parse_status(answer: Any, address: str) -> GatewayStatus:
    """Return the status in a gateway's answer. The answer is untrusted; unknown keys are ignored.

    Args:
        answer: The decoded JSON.
        address: The address of the gateway, for error messages.

    Raises:
        GatewayError: If the answer is malformed.
    """
    try:
        status = msgspec.convert(answer, _Status)
    except (msgspec.ValidationError, UnicodeError, RecursionError) as error:
        raise GatewayError(
            f"The gateway at {address} answered with a malformed status: {error}. "
            "Check that it is the gateway of an ipybox container."
        ) from error
    return GatewayStatus(
        runtime_version=status.runtime,
        protocol=status.protocol,
        fork_server=status.fork_server,
        fork_server_ready=status.fork_server_ready,
        lease_seconds=status.lease,
        kernels=tuple(_kernel_status(kernel) for kernel in status.kernels),
    )


def _kernel_status(kernel: _Kernel) -> KernelStatus:
    return KernelStatus(
        id=kernel.id,
        state=kernel.state,
        pid=kernel.pid,
        memory_bytes=kernel.memory,
        last_activity=kernel.last_activity,
        exit_code=kernel.exit_code,
        out_of_memory=kernel.out_of_memory,
        forked=kernel.forked,
    )
