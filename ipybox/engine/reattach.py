"""Finding a container that runs already, by what the engine and the runtime tell of it."""

from __future__ import annotations

from pathlib import Path

from ipybox._async import shielded
from ipybox.engine.base import Engine, Inspection, Ref
from ipybox.engine.container import EngineContainer
from ipybox.engine.exec import run_command
from ipybox.errors import ContainerNotFoundError
from ipybox.runtime.labels import CONTAINER_LABEL, LEASE_LABEL, NO_LEASE, TAG_LABEL
from ipybox.spec.container import CONTAINER_NAME, DEFAULT_TAG, Bind, ContainerSpec
from ipybox.spec.paths import TOKEN_FILE, WORKDIR
from ipybox.spec.resources import Resources

READ_SECONDS = 10.0
MAX_FILE_BYTES = 4096


async def attach(engine: Engine, container_id: str) -> EngineContainer:
    """A running container of ours. Raises ContainerNotFoundError."""
    found = await find(engine, container_id)
    if not found.running:
        raise ContainerNotFoundError(
            f"The container {container_id} is {found.status}, and not running."
        )
    token = (await read_file(engine, found.ref, TOKEN_FILE)).strip()
    attached = EngineContainer(engine, _spec(found, token), await engine.surroundings(), {})
    try:
        await attached.attach_to(found)
    except BaseException:
        await shielded(attached.detach())
        raise
    return attached


async def find(engine: Engine, container_id: str) -> Inspection:
    """A container of ours, by its id or name. Raises ContainerNotFoundError."""
    # It becomes part of a URL: nothing but what an id or a name is made of is let through.
    if not CONTAINER_NAME.fullmatch(container_id):
        raise ContainerNotFoundError(
            f"There is no container {container_id!r}: an id or name is made of letters, digits, "
            "'_', '.' and '-'."
        )
    found = await engine.inspect(container_id)
    if CONTAINER_LABEL not in found.labels:
        raise ContainerNotFoundError(
            f"The container {container_id} is none of ipybox's: it has no label "
            f"{CONTAINER_LABEL}. `ipybox ps` lists those that are."
        )
    return found


async def read_file(engine: Engine, ref: Ref, path: str) -> str:
    """A small file of a container's. ContainerNotFoundError where it is not there."""
    result = await run_command(
        engine, ref, ["cat", path], workdir="/", timeout=READ_SECONDS, max_bytes=MAX_FILE_BYTES
    )
    if result.exit_code != 0:
        raise ContainerNotFoundError(
            f"The container {ref} has no {path}: {result.stderr.decode(errors='replace')}"
        )
    return result.stdout.decode(errors="replace")


def _spec(found: Inspection, token: str) -> ContainerSpec:
    """What it was made from, as far as it matters to whom it is attached."""
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
