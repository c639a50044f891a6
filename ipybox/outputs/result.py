"""The result of an execution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ipybox.outputs.collector import Bundle, BundleKind, OutputCollector, TextSource
from ipybox.outputs.handler import OutputHandler
from ipybox.outputs.limits import Truncation

if TYPE_CHECKING:
    from PIL.Image import Image

Handlers = Mapping[str, OutputHandler]
"""MIME type to the handler that converts it."""


@dataclass(frozen=True, kw_only=True)
class Output:
    """One MIME bundle.

    ``data`` maps MIME types to what the kernel sent (JSON; binary kinds as base64),
    ``values`` those that a handler converted to their value, ``errors`` those whose
    handler failed to the reason.
    """

    kind: BundleKind
    data: Mapping[str, Any] = field(repr=False)
    values: Mapping[str, Any]
    errors: Mapping[str, str]
    metadata: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def mime_types(self) -> tuple[str, ...]:
        return tuple(self.data)


@dataclass(frozen=True, kw_only=True)
class ExecutionResult:
    """What an execution printed and displayed.

    ``images`` are PIL images in order. ``truncated`` tells what a cap cut off, and is
    false if nothing. ``spilled`` is the file with the whole text, where a folder was
    named for it.
    """

    pieces: Sequence[tuple[TextSource, str]] = field(repr=False)
    images: Sequence[Image]
    outputs: Sequence[Output] = field(repr=False)
    truncated: Truncation
    spilled: Path | None = None

    @cached_property
    def text(self) -> str | None:
        """stdout, stderr and plain-text results in order of arrival, stripped; None where
        there was none."""
        return "".join(text for _, text in self.pieces).strip() or None

    @cached_property
    def stdout(self) -> str:
        """The stream by itself, as it came."""
        return self._of("stdout")

    @cached_property
    def stderr(self) -> str:
        """As :attr:`stdout`."""
        return self._of("stderr")

    def _of(self, wanted: TextSource) -> str:
        return "".join(text for source, text in self.pieces if source == wanted)


def build_result(
    output: OutputCollector, handlers: Handlers, spilled: Path | None = None
) -> ExecutionResult:
    """The result of what was collected until now. Decodes images: not for the event loop."""
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
        # A handler is anybody's code, on anybody's data: it may raise anything.
        except Exception as error:
            errors[mime_type] = f"{handler.name}: {type(error).__name__}: {error}"
    return Output(
        kind=bundle.kind, data=bundle.data, values=values, errors=errors, metadata=bundle.metadata
    )


def _image(output: Output, handlers: Handlers) -> Image | None:
    """The bundle's image: one, even where it comes in several formats."""
    for mime_type, value in output.values.items():
        if handlers[mime_type].produces == "image":
            image: Image = value
            return image
    return None
