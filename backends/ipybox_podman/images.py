"""The images of a Podman engine."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from urllib.parse import quote

from ipybox import BackendError
from ipybox.authoring import RUNTIME_LABEL, BuildContext, BuildEvent, ImageInfo, pack
from ipybox.engine import CALL_TIMEOUT, BuildLog, BuildSyntax, EngineImages, parse_timestamp
from ipybox.errors import ImageNotFoundError
from ipybox_podman.connection import Connection
from ipybox_podman.errors import map_podman_error

STREAM_ERROR_STATUS = 500
"""Stands for the status of errors that come within an answer, whose own status is 200."""


class PodmanImages(EngineImages):
    """The image operations of a Podman engine."""

    syntax = BuildSyntax(
        step=re.compile(r"^(?:\[\d+/\d+\] )?STEP (\d+)/(\d+): (.*)$", re.S),
        noise=re.compile(r"^(\[\d+/\d+\] )?(--> |COMMIT |Successfully tagged )"),
        image_id=re.compile(r"^[0-9a-f]{64}$"),
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def find(self, image: str) -> ImageInfo | None:
        try:
            found = await self._connection.call_json(
                f"look for the image {image}", "get", _path(image, "json"), timeout=CALL_TIMEOUT
            )
        except ImageNotFoundError:
            return None
        return ImageInfo(
            id=found["Id"],
            tags=tuple(found.get("RepoTags") or ()),
            labels=found.get("Labels") or {},
            size_bytes=int(found["Size"]),
            created=parse_timestamp(found["Created"]),
        )

    async def list(self) -> Sequence[ImageInfo]:
        found = await self._connection.call_json(
            "list its images", "get", "/images/json", timeout=CALL_TIMEOUT,
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

    async def user(self, image: str) -> str:
        """Return the user that an image names for its containers; "" for root.

        Raises:
            ImageNotFoundError: If the engine does not have the image.
        """
        found = await self._connection.call_json(
            f"look for the image {image}", "get", _path(image, "json"), timeout=CALL_TIMEOUT
        )
        return str(found["Config"].get("User") or "")

    async def remove(self, image: str) -> None:
        await self._connection.call(
            f"remove the image {image}", "delete", _path(image), timeout=CALL_TIMEOUT
        )

    async def pull_events(self, image: str) -> AsyncGenerator[BuildEvent]:
        what = f"pull the image {image}"
        params = {"reference": qualified(image), "policy": "missing"}
        async with aclosing(self._connection.lines(what, "/images/pull", params=params)) as items:
            async for item in items:
                if "error" in item:
                    raise map_podman_error(what, STREAM_ERROR_STATUS, str(item["error"]))
                if text := str(item.get("stream", "")).strip():
                    yield BuildEvent(kind="progress", text=text, item=image)

    async def build_events(
        self, context: BuildContext, log: BuildLog
    ) -> AsyncGenerator[BuildEvent]:
        what = f"build the image {context.tags[0]}"
        params = {
            "t": list(context.tags),
            "rm": "true",
            "forcerm": "true",
            "layers": "true",
            # This is Podman's default; but unless it is given, no step is taken from the cache.
            "outputformat": "application/vnd.docker.distribution.manifest.v2+json",
            "httpproxy": "false",
            "pullpolicy": "missing",
        }
        lines = self._connection.lines(what, "/build", params=params, data=pack(_labelled(context)))
        failure: BackendError | None = None
        async with aclosing(lines) as items:
            async for item in items:
                if "error" in item:
                    failure = map_podman_error(what, STREAM_ERROR_STATUS, str(item["error"]))
                for event in log.feed(str(item.get("stream", ""))):
                    yield event
        if failure is not None:
            raise failure


def qualified(image: str) -> str:
    """Return an image name with the registry that is meant where none is named."""
    first, slash, _ = image.partition("/")
    if not slash:
        return f"docker.io/library/{image}"
    return image if "." in first or ":" in first or first == "localhost" else f"docker.io/{image}"


def _labelled(context: BuildContext) -> BuildContext:
    """Return the context with its labels as one step of the Dockerfile.

    Podman makes a step of each label that is given beside the Dockerfile, in another order each
    time, so that no later build finds the steps in the cache.
    """
    if not context.labels:
        return context
    pairs = (f"{_quoted(k)}={_quoted(v)}" for k, v in sorted(context.labels.items()))
    step = f"\nLABEL {' '.join(pairs)}\n"
    dockerfile = context.files["Dockerfile"] + step.encode()
    return replace(context, files={**context.files, "Dockerfile": dockerfile})


def _quoted(text: str) -> str:
    """Quote a str as one word of a Dockerfile, in which no variable is expanded."""
    return '"' + re.sub(r'(["\\$])', r"\\\1", text) + '"'


def _path(image: str, *rest: str) -> str:
    return "/".join(["/images", quote(image, safe=""), *rest])
