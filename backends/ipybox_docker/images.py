"""Images: found, pulled, built, removed."""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiodocker

from ipybox import BackendError
from ipybox.authoring import (
    RUNTIME_LABEL,
    BuildContext,
    BuildEvent,
    ImageInfo,
    not_built,
    not_pulled,
    pack,
    seconds_of,
    split_name,
)
from ipybox.errors import ImageBuildError, ImageNotFoundError
from ipybox_docker.connection import Connection
from ipybox_docker.errors import engine_call

STEP = re.compile(r"^Step (\d+)/(\d+) : (.*)$", re.S)
NOISE = re.compile(r" ---> |Removing intermediate container ")
KEPT_LINES = 50
SILENCE_SECONDS = 1800.0
"""The longest a build or pull may take in all: a step that waits for ever ends here."""


async def find(connection: Connection, tag: str) -> ImageInfo | None:
    try:
        async with engine_call(f"look for the image {tag}"):
            found = await connection.docker.images.inspect(tag)
    except BackendError as error:
        cause = error.__cause__
        if isinstance(cause, aiodocker.DockerError) and cause.status == 404:
            return None
        raise
    return ImageInfo(
        id=found["Id"],
        tags=tuple(found.get("RepoTags") or ()),
        labels=found["Config"].get("Labels") or {},
        size_bytes=int(found["Size"]),
        created=seconds_of(found["Created"]),
    )


async def list_ours(connection: Connection) -> list[ImageInfo]:
    async with engine_call("list its images"):
        found = await connection.docker._query_json(
            "images/json", params={"filters": f'{{"label": ["{RUNTIME_LABEL}"]}}'}
        )
    return [
        ImageInfo(
            id=item["Id"],
            tags=tuple(tag for tag in item.get("RepoTags") or () if tag != "<none>:<none>"),
            labels=item.get("Labels") or {},
            size_bytes=int(item["Size"]),
            created=float(item["Created"]),
        )
        for item in found
    ]


async def pull(connection: Connection, tag: str) -> AsyncIterator[BuildEvent]:
    try:
        async with engine_call(f"pull the image {tag}", SILENCE_SECONDS):
            async for item in connection.docker.images.pull(tag, stream=True):
                yield _progress(item)
    except BackendError as error:
        raise not_pulled(tag, error) from error
    image = await find(connection, tag)
    if image is None:
        raise ImageNotFoundError(f"The image {tag!r} is not there after it was pulled.")
    yield BuildEvent(kind="done", text=image.id)


async def build(connection: Connection, context: BuildContext) -> AsyncIterator[BuildEvent]:
    tail: list[str] = []
    step = ""
    image_id = ""
    try:
        async with engine_call(f"build the image {context.tags[0]}", SILENCE_SECONDS):
            # Without a name: where it is broken off just as a step begins, the engine may go on
            # to the end.
            stream = connection.docker.images.build(
                fileobj=io.BytesIO(pack(context)), encoding="identity",
                labels=dict(context.labels), rm=True, forcerm=True, stream=True,
            )  # fmt: skip
            async for item in stream:
                image_id = (item.get("aux") or {}).get("ID", image_id)
                for event in _build_events(item):
                    if event.kind == "step":
                        step, tail = event.text, []
                    elif event.kind == "output":
                        tail = [*tail, event.text][-KEPT_LINES:]
                    yield event
    except BackendError as error:
        raise not_built(context.tags[0], _cause(error), step, tail) from error
    if not image_id:
        raise ImageBuildError(f"The engine broke off the build of {context.tags[0]}.", tail)
    for tag in context.tags:
        repository, version = split_name(tag)
        async with engine_call(f"name the image {tag}"):
            await connection.docker.images.tag(image_id, repo=repository, tag=version or "latest")
    yield BuildEvent(kind="done", text=image_id)


async def remove(connection: Connection, tag: str) -> None:
    async with engine_call(f"remove the image {tag}"):
        await connection.docker.images.delete(tag, force=False)


def _progress(item: Mapping[str, Any]) -> BuildEvent:
    detail = item.get("progressDetail") or {}
    return BuildEvent(
        kind="progress",
        text=str(item.get("status", "")),
        item=str(item.get("id", "")),
        current=int(detail.get("current") or 0),
        total=int(detail.get("total") or 0),
    )


def _build_events(item: Mapping[str, Any]) -> list[BuildEvent]:
    if "status" in item:
        return [_progress(item)]  # of a base that is pulled
    text = str(item.get("stream", "")).strip("\n")
    if found := STEP.match(text):
        step, steps, instruction = found.groups()
        return [BuildEvent(kind="step", text=instruction, step=int(step), steps=int(steps))]
    lines = (line for line in text.splitlines() if line.strip() and not NOISE.match(line))
    return [BuildEvent(kind="output", text=line) for line in lines]


def _cause(error: BackendError) -> str:
    cause = error.__cause__
    return cause.message if isinstance(cause, aiodocker.DockerError) else str(error)
