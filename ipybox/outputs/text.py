"""Kinds that are text, and stay text: nothing is rendered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ipybox.outputs.handler import Produces


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
