"""Draw the contenders of each figure as horizontal bars, in a hand-written SVG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from benchmarks.figures import Figure

# Pixels.
WIDTH = 760
MARGIN = 28
NAME_WIDTH = 110  # room for contenders' names, left of the bars
VALUE_WIDTH = 190  # room for values, right of the longest bar
BAR_HEIGHT, ROW_HEIGHT = 16, 23
HEADING_HEIGHT, TITLE_HEIGHT, PANEL_GAP = 78, 16, 26

# The card has its own background colour, so that it is readable on any page.
STYLE = """
  text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; }
  .card { fill: #ffffff; stroke: #d0d7de; }
  .heading { font-size: 18px; font-weight: 600; }
  .title { font-weight: 600; }
  .heading, .title, .value { fill: #1f2328; }
  .name, .small { fill: #59636e; }
  .small { font-size: 12px; }
  .own { fill: #0969da; }
  .other { fill: #afb8c1; }
  @media (prefers-color-scheme: dark) {
    .card { fill: #0d1117; stroke: #3d444d; }
    .heading, .title, .value { fill: #f0f6fc; }
    .name, .small { fill: #9198a1; }
    .own { fill: #4493f8; }
    .other { fill: #656c76; }
  }
"""


def svg(figures: Sequence[Figure], *, own_name: str, subtitle: str) -> str:
    """Return the plot as SVG, with one panel for each figure that has one.

    All bars start at zero.

    Args:
        figures: Figures to draw; those without a panel are left out.
        own_name: Name of the contender to highlight.
        subtitle: Line below the heading.
    """
    parts: list[str] = []
    top = HEADING_HEIGHT
    for figure in figures:
        if figure.panel is not None:
            parts += _panel(figure, own_name, top)
            top += TITLE_HEIGHT + len(figure.contenders) * ROW_HEIGHT + PANEL_GAP
    height = top - PANEL_GAP + MARGIN
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


def _panel(figure: Figure, own_name: str, top: int) -> Iterator[str]:
    assert figure.panel is not None
    left = MARGIN + NAME_WIDTH
    longest = max(figure.contenders.values())
    yield _text("title", MARGIN, top + 12, figure.panel.title)
    best = f"{figure.contender_unit}, {figure.panel.best} is better"
    yield _text("small", WIDTH - MARGIN, top + 12, best, anchor="end")
    for row, (name, value) in enumerate(figure.contenders.items()):
        y = top + TITLE_HEIGHT + 6 + row * ROW_HEIGHT
        width = max(1.0, (WIDTH - MARGIN - VALUE_WIDTH - left) * value / longest)
        kind = "own" if name == own_name else "other"
        yield _text("name", left - 10, y + 12, name, anchor="end")
        size = f'width="{width:.1f}" height="{BAR_HEIGHT}" rx="2"'
        yield f'<rect class="{kind}" x="{left}" y="{y}" {size}/>'
        note = figure.panel.notes.get(name)
        label = f"{three_digits(value)} {figure.contender_unit}" + (f" · {note}" if note else "")
        yield _text("value", left + width + 8, y + 12.5, label)


def _text(kind: str, x: float, y: float, text: str, anchor: str = "start") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="{kind}" {place}>{escape(text)}</text>'


def three_digits(value: float) -> str:
    """Format with three significant digits, but never fewer than all integer digits."""
    decimals = next((digits for limit, digits in ((1, 3), (10, 2), (100, 1)) if value < limit), 0)
    return f"{value:,.{decimals}f}"
