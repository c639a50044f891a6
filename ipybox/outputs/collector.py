"""Collection of what an execution prints and displays: messages in, text and bundles out. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ipybox.outputs.limits import OutputLimits
from ipybox.outputs.spill import Writer
from ipybox.spec.status import Truncation

TextSource = Literal["stdout", "stderr", "result"]
BundleKind = Literal["display", "result"]

MIN_PIECES = 1000
PIECE_COST = 100
"""Bytes of the text limit that each piece beyond the first thousand must be worth. Pieces of
one character each would take a hundred times the memory of their text."""
PIECE_CHARS = 4096
"""Small pieces are joined up to this size: millions of them would cost more than their text."""


@dataclass(slots=True)
class Bundle:
    """One display or result, as the kernel sent it (Jupyter messaging 5.4, display_data).

    Attributes:
        kind: Whether the code displayed it or it is the result of the last expression.
        data: MIME types mapped to JSON values.
        metadata: Metadata of the bundle.
        display_id: Id by which later messages update the display; None if it has none.
    """

    kind: BundleKind
    data: Mapping[str, Any]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    display_id: str | None = None


@dataclass(slots=True)
class TextPiece:
    """Text from one source.

    Attributes:
        source: Where the text comes from.
        text: The text.
        bundle: The bundle that the text belongs to, whose updates replace it; None for streams.
    """

    source: TextSource
    text: str
    bundle: Bundle | None = None


class OutputCollector:
    """The output of one execution, in order of arrival.

    Attributes:
        fresh: All text pieces as they arrived, for streaming. The list only grows, and so does
            its last piece.
        pieces: The text pieces of the result, which ``clear_output`` empties.
        bundles: The displays and results, which ``clear_output`` empties as well.
    """

    def __init__(self, limits: OutputLimits, spill: Writer | None = None) -> None:
        """Create an empty collector.

        Args:
            limits: How much is kept.
            spill: Receives all text, also what exceeds the limits; None for no such copy.
        """
        self._limits = limits
        self._spill = spill
        self._clear_pending = False
        self._text_kept = 0
        self._text_cut = 0
        self._outputs_cut = 0
        self._messages_cut = 0
        self._message_bytes_cut = 0
        self.fresh: list[TextPiece] = []
        self.pieces: list[TextPiece] = []
        self.bundles: list[Bundle] = []

    @property
    def truncation(self) -> Truncation:
        """What the limits have cut off until now."""
        return Truncation(
            text=self._text_cut,
            outputs=self._outputs_cut,
            messages=self._messages_cut,
            message_bytes=self._message_bytes_cut,
        )

    def stream(self, source: Literal["stdout", "stderr"], text: str) -> None:
        """Add printed text."""
        self._clear_if_pending()
        self._add_text(TextPiece(source, text))

    def bundle(self, bundle: Bundle) -> None:
        """Add a display or result."""
        self._clear_if_pending()
        if len(self.bundles) >= self._limits.outputs:
            self._outputs_cut += 1
            return
        self.bundles.append(bundle)
        if text := plain_text(bundle):
            self._add_text(TextPiece("result", text, bundle))

    def oversized(self, size: int) -> None:
        """Count a message of ``size`` bytes, which was dropped because it is too large."""
        self._messages_cut += 1
        self._message_bytes_cut += size

    def update(self, bundle: Bundle) -> None:
        """Replace the content of the displays with ``bundle.display_id``.

        If this execution has no such display (an earlier execution showed it), the update
        becomes a display of its own, so that nothing is lost.
        """
        shown = [known for known in self.bundles if known.display_id == bundle.display_id]
        if not shown or bundle.display_id is None:
            self.bundle(bundle)
            return
        for known in shown:
            known.data, known.metadata = bundle.data, bundle.metadata
            self.pieces = [piece for piece in self.pieces if piece.bundle is not known]
        if text := plain_text(bundle):
            self._add_text(TextPiece("result", text, shown[-1]))

    def clear(self, *, wait: bool) -> None:
        """Discard the output so far: now, or with ``wait`` when the next output arrives."""
        self._clear_pending = wait
        if not wait:
            self.pieces.clear()
            self.bundles.clear()

    def _clear_if_pending(self) -> None:
        if self._clear_pending:
            self.clear(wait=False)

    def _add_text(self, piece: TextPiece) -> None:
        if self._spill is not None:
            self._spill.write(piece.text)
        size = utf8_size(piece.text)
        # Once text was cut, all later text is cut too: the result has no gaps.
        full = self._text_cut or len(self.fresh) > max(MIN_PIECES, self._limits.text // PIECE_COST)
        room = 0 if full else self._limits.text - self._text_kept
        if size > room:
            piece.text = piece.text.encode(errors="replace")[:room].decode(errors="ignore")
            self._text_cut += size - utf8_size(piece.text)
            size = utf8_size(piece.text)
        if not piece.text:
            return
        self._text_kept += size
        last = self.pieces[-1] if self.pieces else None
        if last is not None and self._continues(last, piece):
            last.text += piece.text
        else:
            self.pieces.append(piece)
            self.fresh.append(piece)

    def _continues(self, last: TextPiece, piece: TextPiece) -> bool:
        return (
            last is self.fresh[-1]
            and last.source == piece.source
            and last.bundle is piece.bundle is None
            and len(last.text) + len(piece.text) <= PIECE_CHARS
        )


class TextCursor:
    """A position in the text that arrives, for a caller that streams it."""

    def __init__(self, output: OutputCollector) -> None:
        self._fresh = output.fresh
        self._piece = 0
        self._offset = 0

    def advance(self) -> Iterator[tuple[TextSource, str]]:
        """Yield the text that arrived since the last call, piece by piece."""
        while self._piece < len(self._fresh):
            piece = self._fresh[self._piece]
            text = piece.text[self._offset :]
            self._offset += len(text)
            if text:
                yield piece.source, text  # The piece may grow meanwhile: look at it again.
            elif self._piece == len(self._fresh) - 1:
                return
            else:
                self._piece, self._offset = self._piece + 1, 0


def utf8_size(text: str) -> int:
    """Return the length of a str in bytes of UTF-8; lone surrogates count as three bytes."""
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


def plain_text(bundle: Bundle) -> str:
    """Return what a bundle adds to the text: its text/plain, unless it also holds an image.

    The text/plain of an image is only a description, such as ``<Figure size 640x480>``.
    """
    text = bundle.data.get("text/plain")
    shows_image = any(mime.startswith("image/") for mime in bundle.data)
    if not isinstance(text, str) or not text or shows_image:
        return ""
    return text if text.endswith("\n") else text + "\n"
