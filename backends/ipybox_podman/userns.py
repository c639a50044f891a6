"""The first container of an image with a user mapping, for which Podman copies the layers."""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
from collections.abc import AsyncIterator

from ipybox.authoring import BuildEvent, ContainerSpec, labels_for, shielded
from ipybox.engine import Ref
from ipybox_podman.engine import PodmanEngine
from ipybox_podman.translate import userns

REPORT_INTERVAL = 1.0
"""Seconds between two reports of progress."""
LEASE_SECONDS = 60.0


async def prepare(engine: PodmanEngine, spec: ContainerSpec) -> AsyncIterator[BuildEvent]:
    """Let Podman copy the layers, if it has to, for a container that is never started.

    Args:
        engine: The engine.
        spec: The container that would otherwise have to wait.

    Yields:
        A "progress" event each second, as long as Podman copies.

    Raises:
        BackendError: If the container cannot be created or removed.
    """
    mapping = await engine.user_mapping(spec)
    image = await engine.images.find(spec.tag) if mapping else None
    if mapping is None or image is None:
        return
    known = engine.cache.mapped_images
    if (image.id, mapping) in known:
        return
    creating = asyncio.create_task(_create(engine, spec, mapping), name="ipybox mapping")
    seconds = 0
    try:
        while not (await asyncio.wait([creating], timeout=REPORT_INTERVAL))[0]:
            seconds += 1
            yield BuildEvent(
                kind="progress",
                item=spec.tag,
                text=f"its layers are copied for your user, which happens once ({seconds} s)",
            )
    finally:
        # Podman cannot be stopped meanwhile, and its container has to be removed.
        await shielded(_remove(engine, creating))
    known.add((image.id, mapping))


async def _create(engine: PodmanEngine, spec: ContainerSpec, mapping: str) -> Ref:
    name = f"ipybox-mapping-{secrets.token_hex(6)}"
    payload = {
        "name": name,
        "image": spec.tag,
        # With a lease, whatever the spec's: if this process dies, the container is abandoned.
        "labels": labels_for(dataclasses.replace(spec, lease=LEASE_SECONDS)),
        "userns": userns(mapping),
    }
    return await engine.create_from(name, payload)


async def _remove(engine: PodmanEngine, creating: asyncio.Task[Ref]) -> None:
    await engine.remove(await creating)
