"""The built-in output handlers: text and markup, raster images, JSON."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ipybox.outputs.handler import Produces

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 64_000_000
"""Width × height × frames, about 256 MB decoded. More is refused as a decompression bomb."""


class TextHandler:
    """The handler for plain text and markup, which it returns as str.

    Markup is untrusted: sanitize it before rendering.
    """

    name = "text"
    produces: Produces = "text"
    mime_types = (
        "text/plain",
        "text/html",
        "text/markdown",
        "text/latex",
        "image/svg+xml",
    )

    def convert(self, mime_type: str, data: Any, metadata: Mapping[str, Any]) -> str:
        """Return ``data`` as it is. Raise TypeError if it is not a str."""
        if not isinstance(data, str):
            raise TypeError(f"{mime_type} data must be a str, got {type(data).__name__}.")
        return data


class ImageHandler:
    """The handler for PNG, JPEG, GIF and WebP, which it decodes to PIL images.

    Of an animation, the image is the first frame.

    Args:
        max_pixels: Width × height × frames of the largest image that is decoded. Default:
            64 million.
    """

    name = "images"
    produces: Produces = "image"
    mime_types = ("image/png", "image/jpeg", "image/gif", "image/webp")

    def __init__(self, max_pixels: int = MAX_PIXELS) -> None:
        self._max_pixels = max_pixels

    def convert(self, mime_type: str, data: Any, metadata: Mapping[str, Any]) -> Image:
        """Decode a base64 image.

        Args:
            mime_type: Names the only format that is accepted.
            data: The image, as a base64 str.
            metadata: Ignored.

        Returns:
            The image, fully loaded.

        Raises:
            TypeError: If ``data`` is not a str.
            ValueError: If ``data`` is not base64, or the image has too many pixels.
            Exception: Any error of Pillow, if ``data`` is not a sound image of that format.
        """
        from PIL import Image

        if not isinstance(data, str):
            raise TypeError(f"{mime_type} data must be a base64 str, got {type(data).__name__}.")
        # Untrusted data reaches one decoder only: that of the format which the MIME type names.
        format_name = mime_type.removeprefix("image/").upper()
        # Encoders insert line breaks into base64; other foreign characters are refused.
        raw = base64.b64decode("".join(data.split()), validate=True)
        image = Image.open(io.BytesIO(raw), formats=[format_name])
        pixels = image.width * image.height * getattr(image, "n_frames", 1)
        if pixels > self._max_pixels:
            raise ValueError(
                f"The {format_name} image of {image.width}×{image.height} has {pixels:,} pixels "
                f"in all frames; at most {self._max_pixels:,} are decoded."
            )
        image.load()
        return image


class JsonHandler:
    """The handler for JSON, which it returns as the Python value that it represents."""

    name = "json"
    produces: Produces = "data"
    mime_types = ("application/json",)

    def convert(self, mime_type: str, data: Any, metadata: Mapping[str, Any]) -> Any:
        """Return ``data`` as it is."""
        return data
