"""Bars as an SVG picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

WIDTH, LABELS_WIDTH, NUMBERS_WIDTH = 720, 170, 70
LINE, TITLE, MARGIN = 22, 34, 12
BAR_COLOURS = ("#1f6f8b", "#c9c9c9")  # the first and the second of a pair


class Bars(NamedTuple):
    """A group of bars that have one scale, in pairs."""

    title: str
    values: Mapping[str, float]  # by label


def picture(groups: Sequence[Bars]) -> str:
    """Returns the bars, group below group."""
    parts: list[str] = []
    y = MARGIN
    for group in groups:
        parts.append(
            f'<text x="{MARGIN}" y="{y + 16}" font-weight="bold">{escape(group.title)}</text>'
        )
        y += TITLE
        largest = max(group.values.values())
        for number, (label, value) in enumerate(group.values.items()):
            length = (WIDTH - LABELS_WIDTH - NUMBERS_WIDTH - 2 * MARGIN) * value / largest
            x = MARGIN + LABELS_WIDTH
            colour = BAR_COLOURS[number % len(BAR_COLOURS)]
            said = f"{value:,.1f}" if value < 100 else f"{value:,.0f}"  # noqa: PLR2004 - three digits are enough
            parts += [
                f'<text x="{MARGIN}" y="{y + 12}">{escape(label)}</text>',
                f'<rect x="{x}" y="{y}" width="{max(length, 1):.1f}" height="{LINE - 7}" fill="{colour}"/>',
                f'<text x="{x + max(length, 1) + 6:.1f}" y="{y + 12}">{said}</text>',
            ]
            y += LINE
        y += MARGIN
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}" '
        'role="img" font-family="sans-serif" font-size="13" fill="#222222">'
    )
    said = "; ".join(group.title for group in groups)
    background = f'<rect width="{WIDTH}" height="{y}" fill="#ffffff"/>'
    return "\n".join([head, f"<title>{escape(said)}</title>", background, *parts, "</svg>\n"])
