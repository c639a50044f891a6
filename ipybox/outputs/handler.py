"""The contract of an output handler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol, runtime_checkable

Produces = Literal["text", "image", "data"]


@runtime_checkable
class OutputHandler(Protocol):
    """Turns one entry of a MIME bundle into a value.

    ``name`` is unique among handlers, ``mime_types`` are those that it converts,
    ``produces`` tells what comes of it: an "image" is a PIL image and appears in
    ``result.images``; "text" is a str; "data" is anything else.
    """

    @property
    def name(self) -> str: ...

    @property
    def mime_types(self) -> tuple[str, ...]: ...

    @property
    def produces(self) -> Produces: ...

    def convert(self, mime_type: str, data: Any, metadata: Mapping[str, Any]) -> Any:
        """The value of ``data``, as it stands in the bundle: JSON, binary kinds as base64.

        What comes out of a kernel is untrusted. An exception becomes the error of
        this one entry, and of nothing else. Runs in a thread of its own.
        """
        ...
