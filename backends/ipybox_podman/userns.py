"""The first container with a mapping of users: Podman copies the image's layers for it."""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
from collections.abc import AsyncIterator

from ipybox.authoring import BuildEvent, ContainerSpec, Ref, labels_for, shielded
from ipybox_podman import images
from ipybox_podman.engine import PodmanEngine
from ipybox_podman.translate import userns

STEP_SECONDS = 1.0
LEASE_SECONDS = 60.0

_known: set[tuple[str, str, str]] = set()
"""Engine, image and mapping, once a process."""


async def prepare(engine: PodmanEngine, spec: ContainerSpec) -> AsyncIterator[BuildEvent]:
    """Lets that happen, where it has to, with a container that is never started."""
    mapping = await engine.mapping(spec, await engine.surroundings())
    image = await images.find(engine.connection, spec.tag) if mapping else None
    if mapping is None or image is None:
        return
    key = (engine.address, image.id, mapping)
    if key in _known:
        return
    making = asyncio.create_task(_make(engine, spec, mapping), name="ipybox mapping")
    seconds = 0
    try:
        while not (await asyncio.wait([making], timeout=STEP_SECONDS))[0]:
            seconds += 1
            yield BuildEvent(
                kind="progress",
                item=spec.tag,
                text=f"its layers are copied for your user, which happens once ({seconds} s)",
            )
    finally:
        # It can't be broken off, and what it makes must be removed.
        await shielded(_end(engine, making))
    _known.add(key)


async def _make(engine: PodmanEngine, spec: ContainerSpec, mapping: str) -> Ref:
    name = f"ipybox-mapping-{secrets.token_hex(6)}"
    payload = {
        "name": name,
        "image": spec.tag,
        # Whatever the lease of the other: what is left of this one is nobody's.
        "labels": labels_for(dataclasses.replace(spec, lease=LEASE_SECONDS)),
        "userns": userns(mapping),
    }
    return await engine.create(name, payload)


async def _end(engine: PodmanEngine, making: asyncio.Task[Ref]) -> None:
    await engine.remove(await making)
