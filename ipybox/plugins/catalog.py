"""The backends, image recipes and output handlers that plugins have registered."""

from __future__ import annotations

from typing import Any

from ipybox.backend import BackendDescriptor
from ipybox.errors import PluginError
from ipybox.outputs.handler import OutputHandler
from ipybox.spec.image import ImageRecipe


class Catalog:
    """Registered objects by name. The first to register a name keeps it.

    Each ``add_…`` method takes what a plugin returned from the hook, of any type, and returns
    a description of it, such as ``"backend docker"``. It raises PluginError, and changes
    nothing, if the object has the wrong type or claims a name that is taken.

    Attributes:
        backends: Backends by name.
        images: Image recipes by name.
        output_handlers: Output handlers by MIME type.
    """

    def __init__(self) -> None:
        self.backends: dict[str, BackendDescriptor] = {}
        self.images: dict[str, ImageRecipe] = {}
        self.output_handlers: dict[str, OutputHandler] = {}
        self._recipe_by_image_name: dict[str, str] = {}

    def add_backend(self, item: Any) -> str:
        """Add a backend, whose name must be free."""
        _check_type(item, BackendDescriptor, "ipybox_register_backends")
        if item.name in self.backends:
            raise PluginError(f"The backend name {item.name!r} is taken.")
        self.backends[item.name] = item
        return f"backend {item.name}"

    def add_image(self, item: Any) -> str:
        """Add an image recipe, whose name and image names must be free."""
        _check_type(item, ImageRecipe, "ipybox_register_images")
        for image_name in item.tags:
            if image_name in self._recipe_by_image_name:
                holder = self._recipe_by_image_name[image_name]
                raise PluginError(f"The image name {image_name!r} is taken by recipe {holder!r}.")
        if item.name in self.images:
            raise PluginError(f"The recipe name {item.name!r} is taken.")
        self.images[item.name] = item
        self._recipe_by_image_name.update(dict.fromkeys(item.tags, item.name))
        return f"image recipe {item.name}"

    def add_output_handler(self, item: Any) -> str:
        """Add an output handler, whose name and MIME types must be free."""
        _check_type(item, OutputHandler, "ipybox_register_output_handlers")
        for mime_type in item.mime_types:
            if mime_type in self.output_handlers:
                holder = self.output_handlers[mime_type].name
                raise PluginError(f"The MIME type {mime_type!r} is taken by handler {holder!r}.")
        if any(handler.name == item.name for handler in self.output_handlers.values()):
            raise PluginError(f"The output handler name {item.name!r} is taken.")
        self.output_handlers.update(dict.fromkeys(item.mime_types, item))
        return f"output handler {item.name}"


def _check_type(item: Any, expected: type, hook_name: str) -> None:
    if not isinstance(item, expected):
        raise PluginError(
            f"{hook_name} must return {expected.__name__} objects, got {type(item).__name__}."
        )
