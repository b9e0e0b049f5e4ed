"""Reads the page of `report` back: its numbers, of which rows of which figure each is said to be made, and what that must be."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any
from xml.etree import ElementTree as ET

import html5lib

Rows = Mapping[str, Sequence[Mapping[str, Any]]]
"""The rows of figures, as `show --json` gives them."""

OWN_RATIOS = {
    "hours/capacity_hours": "utilisation",
    "billable_hours/capacity_hours": "billable_utilisation",
    "hours/available_hours": "available_utilisation",
}
"""Where a ratio is made of one row, the figure's own counts."""
NUMBER = re.compile(r"^(?:[A-Z]{3} )?(-?[\d,]+(?:\.\d+)?)( %| h)?$")
MILLION = 1_000_000


@dataclass(frozen=True)
class Shown:
    """A value on the page."""

    figure: str
    column: str
    key: Mapping[str, Any]
    value: str | None  # exact; `None`: the page has none
    text: str

    def must_be(self, rows: Rows) -> Fraction | str | None:
        """Returns what the rows that it is said to be made of give."""
        meant = [row for row in rows[self.figure] if _is_meant(row, self.key)]
        if self.column == "*":
            return Fraction(len(meant))
        part, _, whole = self.column.partition("/")
        if whole and len(meant) == 1 and self.column in OWN_RATIOS:
            return _exact(meant[0][OWN_RATIOS[self.column]])
        if whole:
            return _quotient(_sum(meant, part), _sum(meant, whole))
        if len(meant) == 1 and isinstance(meant[0][part], str) and "-" in meant[0][part][1:]:
            return str(meant[0][part])  # a day
        return _sum(meant, part)

    def is_right(self, rows: Rows) -> bool:
        """Returns whether the exact value is what it must be, and the text its rounding."""
        expected = self.must_be(rows)
        if expected is None or isinstance(expected, str):
            return self.value == expected
        if self.value is None or Fraction(self.value) != expected:
            return False
        return _rounded(Decimal(self.value), self.text) == self.text


def _rounded(value: Decimal, text: str) -> str | None:
    """Returns how a value must be written beside the words that stand with it; `None` where that is no number."""
    found = NUMBER.match(text)
    if not found:
        return None
    unit = found[2] or ""
    places = Decimal(1) if unit == " %" or "." not in found[1] else Decimal("0.01")
    short = (value * 100 if unit == " %" else value).quantize(places, ROUND_HALF_UP)
    return text.replace(found[1], f"{short or abs(short):,}")


def _is_meant(row: Mapping[str, Any], key: Mapping[str, Any]) -> bool:
    return all(_is(row[name], wanted) for name, wanted in key.items())


def _is(value: Any, wanted: Any) -> bool:
    if not isinstance(wanted, list):
        return bool(value == wanted)
    first, last = wanted
    return value is not None and not (
        (first is not None and value < first) or (last is not None and value > last)
    )


def _exact(value: Any) -> Fraction | None:
    return None if value is None else Fraction(value)


def _sum(rows: Sequence[Mapping[str, Any]], column: str) -> Fraction | None:
    known = [Fraction(row[column]) for row in rows if row[column] is not None]
    return None if rows and not known else sum(known, Fraction(0))


def _quotient(part: Fraction | None, whole: Fraction | None) -> Fraction | None:
    if part is None or not whole:
        return None
    return Fraction(round(part / whole * MILLION), MILLION)  # half to even, as decimals are kept


class PageRead:
    """A page as a browser would take it, refused where it is not valid."""

    def __init__(self, text: str) -> None:
        """Takes a page apart; raises where a parser of HTML finds fault with it."""
        self.text = text
        parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
        self.root: ET.Element = parser.parse(text)
        self._above: dict[ET.Element, ET.Element] = {
            child: parent for parent in self.root.iter() for child in parent
        }

    def all(self, tag: str, kind: str = "") -> list[ET.Element]:
        """Returns the elements of a tag, of a class if one is named."""
        return [
            each
            for each in self.root.iter(tag)
            if not kind or kind in each.get("class", "").split()
        ]

    def words(self, element: ET.Element | None = None) -> str:
        """Returns the text of an element, or of what the page shows, with single spaces."""
        shown = self.root.find("body") if element is None else element
        return " ".join("".join(shown.itertext() if shown is not None else ()).split())

    def shown(self) -> Iterator[Shown]:
        """Yields the values that are said to be a figure's."""
        for element in self.root.iter():
            if "data-figure" in element.attrib:
                holder = element
                while "data-key" not in holder.attrib:
                    holder = self._above[holder]
                found = [each for each in element.iter() if each.tag in {"data", "time"}]
                assert len(found) <= 1
                value = found[0].get("value") or found[0].get("datetime") if found else None
                text = self.words(found[0] if found else element)
                yield Shown(
                    element.attrib["data-figure"],
                    element.attrib["data-column"],
                    json.loads(holder.attrib["data-key"]),
                    value,
                    text,
                )

    def section(self, name: str, account: int) -> ET.Element:
        """Returns a section of an account."""
        (heading,) = [each for each in self.root.iter() if each.get("id") == f"{name}-{account}"]
        return self._above[heading]

    def lines(self, table: ET.Element) -> list[dict[str, Any]]:
        """Returns which rows the lines of a table are made of."""
        body = table.find("tbody")
        assert body is not None
        return [json.loads(row.attrib["data-key"]) for row in body.iter("tr")]

    def left_out(self, table: ET.Element) -> int:
        """Returns how many lines a table says it does not show."""
        found = [each for each in table.iter("tr") if each.get("class") == "rest"]
        return sum(int(each.get("value", "")) for row in found for each in row.iter("data"))

    def missing(self) -> set[str]:
        """Returns the figures that the page says are not there."""
        return {
            each.attrib["data-missing"]
            for each in self.root.iter()
            if "data-missing" in each.attrib
        }
