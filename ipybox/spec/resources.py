"""What a container may use of its host: limits, devices, ports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

from ipybox.errors import InvalidArgumentError
from ipybox.validation import check_port

MEBIBYTE = 1024 * 1024
DEFAULT_MEMORY_BYTES = 4 * 1024 * MEBIBYTE
DEFAULT_PIDS = 2048
DEFAULT_SHM_BYTES = 256 * MEBIBYTE
MIN_MEMORY_BYTES = 192 * MEBIBYTE
"""Gateway, fork server and one kernel; less, and the container would die while it starts."""
MIN_PIDS = 32


@dataclass(frozen=True, kw_only=True)
class Resources:
    """Limits. None: the backend's default, which is for containers 4 GiB of memory, 2048
    processes and threads, 256 MiB of shared memory, and no limit on processor time.

    ``cpus`` in cores (0.5 is half a core), ``memory_bytes`` and ``shm_bytes`` in
    bytes, ``pids`` the number of processes and threads, ``open_files`` of each process.
    """

    cpus: float | None = None
    memory_bytes: int | None = None
    pids: int | None = None
    shm_bytes: int | None = None
    open_files: int | None = None

    def __post_init__(self) -> None:
        for name in ("cpus", "memory_bytes", "pids", "shm_bytes", "open_files"):
            value = getattr(self, name)
            kind = int | float if name == "cpus" else int
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, kind) or not value > 0:
                wanted = "a number" if name == "cpus" else "a whole number"
                raise InvalidArgumentError(
                    f"resources.{name} is {value!r}; it must be {wanted} above 0."
                )
        for name, least in (("memory_bytes", MIN_MEMORY_BYTES), ("pids", MIN_PIDS)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise InvalidArgumentError(
                    f"resources.{name} is {value}; the gateway and a kernel need at least {least}."
                )

    def with_defaults(self) -> Self:
        """The same, with a container's defaults for what is None."""
        return type(self)(
            cpus=self.cpus,
            memory_bytes=self.memory_bytes or DEFAULT_MEMORY_BYTES,
            pids=self.pids or DEFAULT_PIDS,
            shm_bytes=self.shm_bytes or DEFAULT_SHM_BYTES,
            open_files=self.open_files,
        )


@dataclass(frozen=True, kw_only=True)
class Port:
    """A further port of the container, published on the host's loopback address.

    ``host_port`` None: the engine chooses a free one.
    """

    container_port: int
    host_port: int | None = None
    protocol: Literal["tcp", "udp"] = "tcp"

    def __post_init__(self) -> None:
        check_port(self.container_port, "container_port")
        if self.host_port is not None:
            check_port(self.host_port, "host_port")
        if self.protocol not in ("tcp", "udp"):
            raise InvalidArgumentError(
                f"ports: protocol is {self.protocol!r}; it must be 'tcp' or 'udp'."
            )
