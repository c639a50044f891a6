"""Images: found, pulled, built, removed."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

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
)
from ipybox.errors import ImageBuildError, ImageNotFoundError
from ipybox_podman.connection import Connection
from ipybox_podman.errors import refused

STEP = re.compile(r"^(?:\[\d+/\d+\] )?STEP (\d+)/(\d+): (.*)$", re.S)
NOISE = re.compile(r"^(\[\d+/\d+\] )?(--> |COMMIT |Successfully tagged )")
ID = re.compile(r"^[0-9a-f]{64}$")
KEPT_LINES = 50


async def find(connection: Connection, tag: str) -> ImageInfo | None:
    try:
        found = await connection.call_json(
            f"look for the image {tag}", "get", f"/images/{quote(tag, safe='')}/json"
        )
    except ImageNotFoundError:
        return None
    return ImageInfo(
        id=found["Id"],
        tags=tuple(found.get("RepoTags") or ()),
        labels=found.get("Labels") or {},
        size_bytes=int(found["Size"]),
        created=seconds_of(found["Created"]),
    )


async def list_ours(connection: Connection) -> list[ImageInfo]:
    found = await connection.call_json(
        "list its images", "get", "/images/json",
        params={"filters": json.dumps({"label": [RUNTIME_LABEL]})},
    )  # fmt: skip
    return [
        ImageInfo(
            id=item["Id"],
            tags=tuple(item.get("RepoTags") or ()),
            labels=item.get("Labels") or {},
            size_bytes=int(item["Size"]),
            created=float(item["Created"]),
        )
        for item in found or ()
    ]


async def pull(connection: Connection, tag: str) -> AsyncIterator[BuildEvent]:
    what = f"pull the image {tag}"
    try:
        async for item in connection.lines(
            what, "/images/pull", params={"reference": qualified(tag), "policy": "missing"}
        ):
            if "error" in item:
                raise refused(what, 500, str(item["error"]))
            if text := str(item.get("stream", "")).strip():
                yield BuildEvent(kind="progress", text=text, item=tag)
    except BackendError as error:
        raise not_pulled(tag, error) from error
    image = await find(connection, tag)
    if image is None:
        raise ImageNotFoundError(f"The image {tag!r} is not there after it was pulled.")
    yield BuildEvent(kind="done", text=image.id)


async def build(connection: Connection, context: BuildContext) -> AsyncIterator[BuildEvent]:
    tail: list[str] = []
    step = image_id = failure = ""
    params = {
        "t": list(context.tags),
        "rm": "true",
        "forcerm": "true",
        "layers": "true",
        # Podman's own default; but without it said, no step is ever taken from its cache.
        "outputformat": "application/vnd.docker.distribution.manifest.v2+json",
        "httpproxy": "false",
        "pullpolicy": "missing",
    }
    what = f"build the image {context.tags[0]}"
    lines = connection.lines(what, "/build", params=params, data=pack(_labelled(context)))
    cause: BackendError | None = None
    try:
        async for item in lines:
            if "error" in item:
                failure = str(refused(what, 500, str(item["error"])))
            for event in _build_events(item):
                if event.kind == "step":
                    step, tail = event.text, []
                elif ID.match(event.text):
                    image_id = event.text
                    continue
                else:
                    tail = [*tail, event.text][-KEPT_LINES:]
                yield event
    except BackendError as error:
        cause, failure = error, str(error)
    if failure:
        raise not_built(context.tags[0], failure, step, tail) from cause
    if not image_id:
        raise ImageBuildError(f"The engine broke off the build of {context.tags[0]}.", tail)
    yield BuildEvent(kind="done", text=image_id)


async def remove(connection: Connection, tag: str) -> None:
    await connection.call(f"remove the image {tag}", "delete", f"/images/{quote(tag, safe='')}")


def qualified(tag: str) -> str:
    """With the registry that people mean when they name none."""
    first, slash, _ = tag.partition("/")
    if not slash:
        return f"docker.io/library/{tag}"
    return tag if "." in first or ":" in first or first == "localhost" else f"docker.io/{tag}"


def _labelled(context: BuildContext) -> BuildContext:
    """With the labels as a step. Podman makes a step of each that it is given by the side,
    in another order each time, so that none is found in its cache."""
    if not context.labels:
        return context
    pairs = (f"{_quoted(k)}={_quoted(v)}" for k, v in sorted(context.labels.items()))
    step = f"\nLABEL {' '.join(pairs)}\n"
    dockerfile = context.files["Dockerfile"] + step.encode()
    return replace(context, files={**context.files, "Dockerfile": dockerfile})


def _quoted(text: str) -> str:
    """As one word of a Dockerfile. What looks like a variable is not meant as one."""
    return '"' + re.sub(r'(["\\$])', r"\\\1", text) + '"'


def _build_events(item: Mapping[str, Any]) -> list[BuildEvent]:
    text = str(item.get("stream", "")).strip("\n")
    if found := STEP.match(text):
        step, steps, instruction = found.groups()
        return [BuildEvent(kind="step", text=instruction, step=int(step), steps=int(steps))]
    return [
        BuildEvent(kind="output", text=line)
        for line in text.splitlines()
        if line.strip() and (ID.match(line) or not NOISE.match(line))
    ]
