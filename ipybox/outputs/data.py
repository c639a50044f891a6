"""Kinds that are data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ipybox.outputs.handler import Produces


class JsonHandler:
    """JSON, as the Python value that it stands for."""

    name = "json"
    produces: Produces = "data"
    mime_types = ("application/json",)

    def convert(self, mime_type: str, data: Any, metadata: Mapping[str, Any]) -> Any:
        return data
