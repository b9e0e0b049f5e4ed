"""A cell of the page: an exact value, how a person reads it, and where in the figures it is from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from functools import reduce
from typing import Any

from harvest_source.figures.figure import Figure
from harvest_source.rounding import WIDE, rounded

Row = Mapping[str, Any]
Value = Decimal | int | date | None
Form = Callable[[Any, str | None], str]
"""Writes a value; is told the currency that it may be in, `None` for hours."""

DECIMALS = 2
OF_RATIOS = Decimal("0.000001")  # as figures keep them
NOT_KNOWN = "not known"
ROWS = "*"  # in place of a column: the number of rows


def hours(value: Decimal, _currency: str | None = None) -> str:
    """Writes hours."""
    return rounded(Decimal(value), DECIMALS)


def money(value: Decimal, _currency: str | None = None) -> str:
    """Writes an amount of which the currency stands elsewhere."""
    return rounded(Decimal(value), DECIMALS)


def with_unit(value: Decimal, currency: str | None) -> str:
    """Writes an amount with its currency, or hours."""
    return f"{currency} {money(value)}" if currency else f"{hours(value)} h"


def percent(value: Decimal, _currency: str | None = None) -> str:
    """Writes a fraction."""
    return f"{rounded(Decimal(value) * 100, 0)} %"


def count(value: int, _currency: str | None = None) -> str:
    """Writes a whole number."""
    return f"{value:,}"


def day(value: date, _currency: str | None = None) -> str:
    """Writes a day."""
    return f"{value.day} {value:%b %Y}"


def month_of(value: date, _currency: str | None = None) -> str:
    """Writes the month of a day."""
    return f"{value:%B %Y}"


@dataclass(frozen=True)
class Column:
    """A column of a table of the page, of which each cell is made of rows of one figure."""

    head: str
    figure: Figure
    name: str  # of the figure's column, of which values are added up; or `ROWS`
    form: Form
    by: str = (
        ""  # divides the sum by that of this column; one row alone keeps the figure's own value
    )
    ratio: str = ""  # the figure's own column of the same
    unknown: str = NOT_KNOWN  # stands where there is no value

    @property
    def source(self) -> str:
        """Returns which columns of the figure a value is made of."""
        return f"{self.name}/{self.by}" if self.by else self.name

    def cell(self, rows: Sequence[Row], currency: str | None = None) -> Cell:
        """Returns the cell that is made of some rows."""
        value, unknown = self._value(rows)
        text = self.unknown if value is None else self.form(value, currency)
        besides = f"and {unknown:,} {NOT_KNOWN}" if unknown and value is not None else ""
        return Cell(self, value, text, besides)

    def _value(self, rows: Sequence[Row]) -> tuple[Value, int]:
        """Returns a value, and in how many rows it is not known."""
        if self.name == ROWS:
            return len(rows), 0
        if self.by:
            if len(rows) == 1 and self.ratio:
                return rows[0][self.ratio], 0
            return quotient(total(rows, self.name), total(rows, self.by)), 0
        if len(rows) == 1:
            return rows[0][self.name], 0
        return total(rows, self.name), sum(row[self.name] is None for row in rows)


@dataclass(frozen=True)
class Cell:
    """What stands in one place of the page."""

    column: Column
    value: Value
    text: str
    besides: str = ""  # stands behind it

    @property
    def exact(self) -> str:
        """Returns the value for a program, as `show` gives it in JSON."""
        return f"{self.value:f}" if isinstance(self.value, Decimal) else str(self.value)

    @property
    def is_day(self) -> bool:
        """Returns whether the value is a day."""
        return isinstance(self.value, date)


def total(rows: Iterable[Row], name: str) -> Decimal | None:
    """Returns the sum of a column, without the rows in which it is not known; `None` where it is known in none of them."""
    values = [row[name] for row in rows]
    known = [Decimal(value) for value in values if value is not None]
    return None if values and not known else reduce(WIDE.add, known, Decimal(0))


def quotient(part: Decimal | None, whole: Decimal | None) -> Decimal | None:
    """Returns a part of a whole, with as many decimals as figures have; `None` where there is no whole."""
    if part is None or not whole:
        return None
    return WIDE.divide(part, whole).quantize(OF_RATIOS, ROUND_HALF_EVEN, WIDE)
