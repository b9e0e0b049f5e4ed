"""Reads the SQL of the figures, and puts it together for a destination: whole in itself, without any view.

The text stays as it stands in its file, but for the names of tables, and for the type of numbers where a cast takes no digits: it
is taken apart in the destination's own dialect only to find the names.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Container, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import sqlglot
from sqlglot import TokenType, exp

from harvest_source.catalogue import tables
from harvest_source.catalogue.columns.types import Kind
from harvest_source.catalogue.docs import SQL_TYPES
from harvest_source.catalogue.reports import REPORTS

FOLDER = Path(__file__).parent
TEXTS: Mapping[str, str] = {
    path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.rglob("*.sql"))
}
"""The SQL of each figure and of each part, by name."""

OPTIONAL: Mapping[str, Mapping[str, Kind]] = {
    table.name: {each.name: each.kind for each in table.columns} | {"deleted_at": Kind.TIMESTAMP}
    for report in REPORTS
    if report.module_list
    for table in tables.tables_of(report)
}
"""Tables without which a figure can be computed: where one is not there, it has no rows. With the kinds of their columns."""

DECIMAL = "decimal(20, 6)"  # as each cast to a number is written
WITHOUT_DIGITS: Mapping[str | None, str] = {"bigquery": "numeric"}
"""The type that stands in a cast instead, by dialect: BigQuery refuses digits there."""


class _Place(NamedTuple):
    """Where a select names what it reads from."""

    name: str
    start: int
    end: int


def select_of(
    name: str,
    name_of: Callable[[str], str],
    dialect: str | None,
    texts: Mapping[str, str] = TEXTS,
    there: Container[str] | None = None,
) -> str:
    """Returns the select of a figure, with the figures and parts that it builds on as its first CTEs.

    Args:
        name: of the figure or part.
        name_of: gives the name of a table as a statement has it, with its dataset.
        dialect: of the destination, in sqlglot's words.
        texts: the SQL of each figure and part.
        there: the tables that exist: instead of an optional one that does not, none of its rows are read; `None`: all do.

    Raises:
        KeyError: there is no such figure.
    """
    order = built_on(name, dialect, texts)
    missing = frozenset(each for each in OPTIONAL if there is not None and each not in there)
    *below, own = (_with_names(texts[each], name_of, dialect, texts, missing) for each in order)
    if not below:
        return own
    ctes = ",\n".join(
        f"{each} as (\n{textwrap.indent(text.strip(), '  ')}\n)"
        for each, text in zip(order[:-1], below, strict=True)
    )
    first = sqlglot.tokenize(own, read=dialect)[0]
    head = own[: first.start]
    if first.token_type is TokenType.WITH:
        return f"{head}with {ctes},\n{own[first.end + 1 :].lstrip()}"
    return f"{head}with {ctes}\n{own[first.start :]}"


def tables_needed(name: str) -> list[str]:
    """Returns the tables without which a figure cannot be computed. Raises as `tables_of`."""
    return [table for table in tables_of(name) if table not in OPTIONAL]


def tables_of(name: str) -> list[str]:
    """Returns the tables that a figure reads, itself or by what it builds on, sorted by name.

    Raises:
        KeyError: there is no such figure.
    """
    read = {table for each in built_on(name, None) for table in names_in(TEXTS[each], None)}
    return sorted(read - TEXTS.keys())


def names_in(sql: str, dialect: str | None) -> set[str]:
    """Returns the names that a select reads from: tables, figures and parts, but not its own CTEs."""
    return {place.name for place in _read(sql, dialect)}


def built_on(name: str, dialect: str | None, texts: Mapping[str, str] = TEXTS) -> list[str]:
    """Returns the named figure last, and before it the figures and parts that it builds on, each after those that it builds on.

    Raises:
        KeyError: there is no such figure.
    """
    seen: dict[str, None] = {}

    def visit(each: str) -> None:
        for below in sorted(names_in(texts[each], dialect) & texts.keys()):
            visit(below)
        seen.setdefault(each)

    visit(name)
    return list(seen)


def _with_names(
    sql: str,
    name_of: Callable[[str], str],
    dialect: str | None,
    texts: Mapping[str, str],
    missing: frozenset[str],
) -> str:
    whole = sql
    for name, start, end in sorted(_read(sql, dialect), key=lambda each: -each.start):
        if name not in texts:
            instead = _no_rows(whole, name, dialect) if name in missing else name_of(name)
            sql = sql[:start] + instead + sql[end:]
    return sql.replace(DECIMAL, WITHOUT_DIGITS.get(dialect, DECIMAL))


def _no_rows(sql: str, name: str, dialect: str | None) -> str:
    """Returns what stands for a table that is not there: the columns of it that a text may read, and no row."""
    read = {each.name for each in sqlglot.parse_one(sql, dialect=dialect).find_all(exp.Column)}
    columns = (
        f"{_null(kind, dialect)} as {column}"
        for column, kind in OPTIONAL[name].items()
        if column in read
    )
    return f"(select {', '.join(columns)} limit 0)"


def _null(kind: Kind, dialect: str | None) -> str:
    """Returns a null of a kind, its type named as in the destination."""
    if kind is Kind.DECIMAL:
        return f"cast(null as {DECIMAL})"  # as in the texts
    return exp.cast(exp.null(), SQL_TYPES[kind]).sql(dialect=dialect)


@cache  # taking a text apart takes milliseconds, and a part stands below many figures
def _read(sql: str, dialect: str | None) -> tuple[_Place, ...]:
    tree = sqlglot.parse_one(sql, dialect=dialect)
    own = {cte.alias for cte in tree.find_all(exp.CTE)}
    return tuple(
        _Place(table.name, table.this.meta["start"], table.this.meta["end"] + 1)
        for table in tree.find_all(exp.Table)
        if table.name not in own
    )
