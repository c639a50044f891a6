"""Resolution of image names to images, recipes and pulls."""

from collections.abc import AsyncIterator

import pytest

from ipybox.authoring import (
    Availability,
    Backend,
    BuildContext,
    BuildEvent,
    Container,
    ContainerSpec,
    ImageInfo,
)
from ipybox.errors import ImageNotFoundError, ImageRefusedError
from ipybox.image.resolve import ensure_image, recipe_for
from ipybox.spec.image import PROTOCOL_LABEL


def test_a_recipe_is_found_by_each_form_of_its_image_name() -> None:
    for name in ("gradion/ipybox", "gradion/ipybox:latest", "docker.io/gradion/ipybox"):
        found = recipe_for(name)
        assert found is not None and found.name == "default"
    assert recipe_for("gradion/ipybox:v2") is None
    assert recipe_for("ipybox") is None


class ImageStore(Backend):
    """A backend that holds images and records pulls and builds."""

    name = "image-store"

    def __init__(self, **labels: str) -> None:
        self.labels = labels
        self.held: set[str] = set()
        self.calls: list[str] = []

    async def availability(self) -> Availability:
        return Availability(ready=True)

    async def create(self, spec: ContainerSpec) -> Container:
        raise NotImplementedError

    async def image(self, tag: str) -> ImageInfo | None:
        if tag not in self.held:
            return None
        return ImageInfo(id="i", tags=(tag,), labels=self.labels, size_bytes=1, created=0)

    async def pull(self, tag: str) -> AsyncIterator[BuildEvent]:
        self.calls.append("pull")
        if "nowhere" in tag:
            raise ImageNotFoundError(tag)
        self.held.add(tag)
        yield BuildEvent(kind="done")

    async def build(self, context: BuildContext) -> AsyncIterator[BuildEvent]:
        self.calls.append(f"build {context.recipe}")
        self.held.update(context.tags)
        yield BuildEvent(kind="done")


@pytest.mark.parametrize(
    ("image_name", "held", "expected"),
    [
        ("gradion/ipybox", True, []),
        ("gradion/ipybox", False, ["build default"]),
        ("some/image", False, ["pull"]),
    ],
)
async def test_an_image_is_used_else_built_else_pulled(
    image_name: str, held: bool, expected: list[str]
) -> None:
    store = ImageStore(**{PROTOCOL_LABEL: "1"})
    if held:
        store.held.add(image_name)
    events: list[BuildEvent] = []
    await ensure_image(store, image_name, on_event=events.append)
    assert store.calls == expected
    assert len(events) == len(expected)


async def test_an_image_that_can_not_be_pulled_is_not_found() -> None:
    with pytest.raises(ImageNotFoundError):
        await ensure_image(ImageStore(), "nowhere", on_event=print)


@pytest.mark.parametrize(
    ("labels", "image_name", "command"),
    [
        ({}, "some/image", "ipybox build --base some/image -t image-ipybox"),
        ({PROTOCOL_LABEL: "99"}, "gradion/ipybox", "ipybox build --recipe default"),
        ({PROTOCOL_LABEL: "0"}, "some/image", "ipybox build --base YOUR-BASE -t some/image"),
    ],
)
async def test_an_image_without_a_fitting_runtime_is_refused_with_the_command_that_fixes_it(
    labels: dict[str, str], image_name: str, command: str
) -> None:
    store = ImageStore(**labels)
    store.held.add(image_name)
    with pytest.raises(ImageRefusedError, match=command):
        await ensure_image(store, image_name, on_event=print)
