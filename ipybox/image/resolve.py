"""Finds an image: it is there, or a recipe makes it, or it is pulled."""

from __future__ import annotations

from collections.abc import Callable

from ipybox.backend import Backend
from ipybox.errors import ImageNotFoundError, ImageRefusedError
from ipybox.gateway.versions import PROTOCOL, VERSION
from ipybox.image.build_context import build_context
from ipybox.plugins.registry import registry
from ipybox.spec.image import (
    PROTOCOL_LABEL,
    RUNTIME_LABEL,
    BuildEvent,
    ImageInfo,
    ImageRecipe,
    split_name,
)


async def ensure_image(
    backend: Backend, tag: str, *, on_event: Callable[[BuildEvent], None]
) -> ImageInfo:
    """The image of that name, which is built or pulled if it is not there.

    Raises ImageNotFoundError, ImageBuildError, and ImageRefusedError for one whose
    runtime does not fit.
    """
    image = await backend.image(tag)
    if image is None:
        recipe = claiming(tag)
        events = backend.pull(tag) if recipe is None else backend.build(
            build_context(recipe, tags=(tag,))
        )  # fmt: skip
        async for event in events:
            on_event(event)
        image = await backend.image(tag)
    if image is None:
        raise ImageNotFoundError(f"The image {tag!r} is not there, though it was just made.")
    check_runtime(tag, image)
    return image


def claiming(tag: str) -> ImageRecipe | None:
    """The recipe that claims an image name."""
    wanted = _full_name(tag)
    for recipe in registry().images.values():
        if wanted in map(_full_name, recipe.tags):
            return recipe
    return None


def check_runtime(tag: str, image: ImageInfo) -> None:
    """Raises ImageRefusedError for an image that this library can't talk to."""
    found = image.labels.get(PROTOCOL_LABEL)
    if found == str(PROTOCOL):
        return
    recipe = claiming(tag)
    if found is None:
        raise ImageRefusedError(
            f"The image {tag!r} does not hold ipybox's runtime. "
            f"To put it on top: ipybox build --base {tag} -t {_own_name(tag)}"
        )
    mend = f"--recipe {recipe.name}" if recipe else f"--base YOUR-BASE -t {tag}"
    runtime = image.labels.get(RUNTIME_LABEL, "?")
    raise ImageRefusedError(
        f"The image {tag!r} holds runtime {runtime} (protocol {found}); this ipybox {VERSION} "
        f"speaks protocol {PROTOCOL}. To build it anew: ipybox build {mend}"
    )


def _full_name(tag: str) -> str:
    """As engines complete it: one name for each way to write it."""
    name = tag.removeprefix("docker.io/").removeprefix("library/")
    return name if split_name(name)[1] or "@" in name else f"{name}:latest"


def _own_name(tag: str) -> str:
    return split_name(tag)[0].rpartition("/")[2] + "-ipybox"
