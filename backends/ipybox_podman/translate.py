"""A spec as Podman's "create a container" (SpecGenerator); no engine is asked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any

from ipybox import Bind, InvalidArgumentError, Resources
from ipybox.authoring import (
    GATEWAY_PORT,
    HOME,
    LOOPBACK,
    RUN_FOLDER,
    RUN_FOLDER_BYTES,
    WORKDIR,
    ContainerSpec,
    labels_for,
)
from ipybox.engine import Placement

LOG_BYTES = 1800 * 1024
"""Size limit of a container's log."""
CPU_PERIOD_MICROSECONDS = 100_000
GPU_KIND = "nvidia.com/gpu"
"""The kind of device, as the Container Device Interface names it."""


def create_payload(
    spec: ContainerSpec,
    placement: Placement,
    *,
    user: str | None,
    mapping: str | None,
    inherited_limits: Mapping[str, int] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return the body of Podman's "create a container" for a spec.

    Args:
        spec: What to create.
        placement: Where the engine runs.
        user: The user that runs the code; None for the image's own.
        mapping: The user mapping, as :func:`user_mapping` returns it; None for Podman's default.
        inherited_limits: Limits on processes by name, as :mod:`ipybox_podman.limits` finds them;
            the spec's limits go before them.
    """
    limits = (spec.resources or Resources()).with_defaults()
    payload: dict[str, Any] = {
        "name": spec.name,
        "image": spec.tag,
        "env": dict(spec.env),
        "httpproxy": False,  # do not pass the host's proxy settings to the code
        "labels": labels_for(spec),
        "work_dir": WORKDIR,
        "stdin": True,
        "terminal": False,
        "remove": True,
        "cap_drop": ["all"],
        "no_new_privileges": True,
        "shm_size": limits.shm_bytes,
        "resource_limits": _limits(limits),
        "log_configuration": {"driver": "k8s-file", "size": LOG_BYTES},
        "mounts": [
            _tmpfs(RUN_FOLDER, "noexec", f"size={RUN_FOLDER_BYTES}"),
            *map(_bind, spec.binds),
        ],
        "portmappings": _ports(spec, placement),
    }
    if spec.binds:
        # On hosts with SELinux, the code could read the folders only if their labels were changed,
        # and the labels are the host's.
        payload["selinux_opts"] = ["disable"]
    if user is not None:
        payload["user"] = user
    if mapping is not None:
        payload["userns"] = userns(mapping)
    if processes := _process_limits(limits, inherited_limits):
        payload["r_limits"] = processes
    if spec.engine_init:
        payload["init"] = True
    if spec.runtime is not None:
        payload["oci_runtime"] = spec.runtime
    if spec.gpus is not None:
        payload["devices"] = [{"path": f"{GPU_KIND}={name}"} for name in _gpus(spec.gpus)]
    if spec.read_only_root:
        # What normal use writes to is on volumes: they do not count as memory, and are removed
        # with the container.
        payload["read_only_filesystem"] = True
        payload["mounts"].append(_tmpfs("/tmp", "exec"))  # noqa: S108
        payload["volumes"] = [{"dest": path} for path in (WORKDIR, HOME)]
    return payload


def wants_mapping(spec: ContainerSpec, placement: Placement) -> bool:
    """Return whether a rootless engine has to map users.

    It has to for binds, so that files belong to the same user on both sides.
    """
    return placement.rootless and bool(spec.binds)


def user_mapping(user: str) -> str | None:
    """Return the mapping that makes a user of the container the engine's user on its host.

    Args:
        user: The user that runs the code, as in "1000:1000".

    Returns:
        As in "uid=1000,gid=1000"; None for root, who is the engine's user by default.

    Raises:
        InvalidArgumentError: If the user is a name, whose number only the image knows.
    """
    name, _, group = user.partition(":")
    if name in ("", "root"):
        return None
    if not name.isdigit():
        raise InvalidArgumentError(
            f"The user {name!r} is a name: with binds, rootless Podman needs the user's number, so "
            "that files belong to you. Write the number, as in user='1000:1000'."
        )
    if int(name) == 0:
        return None
    return f"uid={name},gid={group if group.isdigit() else name}"


def userns(mapping: str) -> dict[str, str]:
    """Return a user mapping as the payload has it."""
    return {"nsmode": "keep-id", "value": mapping}


def _limits(limits: Resources) -> dict[str, Any]:
    found: dict[str, Any] = {
        # No swap on top.
        "memory": {"limit": limits.memory_bytes, "swap": limits.memory_bytes},
        "pids": {"limit": limits.pids},
    }
    if limits.cpus is not None:
        found["cpu"] = {
            "period": CPU_PERIOD_MICROSECONDS,
            "quota": int(limits.cpus * CPU_PERIOD_MICROSECONDS),
        }
    return found


def _process_limits(limits: Resources, inherited: Mapping[str, int]) -> list[dict[str, Any]]:
    wanted = dict(inherited)
    if limits.open_files is not None:
        wanted["nofile"] = limits.open_files
    return [{"type": name, "soft": value, "hard": value} for name, value in wanted.items()]


def _tmpfs(path: str, *options: str) -> dict[str, Any]:
    return {
        "type": "tmpfs",
        "source": "tmpfs",
        "destination": path,
        "options": ["rw", "nosuid", "nodev", "mode=1777", *options],
    }


def _bind(bind: Bind) -> dict[str, Any]:
    return {
        "type": "bind",
        "source": str(bind.host_path),
        "destination": f"{WORKDIR}/{PurePosixPath(bind.container_path)}",
        # Never "U": it would change the owner of the host's files.
        "options": ["rbind", "ro" if bind.read_only else "rw"],
    }


def _ports(spec: ContainerSpec, placement: Placement) -> list[dict[str, Any]]:
    address = placement.publish_on or LOOPBACK
    wanted = [(GATEWAY_PORT, spec.port, "tcp")]
    wanted += [(port.container_port, port.host_port, port.protocol) for port in spec.ports]
    return [
        {
            "container_port": inside,
            "host_port": outside or 0,  # a free one
            "host_ip": address,
            "protocol": protocol,
        }
        for inside, outside, protocol in wanted
    ]


def _gpus(gpus: str | int) -> list[str]:
    if isinstance(gpus, int):
        return [str(number) for number in range(gpus)]
    return [item.strip() for item in gpus.split(",")]
