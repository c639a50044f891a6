"""Finding a container that runs already, by what the engine and the runtime tell of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ipybox import Bind, Container, ContainerNotFoundError, ContainerSpec, Resources
from ipybox.authoring import (
    CONTAINER_LABEL,
    DEFAULT_TAG,
    LEASE_LABEL,
    NO_LEASE,
    TAG_LABEL,
    TOKEN_FILE,
    WORKDIR,
)
from ipybox_docker import execs
from ipybox_docker.connection import Connection
from ipybox_docker.container import DockerContainer
from ipybox_docker.errors import engine_call

READ_SECONDS = 10.0


async def attach(connection: Connection, container_id: str) -> Container:
    """A running container of ours. Raises ContainerNotFoundError."""
    container, found = await find(connection, container_id)
    labels = found["Config"]["Labels"]
    if not found["State"]["Running"]:
        raise ContainerNotFoundError(
            f"The container {container_id} is {found['State']['Status']}, and not running."
        )
    token = (await read_file(connection, container_id, TOKEN_FILE)).strip()
    around = await connection.surroundings()
    attached = DockerContainer(connection, _spec(found, labels, token), around, {})
    attached.attach_to(container, found)
    await attached.measure()
    return attached


async def find(connection: Connection, container_id: str) -> tuple[Any, dict[str, Any]]:
    """A container of ours, and what the engine tells of it, by its id or name."""
    containers = connection.docker.containers
    async with engine_call(f"find the container {container_id}"):
        found = await containers.container(container_id).show()
    if CONTAINER_LABEL not in (found["Config"].get("Labels") or {}):
        raise ContainerNotFoundError(
            f"The container {container_id} is none of ipybox's: it has no label "
            f"{CONTAINER_LABEL}. `ipybox ps` lists those that are."
        )
    return containers.container(found["Id"]), found


async def read_file(connection: Connection, container_id: str, path: str) -> str:
    """A small file of a container's. ContainerNotFoundError where it is not there."""
    result = await execs.run(
        connection.docker.containers.container(container_id), ["cat", path], stdin=b"", env=None,
        workdir="/", timeout=READ_SECONDS, on_output=None, max_bytes=4096,
    )  # fmt: skip
    if result.exit_code != 0:
        raise ContainerNotFoundError(
            f"The container {container_id} has no {path}: {result.stderr.decode(errors='replace')}"
        )
    return result.stdout.decode(errors="replace")


def _spec(found: dict[str, Any], labels: dict[str, str], token: str) -> ContainerSpec:
    """What it was made from, as far as it matters to whom it is attached."""
    host = found["HostConfig"]
    lease = labels.get(LEASE_LABEL, NO_LEASE)
    prefix = f"{WORKDIR}/"
    return ContainerSpec(
        tag=labels.get(TAG_LABEL, DEFAULT_TAG),
        name=str(found["Name"]).lstrip("/"),
        token=token,
        lease=None if lease == NO_LEASE else float(lease),
        read_only_root=bool(host.get("ReadonlyRootfs")),
        resources=Resources(memory_bytes=host.get("Memory") or None,
                            pids=host.get("PidsLimit") or None),
        binds=tuple(
            Bind(host_path=Path(item["Source"]),
                 container_path=item["Destination"].removeprefix(prefix),
                 read_only=not item["RW"])
            for item in found.get("Mounts") or ()
            if item["Type"] == "bind" and item["Destination"].startswith(prefix)
        ),
    )  # fmt: skip
