"""Registers the built-in recipes."""

from ipybox.authoring import ImageRecipe, hookimpl
from ipybox_images.recipes import DEFAULT, MINIMAL


@hookimpl
def ipybox_register_images() -> list[ImageRecipe]:
    return [MINIMAL, DEFAULT]
