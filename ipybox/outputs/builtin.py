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
"""Width times height times frames; about 256 MB decoded. More is taken for a bomb."""


class TextHandler:
    """Plain text and markup, as str. Markup is untrusted: whoever renders it cleans it first."""

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
        if not isinstance(data, str):
            raise TypeError(f"{mime_type} holds a {type(data).__name__}; text is needed")
        return data


class ImageHandler:
    """PNG, JPEG, GIF and WebP. The pixels are decoded; an animation stands at its first frame."""

    name = "images"
    produces: Produces = "image"
    mime_types = ("image/png", "image/jpeg", "image/gif", "image/webp")

    def __init__(self, max_pixels: int = MAX_PIXELS) -> None:
        self._max_pixels = max_pixels

    def convert(self, mime_type: str, data: Any, metadata: Mapping[str, Any]) -> Image:
        from PIL import Image

        if not isinstance(data, str):
            raise TypeError(f"{mime_type} holds a {type(data).__name__}; base64 text is needed")
        # Only the format that the MIME type names: the fewer decoders, the better.
        format_name = mime_type.removeprefix("image/").upper()
        # Encoders put line breaks into base64; all else that is foreign to it is refused.
        raw = base64.b64decode("".join(data.split()), validate=True)
        image = Image.open(io.BytesIO(raw), formats=[format_name])
        pixels = image.width * image.height * getattr(image, "n_frames", 1)
        if pixels > self._max_pixels:
            raise ValueError(
                f"{image.width}×{image.height} {format_name} with {pixels:,} pixels in all; "
                f"at most {self._max_pixels:,} are decoded"
            )
        image.load()
        return image


class JsonHandler:
    """JSON, as the Python value that it stands for."""

    name = "json"
    produces: Produces = "data"
    mime_types = ("application/json",)

    def convert(self, mime_type: str, data: Any, metadata: Mapping[str, Any]) -> Any:
        return data
