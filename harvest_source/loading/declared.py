"""What the tables of a run are declared to be, and whether dlt's schema says so already.

dlt works the schema out anew for whoever asks, which takes longer than all else that a quiet run does before it reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from dlt.common.schema import Schema
from dlt.common.schema.typing import TColumnSchema, TTableReference, TTableSchema
from dlt.extract import DltSource

from harvest_source.catalogue.hints import dlt_columns, table_hints
from harvest_source.catalogue.lookup import ALL_NAMES, by_name
from harvest_source.catalogue.report import Report
from harvest_source.catalogue.tables import all_tables
from harvest_source.destinations.comments import OF_TABLE, Comments
from harvest_source.loading.calendar import CALENDAR_HINTS, FIRST, LAST, calendar_resource
from harvest_source.loading.delivery import Package, package_source
from harvest_source.loading.figure_history import HISTORIES, history_resources
from harvest_source.loading.history import (
    ACCOUNTS,
    ACCOUNTS_HINTS,
    LOAD_REPORT_HINTS,
    accounts_resource,
    load_report_resource,
)
from harvest_source.loading.removals import DELETED_ROWS_HINTS, deleted_rows_resource

Hints = Mapping[str, Any]
"""The arguments with which a resource is made."""

KEPT: tuple[tuple[Hints, str], ...] = (
    (LOAD_REPORT_HINTS, "What a run did with a report of an account."),
    (DELETED_ROWS_HINTS, "A row that was noticed to be gone at Harvest."),
    (ACCOUNTS_HINTS, ACCOUNTS.row),
    (
        CALENDAR_HINTS,
        f"A day between {FIRST} and {LAST}, from the earliest to the latest date in any table.",
    ),
    *((each.hints, f"A row of `{each.figure.name}` on a day.") for each in HISTORIES),
)
"""The product's own tables, and what one row of each is."""


@dataclass(frozen=True)
class Declared:
    """The tables of a run."""

    hints: Sequence[Hints]  # of each of its resources
    descriptions: Mapping[str, str]  # of each table, those of lists too
    make_source: Callable[[], DltSource]  # of these resources

    @property
    def names(self) -> set[str]:
        """Returns the names of the tables, without those of lists."""
        return {str(each["name"]) for each in self.hints}

    @property
    def comments(self) -> Comments:
        """Returns what each table and each of its columns is."""
        found: Comments = {
            (name, OF_TABLE): description for name, description in self.descriptions.items()
        }
        for table in (each for hints in self.hints for each in _tables(hints)):
            for name, column in table.columns.items():
                if description := column.get("description"):
                    found[table.name, name] = description
        return found

    def is_in(self, schema: Schema) -> bool:
        """Returns whether a schema has all tables, columns and references as they are declared."""
        tables = schema.tables
        return all(table.is_in(tables) for hints in self.hints for table in _tables(hints))

    def added_to(self, schema: Schema | None) -> Schema:
        """Returns a schema with all that is declared, and with the columns that dlt will add."""
        found = self.make_source().discover_schema()
        for table in found.data_tables():
            if _has_dlt_columns(str(table["name"])):
                table["columns"] |= dlt_columns(of_list="parent" in table)
        if schema is None:
            return found
        merged = schema.clone()
        merged.update_schema(found)
        return merged


def declared(package: Package, reports: list[Report]) -> Declared:
    """Returns the tables of a run: those of its reports, and the product's own.

    Args:
        package: an empty one, of the run.
        reports: of the run.
    """
    of_reports = [
        {**package.hints(report), "additional_table_hints": table_hints(report)}
        for report in reports
    ]
    own = [hints for hints, _ in KEPT]
    descriptions = {str(hints["name"]): row for hints, row in KEPT}
    descriptions |= {table.name: table.description for table in all_tables(reports)}

    def make_source() -> DltSource:
        now = datetime.now(UTC)
        deleted, accounts = deleted_rows_resource({}), accounts_resource([])
        history = load_report_resource("", now, now, [], {})
        own_resources = (deleted, accounts, calendar_resource([]), *history_resources(), history)
        source: DltSource = package_source(package, reports, *own_resources)
        return source

    return Declared([*of_reports, *own], descriptions, make_source)


class _Table(NamedTuple):
    """A table as hints declare it."""

    name: str
    columns: Mapping[str, TColumnSchema]
    hints: Mapping[str, Any]  # of the table itself
    references: Sequence[TTableReference]

    def is_in(self, tables: Mapping[str, TTableSchema]) -> bool:
        known: Any = tables.get(self.name)
        return (
            known is not None
            and _agrees(known, self.hints)
            and _joins(self.references).items() <= _joins(known.get("references", ())).items()
            and all(
                _agrees(known["columns"].get(name, {}), column)
                for name, column in self.columns.items()
            )
        )


def _agrees(known: Mapping[str, Any], hints: Mapping[str, Any]) -> bool:
    """Returns whether a table or column of a schema has its hints; dlt writes none that say no."""
    return all(known.get(name, False) == hint for name, hint in hints.items())


def _joins(references: Iterable[TTableReference]) -> dict[str, Any]:
    """Returns by which columns each table is joined: in nothing else do references differ for dlt."""
    return {
        each["referenced_table"]: dict(
            zip(each["columns"], each["referenced_columns"], strict=True)
        )
        for each in references
    }


def _tables(hints: Hints) -> Iterator[_Table]:
    """Yields the table of a resource and those of the lists in it."""
    name, key = hints["name"], hints.get("primary_key", ())
    columns = {
        column: {**_without_mark(each), "primary_key": column in key}
        for column, each in hints["columns"].items()
    }
    yield _table(name, columns, hints, of_list=False)
    for nested, own in hints.get("nested_hints", {}).items():
        yield _table(f"{name}__{nested}", own["columns"], own, of_list=True)


def _without_mark(column: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a column without the hint that removes rows: each load brings it, and one that only adds rows has another."""
    return {name: hint for name, hint in column.items() if name != "hard_delete"}


def _table(name: str, columns: Mapping[str, Any], hints: Hints, *, of_list: bool) -> _Table:
    added = dlt_columns(of_list=of_list) if _has_dlt_columns(name) else {}
    own = hints.get("additional_table_hints", {})
    return _Table(name, {**columns, **added}, own, hints.get("references", ()))


def _has_dlt_columns(table: str) -> bool:
    """Returns whether dlt adds columns of its own to a table: not to those that are loaded as they are."""
    return table not in ALL_NAMES or not by_name(table).arrow
