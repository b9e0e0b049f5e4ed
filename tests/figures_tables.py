"""Tables for the figures, filled without a load: with the columns that the catalogue declares."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from harvest_source.catalogue.columns.shared import date as day_column
from harvest_source.catalogue.columns.shared import flag, text, whole
from harvest_source.catalogue.columns.types import Column, Kind
from harvest_source.catalogue.docs import SQL_TYPES
from harvest_source.catalogue.hints import DELETED_AT
from harvest_source.catalogue.report import parent_id_column
from harvest_source.catalogue.reports import REPORTS
from harvest_source.figures.figure import Figure
from harvest_source.figures.sql import TEXTS, select_of

FOLDER = Path(__file__).parent / "figures"
DATASET = "harvest"
ROWS_PER_STATEMENT = 1000

Row = dict[str, Any]
Execute = Callable[[str], Any]
"""Has a database do a statement; gives a cursor where it answers."""

_MARK = Column(DELETED_AT, Kind.TIMESTAMP, "")
_ACCOUNT = whole("account_id", "")
COLUMNS: dict[str, tuple[Column, ...]] = {
    **{report.name: (*report.columns, _MARK) for report in REPORTS},
    **{
        f"{report.name}__{each.name}": (
            _ACCOUNT,
            whole(parent_id_column(report), ""),
            *each.columns,
        )
        for report in REPORTS
        for each in report.lists
    },
    "accounts": (_ACCOUNT, text("name", ""), text("currency", ""), day_column("as_of", "")),
    "calendar": (
        day_column("day", ""),
        whole("number", ""),
        day_column("week", ""),
        day_column("month", ""),
        flag("is_working_day", ""),
    ),
}
"""What the tables hold that the figures may read."""


def name_of(table: str) -> str:
    """Returns the name of a table with its dataset."""
    return f'"{DATASET}"."{table}"'


def create_tables(execute: Execute, tables: Iterable[str]) -> None:
    """Makes empty tables in a dataset of their own."""
    execute(f"create schema {DATASET}")
    for table in tables:
        columns = ", ".join(f"{each.name} {SQL_TYPES[each.kind]}" for each in COLUMNS[table])
        execute(f"create table {name_of(table)} ({columns})")


def insert(execute: Execute, table: str, rows: list[Row]) -> None:
    """Puts rows into a table; a column that a row does not name is null."""
    declared = {each.name for each in COLUMNS[table]}
    names = sorted({name for row in rows for name in row})
    assert declared.issuperset(names), table
    for batch in batched(rows, ROWS_PER_STATEMENT):
        values = ", ".join(
            f"({', '.join(_literal(row.get(name)) for name in names)})" for row in batch
        )
        execute(f"insert into {name_of(table)} ({', '.join(names)}) values {values}")


def batched(rows: list[Row], most: int) -> Iterable[list[Row]]:
    """Yields rows by so many, none where there are none."""
    return (rows[start : start + most] for start in range(0, len(rows), most))


def _literal(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"


def calendar(first: date, last: date) -> list[Row]:
    """Returns the rows of the calendar from one day to another."""
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return [
        {
            "day": day,
            "number": day.toordinal(),
            "week": day - timedelta(days=day.weekday()),
            "month": day.replace(day=1),
            "is_working_day": day.weekday() < 5,
        }
        for day in days
    ]


def calendar_of(tables: Mapping[str, list[Row]]) -> list[Row]:
    """Returns the rows of the calendar from the earliest to the latest day in any of the tables."""
    days = [
        value
        for rows in tables.values()
        for row in rows
        for value in row.values()
        if isinstance(value, date) and not isinstance(value, datetime)
    ]
    created = [row["created_at"].date() for row in tables["projects"] if row["created_at"]]
    return calendar(min([*days, *created]), max(days))


def figure_rows(
    execute: Execute, figure: Figure, dialect: str, texts: Mapping[str, str] = TEXTS
) -> list[Row]:
    """Returns the rows of a figure, sorted by its key."""
    cursor = execute(select_of(figure.name, name_of, dialect, texts))
    names = [each[0] for each in cursor.description]
    rows = [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
    return sorted(rows, key=lambda row: key_of(figure, row))


def key_of(figure: Figure, row: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the key of a row as texts, which can be sorted with nulls among them."""
    return tuple(f"{row[name]!s:>12}" for name in figure.key)


def read_tables(path: Path, kind_of: Callable[[str, str], Kind]) -> dict[str, list[Row]]:
    """Returns the tables of a Markdown file: heading -> rows; a heading may have several tables.

    Args:
        path: of the file.
        kind_of: gives the kind of a column, by heading and name.
    """
    found: dict[str, list[Row]] = {}
    for part in re.split(r"^## ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        heading, _, rest = part.partition("\n")
        rows = found.setdefault(heading.strip(), [])
        for block in re.findall(r"(?:^\|.*\n?)+", rest, re.MULTILINE):
            header, _rule, *lines = (
                [cell.strip() for cell in line.strip().strip("|").split("|")]
                for line in block.splitlines()
            )
            rows.extend(
                {
                    name: _typed(cell, kind_of(heading, name))
                    for name, cell in zip(header, line, strict=True)
                }
                for line in lines
            )
    return found


def kind_in_table(table: str, column: str) -> Kind:
    """Returns the declared kind of a table's column."""
    return next(each.kind for each in COLUMNS[table] if each.name == column)


def _typed(cell: str, kind: Kind) -> Any:
    if cell == "null":
        return None
    if kind is Kind.BOOL:
        return {"yes": True, "no": False}[cell]
    if kind is Kind.DATE:
        return date.fromisoformat(cell)
    if kind is Kind.TIMESTAMP:
        return datetime.fromisoformat(cell).replace(hour=12, tzinfo=UTC)
    return {Kind.ID: int, Kind.DECIMAL: Decimal, Kind.TEXT: str}[kind](cell)
