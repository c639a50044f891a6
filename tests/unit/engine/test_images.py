"""Pulls and builds of images, with an engine that only prints."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence

import pytest

from ipybox import BackendError
from ipybox.authoring import BuildContext, BuildEvent, ImageInfo
from ipybox.engine import BuildLog, BuildSyntax, EngineImages
from ipybox.engine.images import KEPT_LINES
from ipybox.errors import ImageBuildError, ImageNotFoundError

SYNTAX = BuildSyntax(
    step=re.compile(r"^Step (\d+)/(\d+): (.*)$", re.S),
    noise=re.compile(r"--> "),
    image_id=re.compile(r"^[0-9a-f]{8}$"),
)
CONTEXT = BuildContext(
    recipe="r", files={"Dockerfile": b""}, tags=("a", "b"), labels={}, content_hash="0"
)


class PrintingImages(EngineImages):
    """Prints these texts during a build or a pull, and then fails, if it has an error."""

    syntax = SYNTAX

    def __init__(self, *texts: str, error: BackendError | None = None) -> None:
        self.texts = texts
        self.error = error
        self.found: ImageInfo | None = None
        self.names: Sequence[str] = ()
        self.closed = False

    async def find(self, image: str) -> ImageInfo | None:
        return self.found

    async def list(self) -> Sequence[ImageInfo]:
        return ()

    async def remove(self, image: str) -> None:
        return

    async def pull_events(self, image: str) -> AsyncGenerator[BuildEvent]:
        for text in self.texts:
            yield BuildEvent(kind="progress", text=text)
        if self.error is not None:
            raise self.error

    async def build_events(
        self, context: BuildContext, log: BuildLog
    ) -> AsyncGenerator[BuildEvent]:
        try:
            for text in self.texts:
                for event in log.feed(text):
                    yield event
            if self.error is not None:
                raise self.error
        finally:
            self.closed = True

    async def add_names(self, image_id: str, names: Sequence[str]) -> None:
        self.names = names


async def built(images: EngineImages) -> list[BuildEvent]:
    return [event async for event in images.build(CONTEXT)]


async def test_a_build_yields_steps_and_output_and_then_its_image() -> None:
    images = PrintingImages("Step 1/2: FROM x\n", "a\n\nb\n", "--> 12\n", "0123abcd\n")
    assert await built(images) == [
        BuildEvent(kind="step", text="FROM x", step=1, steps=2),
        BuildEvent(kind="output", text="a"),
        BuildEvent(kind="output", text="b"),
        BuildEvent(kind="done", text="0123abcd"),
    ]
    assert images.names == ("a", "b")


async def test_a_step_that_fails_raises_with_the_last_lines_of_its_output() -> None:
    error = BackendError("The engine could not build the image a: exit code 1.")
    lines = [f"line {number}" for number in range(2 * KEPT_LINES)]
    images = PrintingImages("before", "Step 1/2: RUN x", *lines, error=error)
    with pytest.raises(ImageBuildError) as caught:
        await built(images)
    assert str(caught.value) == f"{error} The step was: RUN x"
    assert caught.value.output == tuple(lines[-KEPT_LINES:])
    assert caught.value.__cause__ is error
    assert images.names == ()


async def test_a_reason_that_the_step_printed_replaces_the_engines() -> None:
    images = PrintingImages(
        "Step 1/1: RUN x", "ipybox: the base has no python3.", "more",
        error=BackendError("exit code 64"),
    )  # fmt: skip
    with pytest.raises(ImageBuildError, match=r"could not be built: ipybox: the base has no py"):
        await built(images)


async def test_a_build_without_an_image_id_raises() -> None:
    with pytest.raises(ImageBuildError, match="without reporting an image id"):
        await built(PrintingImages("Step 1/1: RUN x"))


async def test_leaving_a_build_closes_it_at_once() -> None:
    images = PrintingImages("Step 1/1: RUN x", "more")
    events = images.build(CONTEXT)
    async for _ in events:
        break
    assert isinstance(events, AsyncGenerator)
    await events.aclose()
    assert images.closed


async def test_a_pull_ends_with_the_id_of_its_image() -> None:
    images = PrintingImages("layer")
    images.found = ImageInfo(id="1", tags=("a",), labels={}, size_bytes=1, created=0.0)
    events = [event async for event in images.pull("a")]
    assert [(event.kind, event.text) for event in events] == [("progress", "layer"), ("done", "1")]


async def test_a_pull_that_fails_or_finds_nothing_raises() -> None:
    error = BackendError("refused")
    with pytest.raises(ImageNotFoundError, match=r"pulled: refused.*build -t a") as caught:
        async for _ in PrintingImages(error=error).pull("a"):
            pass
    assert caught.value.__cause__ is error
    with pytest.raises(ImageNotFoundError, match="missing after it was pulled"):
        async for _ in PrintingImages().pull("a"):
            pass
