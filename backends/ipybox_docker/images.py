"""The images of a Docker engine."""

from __future__ import annotations

import io
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from ipybox.authoring import RUNTIME_LABEL, BuildContext, BuildEvent, ImageInfo, pack, split_name
from ipybox.engine import (
    BUILD_TIMEOUT,
    CALL_TIMEOUT,
    BuildLog,
    BuildSyntax,
    EngineImages,
    parse_timestamp,
)
from ipybox.errors import ImageNotFoundError
from ipybox_docker.connection import Connection
from ipybox_docker.errors import engine_call
from ipybox_docker.raw import raw_json

NO_NAME = "<none>:<none>"


class DockerImages(EngineImages):
    """The image operations of a Docker engine."""

    syntax = BuildSyntax(
        step=re.compile(r"^Step (\d+)/(\d+) : (.*)$", re.S),
        noise=re.compile(r" ---> |Removing intermediate container "),
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def find(self, image: str) -> ImageInfo | None:
        try:
            async with engine_call(f"look for the image {image}", CALL_TIMEOUT):
                found = await self._connection.docker.images.inspect(image)
        except ImageNotFoundError:
            return None
        return ImageInfo(
            id=found["Id"],
            tags=tuple(found.get("RepoTags") or ()),
            labels=found["Config"].get("Labels") or {},
            size_bytes=int(found["Size"]),
            created=parse_timestamp(found["Created"]),
        )

    async def list(self) -> Sequence[ImageInfo]:
        params = {"filters": f'{{"label": ["{RUNTIME_LABEL}"]}}'}
        async with engine_call("list its images", CALL_TIMEOUT):
            found = await raw_json(self._connection.docker, "images/json", params=params)
        return [
            ImageInfo(
                id=item["Id"],
                tags=tuple(tag for tag in item.get("RepoTags") or () if tag != NO_NAME),
                labels=item.get("Labels") or {},
                size_bytes=int(item["Size"]),
                created=float(item["Created"]),
            )
            for item in found
        ]

    async def remove(self, image: str) -> None:
        async with engine_call(f"remove the image {image}", CALL_TIMEOUT):
            await self._connection.docker.images.delete(image, force=False)

    async def pull_events(self, image: str) -> AsyncGenerator[BuildEvent]:
        async with engine_call(f"pull the image {image}", BUILD_TIMEOUT):
            async for item in self._connection.docker.images.pull(image, stream=True):
                yield _progress(item)

    async def build_events(
        self, context: BuildContext, log: BuildLog
    ) -> AsyncGenerator[BuildEvent]:
        async with engine_call(f"build the image {context.tags[0]}", BUILD_TIMEOUT):
            # Without a name: if the client leaves just as a step begins, the engine may complete
            # the build, which must not leave an image of that name.
            items = self._connection.docker.images.build(
                fileobj=io.BytesIO(pack(context)), encoding="identity",
                labels=dict(context.labels), rm=True, forcerm=True, stream=True,
            )  # fmt: skip
            async for item in items:
                log.image_id = (item.get("aux") or {}).get("ID", log.image_id)
                if "status" in item:  # of a base image that is pulled
                    yield _progress(item)
                    continue
                for event in log.feed(str(item.get("stream", ""))):
                    yield event

    async def add_names(self, image_id: str, names: Sequence[str]) -> None:
        for name in names:
            repository, tag = split_name(name)
            async with engine_call(f"name the image {name}", CALL_TIMEOUT):
                await self._connection.docker.images.tag(
                    image_id, repo=repository, tag=tag or "latest"
                )


def _progress(item: Mapping[str, Any]) -> BuildEvent:
    detail = item.get("progressDetail") or {}
    return BuildEvent(
        kind="progress",
        text=str(item.get("status", "")),
        item=str(item.get("id", "")),
        current=int(detail.get("current") or 0),
        total=int(detail.get("total") or 0),
    )
