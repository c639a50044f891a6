"""The result of an execution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ipybox.outputs.collector import Bundle, BundleKind, OutputCollector, TextSource
from ipybox.outputs.handler import OutputHandler
from ipybox.spec.status import Truncation

if TYPE_CHECKING:
    from PIL.Image import Image

Handlers = Mapping[str, OutputHandler]
"""MIME types mapped to the handler that converts them."""


@dataclass(frozen=True, kw_only=True)
class Output:
    """One display or result: the same thing in one or more formats (a MIME bundle).

    Attributes:
        kind: ``"display"``, or ``"result"`` for the value of the last expression.
        data: MIME types mapped to what the kernel sent: JSON values; binary formats as base64.
        values: MIME types mapped to the value that a handler made of the data.
        errors: MIME types mapped to the reason why their handler failed.
        metadata: Metadata that the kernel sent with the data.
    """

    kind: BundleKind
    data: Mapping[str, Any] = field(repr=False)
    values: Mapping[str, Any]
    errors: Mapping[str, str]
    metadata: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def mime_types(self) -> tuple[str, ...]:
        """The MIME types in ``data``."""
        return tuple(self.data)


@dataclass(frozen=True, kw_only=True)
class ExecutionResult:
    """What an execution printed and displayed.

    Attributes:
        pieces: Printed text and plain-text results: source and text, in order of arrival.
        images: Displayed images as PIL images, in order.
        outputs: Displays and results, in order.
        truncated: What the limits cut off; false if nothing.
        spilled: The file with the whole text, if ``spill`` named a folder; otherwise None.
    """

    pieces: Sequence[tuple[TextSource, str]] = field(repr=False)
    images: Sequence[Image]
    outputs: Sequence[Output] = field(repr=False)
    truncated: Truncation
    spilled: Path | None = None

    @cached_property
    def text(self) -> str | None:
        """stdout, stderr and plain-text results in order of arrival, stripped.

        None if there is none.
        """
        return "".join(text for _, text in self.pieces).strip() or None

    @cached_property
    def stdout(self) -> str:
        """What the code wrote to standard output, unchanged."""
        return self._of("stdout")

    @cached_property
    def stderr(self) -> str:
        """What the code wrote to standard error, unchanged."""
        return self._of("stderr")

    def _of(self, wanted: TextSource) -> str:
        return "".join(text for source, text in self.pieces if source == wanted)


def build_result(
    output: OutputCollector, handlers: Handlers, spilled: Path | None = None
) -> ExecutionResult:
    """Build the result of what was collected until now.

    Handlers decode images, which takes time: call it in a worker thread.

    Args:
        output: The collected output.
        handlers: Handlers by MIME type.
        spilled: The file with the whole text, or None.

    Returns:
        The result.
    """
    outputs = [_convert(bundle, handlers) for bundle in output.bundles]
    return ExecutionResult(
        pieces=[(piece.source, piece.text) for piece in output.pieces],
        images=[image for item in outputs if (image := _image(item, handlers)) is not None],
        outputs=outputs,
        truncated=output.truncation,
        spilled=spilled,
    )


def _convert(bundle: Bundle, handlers: Handlers) -> Output:
    values: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for mime_type, data in bundle.data.items():
        handler = handlers.get(mime_type)
        if handler is None:
            continue
        try:
            metadata = bundle.metadata.get(mime_type)
            values[mime_type] = handler.convert(
                mime_type, data, metadata if isinstance(metadata, Mapping) else {}
            )
        # A handler is foreign code that works on untrusted data: it may raise anything.
        except Exception as error:
            errors[mime_type] = f"{handler.name}: {type(error).__name__}: {error}"
    return Output(
        kind=bundle.kind, data=bundle.data, values=values, errors=errors, metadata=bundle.metadata
    )


def _image(output: Output, handlers: Handlers) -> Image | None:
    """Return the image of a bundle; a bundle in several image formats is one image."""
    for mime_type, value in output.values.items():
        if handlers[mime_type].produces == "image":
            image: Image = value
            return image
    return None
