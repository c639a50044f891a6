"""The figures' contenders as horizontal bars: an SVG, written by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from benchmarks.figures import Figure

WIDTH = 760
MARGIN = 28
NAMES = 110  # a contender's name stands left of its bar
VALUES = 190  # and its value right of the longest
BAR, STEP = 16, 23
HEAD, TITLE, GAP = 78, 16, 26

# A card of its own colour, so that it is readable on whatever page it stands.
STYLE = """
  text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; }
  .card { fill: #ffffff; stroke: #d0d7de; }
  .heading { font-size: 18px; font-weight: 600; }
  .title { font-weight: 600; }
  .heading, .title, .value { fill: #1f2328; }
  .name, .small { fill: #59636e; }
  .small { font-size: 12px; }
  .ours { fill: #0969da; }
  .other { fill: #afb8c1; }
  @media (prefers-color-scheme: dark) {
    .card { fill: #0d1117; stroke: #3d444d; }
    .heading, .title, .value { fill: #f0f6fc; }
    .name, .small { fill: #9198a1; }
    .ours { fill: #4493f8; }
    .other { fill: #656c76; }
  }
"""


def svg(figures: Sequence[Figure], *, ours: str, subtitle: str) -> str:
    """A panel for each figure that has one; bars of each begin at zero."""
    parts: list[str] = []
    top = HEAD
    for figure in figures:
        if figure.panel is not None:
            parts += _panel(figure, ours, top)
            top += TITLE + len(figure.contenders) * STEP + GAP
    height = top - GAP + MARGIN
    heading = [
        f'<rect class="card" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>',
        _text("heading", MARGIN, 38, "Code in an IPython kernel, three ways"),
        _text("small", MARGIN, 58, subtitle),
    ]
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
    return "\n".join([
        head, "<title>Code in an IPython kernel, three ways</title>",
        f"<style>{STYLE}</style>", *heading, *parts, "</svg>", "",
    ])  # fmt: skip


def _panel(figure: Figure, ours: str, top: int) -> Iterator[str]:
    assert figure.panel is not None
    left = MARGIN + NAMES
    longest = max(figure.contenders.values())
    yield _text("title", MARGIN, top + 12, figure.panel.title)
    best = f"{figure.contender_unit}, {figure.panel.best} is better"
    yield _text("small", WIDTH - MARGIN, top + 12, best, anchor="end")
    for row, (name, value) in enumerate(figure.contenders.items()):
        y = top + TITLE + 6 + row * STEP
        width = max(1.0, (WIDTH - MARGIN - VALUES - left) * value / longest)
        kind = "ours" if name == ours else "other"
        yield _text("name", left - 10, y + 12, name, anchor="end")
        yield f'<rect class="{kind}" x="{left}" y="{y}" width="{width:.1f}" height="{BAR}" rx="2"/>'
        note = figure.panel.notes.get(name)
        label = f"{three_digits(value)} {figure.contender_unit}" + (f" · {note}" if note else "")
        yield _text("value", left + width + 8, y + 12.5, label)


def _text(kind: str, x: float, y: float, text: str, anchor: str = "start") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="{kind}" {place}>{escape(text)}</text>'


def three_digits(value: float) -> str:
    """Three significant digits, or all that stand before the point."""
    decimals = next((digits for limit, digits in ((1, 3), (10, 2), (100, 1)) if value < limit), 0)
    return f"{value:,.{decimals}f}"
