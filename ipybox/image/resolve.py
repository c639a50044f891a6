"""Resolution of an image name: use the image if it exists, else build or pull it."""

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
    backend: Backend, image_name: str, *, on_event: Callable[[BuildEvent], None]
) -> ImageInfo:
    """Return an image; build it if a recipe claims its name, else pull it, if it is missing.

    Args:
        backend: The backend that holds the images; it must have ``Capability.IMAGES``.
        image_name: Name of the image.
        on_event: Is called with each event of a build or a pull.

    Returns:
        The image.

    Raises:
        ImageNotFoundError: If the image does not exist, no recipe claims its name, and it can't
            be pulled.
        ImageBuildError: If a step of the build failed.
        ImageRefusedError: If the image has no runtime, or one of another protocol.
        InvalidArgumentError: If the recipe can't be built under that name.
        BackendError: If the engine failed.
    """
    image = await backend.image(image_name)
    if image is None:
        recipe = recipe_for(image_name)
        if recipe is None:
            events = backend.pull(image_name)
        else:
            events = backend.build(build_context(recipe, tags=(image_name,)))
        async for event in events:
            on_event(event)
        image = await backend.image(image_name)
    if image is None:
        raise ImageNotFoundError(
            f"The image {image_name!r} is missing, although it was just built or pulled. "
            "Check whether another process removes images."
        )
    check_runtime(image_name, image)
    return image


def recipe_for(image_name: str) -> ImageRecipe | None:
    """Return the recipe that claims an image name.

    Args:
        image_name: The name, in any of the ways that engines accept: ``NAME``,
            ``NAME:latest``, ``docker.io/NAME``.

    Returns:
        The recipe, or None if no recipe claims the name.
    """
    wanted = _normalized(image_name)
    for recipe in registry().images.values():
        if wanted in map(_normalized, recipe.tags):
            return recipe
    return None


def check_runtime(image_name: str, image: ImageInfo) -> None:
    """Check that this version of the library can talk to the runtime of an image.

    Args:
        image_name: Name of the image, for the error message.
        image: The image; its labels name the protocol of its runtime.

    Raises:
        ImageRefusedError: If the image has no runtime, or one of another protocol.
    """
    found = image.labels.get(PROTOCOL_LABEL)
    if found == str(PROTOCOL):
        return
    if found is None:
        raise ImageRefusedError(
            f"The image {image_name!r} does not contain ipybox's runtime. "
            f"To add it, run: ipybox build --base {image_name} -t {_derived_name(image_name)}"
        )
    recipe = recipe_for(image_name)
    options = f"--recipe {recipe.name}" if recipe else f"--base YOUR-BASE -t {image_name}"
    runtime = image.labels.get(RUNTIME_LABEL, "?")
    raise ImageRefusedError(
        f"The image {image_name!r} contains runtime {runtime} (protocol {found}), but ipybox "
        f"{VERSION} speaks protocol {PROTOCOL}. To rebuild it, run: ipybox build {options}"
    )


def _normalized(image_name: str) -> str:
    """Return one name for all the ways in which the same image can be written."""
    name = image_name.removeprefix("docker.io/").removeprefix("library/")
    return name if split_name(name)[1] or "@" in name else f"{name}:latest"


def _derived_name(image_name: str) -> str:
    return split_name(image_name)[0].rpartition("/")[2] + "-ipybox"
