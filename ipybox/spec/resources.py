"""What a container may use of its host: limits and ports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

from ipybox.errors import InvalidArgumentError
from ipybox.validation import check_port, describe

MEBIBYTE = 1024 * 1024
DEFAULT_MEMORY_BYTES = 4 * 1024 * MEBIBYTE
DEFAULT_PIDS = 2048
DEFAULT_SHM_BYTES = 256 * MEBIBYTE
MIN_MEMORY_BYTES = 192 * MEBIBYTE
"""Enough for gateway, fork server and one kernel; with less, the container dies at start."""
MIN_PIDS = 32


@dataclass(frozen=True, kw_only=True)
class Resources:
    """Limits of a container.

    None means the default of the backend. The defaults below are those of containers.

    Attributes:
        cpus: Processor time, in cores: 0.5 is half a core. Default: no limit.
        memory_bytes: Memory, in bytes; at least 192 MiB. Default: 4 GiB.
        pids: Number of processes and threads; at least 32. Default: 2048.
        shm_bytes: Shared memory, in bytes. Default: 256 MiB.
        open_files: Number of open files of each process. Default: the engine's.

    Raises:
        InvalidArgumentError: If a limit is not a number above 0 (a whole number, except for
            ``cpus``), or is below its minimum.
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
                wanted = "a number" if name == "cpus" else "an int"
                raise InvalidArgumentError(
                    f"resources.{name} must be {wanted} above 0, got {describe(value)}."
                )
        for name, least in (("memory_bytes", MIN_MEMORY_BYTES), ("pids", MIN_PIDS)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise InvalidArgumentError(
                    f"resources.{name} must be at least {least}, which the gateway and a kernel "
                    f"need, got {value}."
                )

    def with_defaults(self) -> Self:
        """Return a copy in which the defaults of containers replace None."""
        return type(self)(
            cpus=self.cpus,
            memory_bytes=self.memory_bytes or DEFAULT_MEMORY_BYTES,
            pids=self.pids or DEFAULT_PIDS,
            shm_bytes=self.shm_bytes or DEFAULT_SHM_BYTES,
            open_files=self.open_files,
        )


@dataclass(frozen=True, kw_only=True)
class Port:
    """A port of the container that is published on the host's loopback address.

    Attributes:
        container_port: Port inside the container, 1 to 65535.
        host_port: Port on the host, 1 to 65535; None lets the engine choose a free one.
        protocol: ``"tcp"`` or ``"udp"``. Default: ``"tcp"``.

    Raises:
        InvalidArgumentError: If a port is not an int from 1 to 65535, or the protocol is
            neither ``"tcp"`` nor ``"udp"``.
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
                f"protocol of port {self.container_port} must be 'tcp' or 'udp', "
                f"got {describe(self.protocol)}."
            )
