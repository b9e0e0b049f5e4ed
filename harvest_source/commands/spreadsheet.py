"""CSV for a person to open: a spreadsheet takes texts that begin like a formula for one, whoever wrote them into Harvest."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from harvest_source.commands.output import csv_of, plain
from harvest_source.commands.streams import write

# without a byte order mark Excel takes every file for one in the system's old encoding
MARK = "\ufeff"
EXACT = (
    int,
    float,
    Decimal,
    date,
)  # types of columns in which a sign is a sign; a truth value is an `int`, an instant a `date`

# Where a formula would begin: with the text, and within it after what ends a cell for a program that takes the semicolon for the
# comma, as Excel does in half of Europe: it then heeds no quotes. Blanks, quotes and signs without width do not count.
UNSEEN = (
    r"(?:[^\S\t\r\n]|[\x00-\x08\x0e-\x1f\x7f-\x9f\"\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff])*"
)
# also as wide as a Chinese letter, and the minus of typesetters
STARTS = r"[=+\-@\uff1d\uff0b\uff0d\uff20\u2212]"
FORMULA_BEGINS = re.compile(rf"^(?=[\t\r\n]|{UNSEEN}{STARTS})|(?<=[;\t\r\n])(?={UNSEEN}{STARTS})")


def print_spreadsheet(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Prints rows as CSV, in UTF-8 whatever standard output's encoding, that a spreadsheet shows and does not run."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    write(
        MARK
        + csv_of(
            [as_shown(name) for name in columns], [[_cell(value) for value in row] for row in rows]
        )
    )


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, EXACT):
        return value
    return as_shown(str(plain(value)))


def as_shown(text: str) -> str:
    """Returns a text with `'` wherever a spreadsheet would begin a formula."""
    return FORMULA_BEGINS.sub("'", text)
