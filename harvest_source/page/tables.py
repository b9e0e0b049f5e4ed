"""What the page is made of: sections with tables, and tiles. A table has a line for each thing that is measured, with a bar."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from harvest_source.page.cells import Cell, Column, Row
from harvest_source.rounding import WIDE

MOST_LINES = 25  # of a list; the rest is counted
BAR = 100  # width of a whole bar
FULL, LIGHT, BAD, CALM, GOOD = "full", "light", "bad", "calm", "ok"

Key = Mapping[str, Any]
"""Which rows of a figure are meant: column -> value, or a pair: first and last value, of which `None` is no bound."""
Rows = Mapping[str, Sequence[Row]]
"""The rows of an account by figure, without those that could not be asked for."""


@dataclass(frozen=True)
class Segment:
    """A part of a bar that begins at its left end; later ones stand upon earlier ones."""

    width: str
    tone: str = FULL


@dataclass(frozen=True)
class Line:
    """A line of a table, of a tile or of a note: numbers that are made of the same rows."""

    name: str
    key: Key
    cells: tuple[Cell, ...]
    under: str = ""  # stands below the name
    bar: tuple[Segment, ...] = ()
    tone: str = ""

    @property
    def key_text(self) -> str:
        """Returns which rows of the figures are meant, for a program."""
        return json.dumps(self.key, default=str)


@dataclass(frozen=True)
class Table:
    """A table of the page."""

    of: str  # what the first column is
    heads: tuple[str, ...]
    lines: Sequence[Line]
    caption: str = ""
    left_out: int = 0  # lines that are not shown
    total: Line | None = None
    is_short: bool = False  # names are so short that a bar has room beside them everywhere


@dataclass(frozen=True)
class Note:
    """A sentence below a table, which begins with a number or none."""

    text: str
    line: Line | None = None


@dataclass(frozen=True)
class Part:
    """What figures bring into a section."""

    tables: Sequence[Table] = ()
    notes: Sequence[Note] = ()


@dataclass(frozen=True)
class Tile:
    """A number that stands large at the top, once for each currency."""

    title: str
    lines: Sequence[Line]


def matching(rows: Iterable[Row], key: Key) -> list[Row]:
    """Returns the rows that a key means."""
    return [row for row in rows if all(_is(row[name], wanted) for name, wanted in key.items())]


def _is(value: Any, wanted: Any) -> bool:
    if not isinstance(wanted, tuple):
        return bool(value == wanted)
    first, last = wanted
    return (
        value is not None and (first is None or first <= value) and (last is None or value <= last)
    )


def line_of(
    name: str,
    key: Key,
    columns: Sequence[Column],
    rows: Rows,
    currency: str | None = None,
    **more: Any,
) -> Line:
    """Returns a line whose numbers are made of all rows that a key means.

    Args:
        name: of the line.
        key: which rows.
        columns: a cell for each.
        rows: of each figure that a column is of.
        currency: of the money in them.
        more: fields of `Line`.
    """
    meant = {name: matching(rows[name], key) for name in {each.figure.name for each in columns}}
    cells = tuple(column.cell(meant[column.figure.name], currency) for column in columns)
    return Line(name, key, cells, **more)


def groups(rows: Iterable[Row], name: str) -> dict[Any, list[Row]]:
    """Returns rows by what stands in a column, in the order of that; what is null comes last."""
    found: dict[Any, list[Row]] = {}
    for row in rows:
        found.setdefault(row[name], []).append(row)
    return dict(sorted(found.items(), key=lambda each: (each[0] is None, each[0] or "")))


def first_ones(rows: Iterable[Row], rank: Callable[[Row], Any]) -> tuple[list[Row], int]:
    """Returns the rows of a list that are shown, and how many are not.

    Args:
        rows: all of them.
        rank: by which they are put in order, the smallest first.
    """
    ordered = sorted(rows, key=rank)
    return ordered[:MOST_LINES], max(len(ordered) - MOST_LINES, 0)


def drawn(
    lines: Iterable[Line], cells: Mapping[int, str], whole: Decimal | None = None
) -> list[Line]:
    """Returns lines with bars.

    Args:
        lines: without them.
        cells: place of each cell that is drawn, the longest first: in which tone.
        whole: what the longest bar stands for; default: the largest number that is drawn.
    """
    lines = [*lines]
    numbers = [_number(line.cells[place]) for line in lines for place in cells]
    most = max(numbers, default=Decimal(0)) if whole is None else whole
    return [
        replace(
            line,
            bar=tuple(
                _segment(_number(line.cells[place]), most, tone) for place, tone in cells.items()
            ),
        )
        for line in lines
    ]


def _segment(number: Decimal, most: Decimal, tone: str) -> Segment:
    """Returns a part of a bar as long as a number is beside the largest: nothing below 0, and no longer than the bar."""
    share = WIDE.divide(number, most) if most > 0 else Decimal(0)
    return Segment(f"{min(max(share, Decimal(0)), Decimal(1)) * BAR:.2f}", tone)


def _number(cell: Cell) -> Decimal:
    return Decimal(0) if cell.value is None or isinstance(cell.value, date) else Decimal(cell.value)


def named(name: str | None, what: str) -> str:
    """Returns a name, or of what kind the thing is whose name is not known."""
    return name or f"{what} without a name"


def in_currency(currency: str | None) -> str:
    """Returns the caption of a table of money."""
    return currency or "Currency not known"
