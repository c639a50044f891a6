"""A spec as the payload of Podman's "create a container" (SpecGenerator): pure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any

from ipybox import Bind, InvalidArgumentError, Resources
from ipybox.authoring import (
    GATEWAY_PORT,
    LOOPBACK,
    RUN_FOLDER,
    WORKDIR,
    ContainerSpec,
    Surroundings,
    labels_for,
)

HOME = "/home/ipybox"
LOG_BYTES = 1800 * 1024
RUN_BYTES = 1024 * 1024
CPU_PERIOD_MICROSECONDS = 100_000
GPU_KIND = "nvidia.com/gpu"
"""As the container device interface calls them."""


def create_payload(
    spec: ContainerSpec,
    around: Surroundings,
    *,
    user: str | None,
    mapping: str | None,
    ceilings: Mapping[str, int] = MappingProxyType({}),
) -> dict[str, Any]:
    """The body of the request. ``user``: None for the image's own; ``mapping``: of
    :func:`user_mapping`; ``ceilings``: of processes, by limit."""
    limits = (spec.resources or Resources()).with_defaults()
    payload: dict[str, Any] = {
        "name": spec.name,
        "image": spec.tag,
        "env": dict(spec.env),
        "httpproxy": False,  # the host's are the host's
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
        "mounts": [_tmpfs(RUN_FOLDER, "noexec", f"size={RUN_BYTES}"), *map(_bind, spec.binds)],
        "portmappings": _ports(spec, around),
    }
    if spec.binds:
        # On hosts with SELinux, folders of the host can't be read else, unless their labels
        # are changed, and those are the host's.
        payload["selinux_opts"] = ["disable"]
    if user is not None:
        payload["user"] = user
    if mapping is not None:
        payload["userns"] = userns(mapping)
    if processes := _process_limits(limits, ceilings):
        payload["r_limits"] = processes
    if spec.engine_init:
        payload["init"] = True
    if spec.runtime is not None:
        payload["oci_runtime"] = spec.runtime
    if spec.gpus is not None:
        payload["devices"] = [{"path": f"{GPU_KIND}={name}"} for name in _gpus(spec.gpus)]
    if spec.read_only_root:
        # What normal use writes to: on volumes, which do not count as memory, and go with
        # the container.
        payload["read_only_filesystem"] = True
        payload["mounts"].append(_tmpfs("/tmp", "exec"))  # noqa: S108
        payload["volumes"] = [{"dest": path} for path in (WORKDIR, HOME)]
    return payload


def wants_mapping(spec: ContainerSpec, around: Surroundings) -> bool:
    """With folders of the host, files belong to the same user on both sides."""
    return around.rootless and bool(spec.binds)


def user_mapping(user: str) -> str | None:
    """Which user of the container is the engine's user on its host: the one who runs the
    code, as in "1000:1000". None where that is root, which is the engine's user anyhow.
    InvalidArgumentError for a name: its number is known inside the image alone."""
    name, _, group = user.partition(":")
    if name in ("", "root"):
        return None
    if not name.isdigit():
        raise InvalidArgumentError(
            f"user {name!r}: with folders of the host, rootless Podman has to know the user's "
            "number, so that files belong to you. Write the number, as in user='1000:1000'."
        )
    if int(name) == 0:
        return None
    return f"uid={name},gid={group if group.isdigit() else name}"


def userns(mapping: str) -> dict[str, str]:
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


def _process_limits(limits: Resources, ceilings: Mapping[str, int]) -> list[dict[str, Any]]:
    wanted = dict(ceilings)
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
        # Never "U": it would give the host's files to somebody else.
        "options": ["rbind", "ro" if bind.read_only else "rw"],
    }


def _ports(spec: ContainerSpec, around: Surroundings) -> list[dict[str, Any]]:
    address = around.publish_on or LOOPBACK
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
