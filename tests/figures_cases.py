"""Five small accounts, and what the figures must say of them: both worked by hand, as tables in `tests/figures/`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from figures_tables import (
    FOLDER,
    Execute,
    Row,
    calendar_of,
    create_tables,
    insert,
    kind_in_table,
    read_tables,
)

from harvest_source.catalogue.columns.types import Kind
from harvest_source.figures.figure import Figure
from harvest_source.figures.figures import FIGURES
from harvest_source.figures.sql import built_on, tables_of

TABLES = sorted({table for figure in FIGURES for table in tables_of(figure.name)})
BY_NAME = {figure.name: figure for figure in FIGURES}


def _kind(figure: str, column: str) -> Kind:
    return next(each.kind for each in BY_NAME[figure].columns if each.name == column)


def rows_by_table() -> dict[str, list[Row]]:
    """Returns the rows of the five accounts, by table, with their calendar."""
    tables = read_tables(FOLDER / "rows.md", kind_in_table)
    return {**tables, "calendar": calendar_of(tables)}


VALUES = read_tables(FOLDER / "values.md", _kind)
"""What must come out: figure -> rows; of each row the columns that are named."""


def fill(execute: Execute, tables: Mapping[str, list[Row]]) -> None:
    """Makes the tables and puts rows into them."""
    create_tables(execute, TABLES)
    for table in TABLES:
        insert(execute, table, tables[table])


def differences(rows: list[Row], figure: Figure) -> list[str]:
    """Returns what is wrong with the rows of a figure: one line for each row that is too many, missing or another."""
    left, found = list(rows), []
    for expected in VALUES[figure.name]:
        key = {name: expected[name] for name in figure.key if name in expected}
        same = [row for row in left if _part(row, key) == key]
        if len(same) != 1:
            found.append(f"{len(same)} rows of {key}")
        elif _part(same[0], expected) != expected:
            found.append(f"{_part(same[0], expected)} instead of {expected}")
        left = [row for row in left if row not in same]
    return [*found, *(f"not expected: {row}" for row in left)]


def figures_on(text: str) -> list[Figure]:
    """Returns the figures that a text is part of."""
    return [figure for figure in FIGURES if text in built_on(figure.name, None)]


def _part(row: Row, like: Mapping[str, Any]) -> Row:
    return {name: row[name] for name in like}
