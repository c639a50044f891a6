"""A spec as the payload of Docker's "create a container"; no engine is asked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ipybox import InvalidArgumentError, Resources
from ipybox.authoring import (
    GATEWAY_PORT,
    HOME,
    RUN_FOLDER,
    RUN_FOLDER_BYTES,
    WORKDIR,
    ContainerSpec,
    labels_for,
)
from ipybox.engine import Placement

LOG_FILES, LOG_SIZE = "2", "900k"
"""Number and size of the files that hold a container's log: below 2 MiB in all."""


def create_payload(spec: ContainerSpec, placement: Placement, user: str | None) -> dict[str, Any]:
    """Return the body of Docker's "create a container" for a spec.

    Args:
        spec: What to create.
        placement: Where the engine runs.
        user: The user that runs the code; None for the image's own.

    Raises:
        InvalidArgumentError: If the engine cannot see a folder that the spec binds.
    """
    payload: dict[str, Any] = {
        "Image": spec.tag,
        "Env": [f"{name}={value}" for name, value in spec.env.items()],
        "Labels": labels_for(spec),
        "WorkingDir": WORKDIR,
        "OpenStdin": True,
        "StdinOnce": True,
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "Tty": False,
        "ExposedPorts": {f"{number}/{protocol}": {} for number, protocol in _exposed(spec)},
        "HostConfig": _host_config(spec, placement),
    }
    if user is not None:
        payload["User"] = user
    return payload


def _exposed(spec: ContainerSpec) -> list[tuple[int, str]]:
    return [(GATEWAY_PORT, "tcp"), *((p.container_port, p.protocol) for p in spec.ports)]


def _host_config(spec: ContainerSpec, placement: Placement) -> dict[str, Any]:
    limits = (spec.resources or Resources()).with_defaults()
    config: dict[str, Any] = {
        "AutoRemove": True,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges:true"],
        "Memory": limits.memory_bytes,
        "MemorySwap": limits.memory_bytes,  # no swap on top
        "PidsLimit": limits.pids,
        "ShmSize": limits.shm_bytes,
        "Init": spec.engine_init,
        "LogConfig": {
            "Type": "json-file",
            "Config": {"max-size": LOG_SIZE, "max-file": LOG_FILES},
        },
        "Tmpfs": {RUN_FOLDER: f"rw,noexec,nosuid,nodev,size={RUN_FOLDER_BYTES},mode=1777"},
        "Mounts": [_mount(bind.host_path, bind.container_path, bind.read_only, placement.mounts)
                   for bind in spec.binds],
        "PortBindings": _port_bindings(spec, placement),
    }  # fmt: skip
    if limits.cpus is not None:
        config["NanoCpus"] = int(limits.cpus * 1e9)
    if limits.open_files is not None:
        config["Ulimits"] = [
            {"Name": "nofile", "Soft": limits.open_files, "Hard": limits.open_files}
        ]
    if spec.runtime is not None:
        config["Runtime"] = spec.runtime
    if spec.gpus is not None:
        config["DeviceRequests"] = [_gpus(spec.gpus)]
    if placement.network is not None:
        config["NetworkMode"] = placement.network
    if spec.read_only_root:
        # What normal use writes to is on volumes: they do not count as memory, and are removed
        # with the container.
        config["ReadonlyRootfs"] = True
        config["Tmpfs"]["/tmp"] = "rw,exec,nosuid,nodev,mode=1777"  # noqa: S108
        config["Mounts"] += [{"Type": "volume", "Target": path} for path in (WORKDIR, HOME)]
    return config


def _mount(
    host_path: Path, target: str, read_only: bool, mounts: Mapping[str, str] | None
) -> dict[str, Any]:
    return {
        "Type": "bind",
        "Source": str(host_path if mounts is None else on_engine_host(host_path, mounts)),
        "Target": f"{WORKDIR}/{PurePosixPath(target)}",
        "ReadOnly": read_only,
    }


def on_engine_host(path: Path, mounts: Mapping[str, str]) -> PurePosixPath:
    """Return where a path of this process's own container is on the engine's host.

    Args:
        path: An absolute path as this process sees it.
        mounts: Mount points of this process's container to paths on the engine's host.

    Raises:
        InvalidArgumentError: If the path is not mounted from the engine's host.
    """
    for folder in sorted(mounts, key=len, reverse=True):
        if path.is_relative_to(folder):
            return PurePosixPath(mounts[folder]) / path.relative_to(folder)
    raise InvalidArgumentError(
        f"The bind {str(path)!r} is out of the engine's reach: this program runs in a container "
        "itself, and the engine sees only what is mounted there from its host. Mount the folder "
        "into this program's container first."
    )


def _port_bindings(spec: ContainerSpec, placement: Placement) -> dict[str, Any]:
    address = placement.publish_on
    if address is None:
        return {}
    bindings = {f"{GATEWAY_PORT}/tcp": [_binding(address, spec.port)]}
    for port in spec.ports:
        bindings[f"{port.container_port}/{port.protocol}"] = [_binding(address, port.host_port)]
    return bindings


def _binding(address: str, port: int | None) -> dict[str, str]:
    return {"HostIp": address, "HostPort": "" if port is None else str(port)}


def _gpus(gpus: str | int) -> dict[str, Any]:
    request: dict[str, Any] = {"Driver": "", "Capabilities": [["gpu"]]}
    if gpus == "all":
        request["Count"] = -1
    elif isinstance(gpus, int):
        request["Count"] = gpus
    else:
        request["DeviceIDs"] = [item.strip() for item in gpus.split(",")]
    return request
