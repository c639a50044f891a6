"""Attaching to a container that runs already, by what the engine and the runtime report."""

from __future__ import annotations

from pathlib import Path

from ipybox._async import shielded
from ipybox.engine.base import Engine
from ipybox.engine.container import EngineContainer
from ipybox.engine.exec import run_command
from ipybox.engine.inspection import Inspection, Ref
from ipybox.errors import ContainerNotFoundError
from ipybox.runtime.labels import CONTAINER_LABEL, LEASE_LABEL, NO_LEASE, TAG_LABEL
from ipybox.spec.container import CONTAINER_NAME, DEFAULT_TAG, Bind, ContainerSpec
from ipybox.spec.paths import TOKEN_FILE, WORKDIR
from ipybox.spec.resources import Resources

READ_TIMEOUT = 10.0
MAX_FILE_BYTES = 4096


async def attach(engine: Engine, container_id: str) -> EngineContainer:
    """Attach to a running container of ipybox's.

    Args:
        engine: The engine.
        container_id: The container's id or name.

    Raises:
        ContainerNotFoundError: If there is no such container, if it does not run, or if it is
            not ipybox's.
    """
    found = await find(engine, container_id)
    if not found.running:
        raise ContainerNotFoundError(
            f"The container {container_id} is {found.status}, not running. Start another one."
        )
    token = (await read_file(engine, found.ref, TOKEN_FILE)).strip()
    attached = EngineContainer(engine, _spec(found, token))
    try:
        await attached.attach_to(found)
    except BaseException:
        await shielded(attached.detach())
        raise
    return attached


async def find(engine: Engine, container_id: str) -> Inspection:
    """Return the state of a container of ipybox's, running or not.

    Args:
        engine: The engine.
        container_id: The container's id or name.

    Raises:
        ContainerNotFoundError: If there is no such container, or if it is not ipybox's.
    """
    # The id becomes part of a URL.
    if not CONTAINER_NAME.fullmatch(container_id):
        raise ContainerNotFoundError(
            f"There is no container {container_id!r}: an id or name has 2 to 128 letters, digits, "
            "'_', '.' and '-', and begins with a letter or digit."
        )
    found = await engine.inspect(container_id)
    if CONTAINER_LABEL not in found.labels:
        raise ContainerNotFoundError(
            f"The container {container_id} is not one of ipybox's: it has no label "
            f"{CONTAINER_LABEL}. Run `ipybox ps` to list those that are."
        )
    return found


async def read_file(engine: Engine, ref: Ref, path: str) -> str:
    """Return the content of a file in a container, at most MAX_FILE_BYTES of it.

    Raises:
        ContainerNotFoundError: If the file cannot be read.
    """
    result = await run_command(
        engine, ref, ["cat", path], workdir="/", timeout=READ_TIMEOUT, max_bytes=MAX_FILE_BYTES
    )
    if result.exit_code != 0:
        reason = result.stderr.decode(errors="replace").strip()
        raise ContainerNotFoundError(f"The container {ref} has no readable {path}: {reason}.")
    return result.stdout.decode(errors="replace")


def _spec(found: Inspection, token: str) -> ContainerSpec:
    """Return what is known of the spec that a container was made from."""
    lease = found.labels.get(LEASE_LABEL, NO_LEASE)
    prefix = f"{WORKDIR}/"
    return ContainerSpec(
        tag=found.labels.get(TAG_LABEL, DEFAULT_TAG),
        name=found.ref.name,
        token=token,
        lease=None if lease == NO_LEASE else float(lease),
        read_only_root=found.read_only_root,
        resources=Resources(memory_bytes=found.memory_bytes, pids=found.pids),
        binds=tuple(
            Bind(
                host_path=Path(mount.source),
                container_path=mount.target.removeprefix(prefix),
                read_only=mount.read_only,
            )
            for mount in found.binds
            if mount.target.startswith(prefix)
        ),
    )
