"""The interface of an output handler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol, runtime_checkable

Produces = Literal["text", "image", "data"]


@runtime_checkable
class OutputHandler(Protocol):
    """A converter of one entry of a MIME bundle to a Python value.

    Attributes:
        name: Name of the handler, unique among handlers.
        mime_types: MIME types that it converts.
        produces: Kind of its values: ``"text"`` for a str; ``"image"`` for a PIL image, which
            also appears in ``ExecutionResult.images``; ``"data"`` for anything else.
    """

    @property
    def name(self) -> str:
        """The name, unique among handlers."""
        ...

    @property
    def mime_types(self) -> tuple[str, ...]:
        """The MIME types that the handler converts."""
        ...

    @property
    def produces(self) -> Produces:
        """The kind of the values."""
        ...

    def convert(self, mime_type: str, data: Any, metadata: Mapping[str, Any]) -> Any:
        """Convert one entry. Called in a worker thread.

        An exception, of any type, becomes the error of this entry (``Output.errors``) and
        affects no other output.

        Args:
            mime_type: MIME type of the entry, one of ``mime_types``.
            data: The entry as the kernel sent it: a JSON value; binary formats as a base64 str.
                It is untrusted.
            metadata: Metadata of the entry; empty if it has none. It is untrusted.

        Returns:
            The value.
        """
        ...
