"""Makes what dlt takes of a reading: its rows in batches, as Arrow tables or dicts, and items without a row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, TypeAlias

import dlt
import pyarrow as pa
from dlt.common.configuration.container import Container
from dlt.common.configuration.exceptions import ContextDefaultCannotBeCreated
from dlt.common.destination import DestinationCapabilitiesContext
from dlt.extract.exceptions import CurrentSourceSchemaNotAvailable

from harvest_source.api.net import stays_with_report
from harvest_source.api.parsing import parse_exact
from harvest_source.catalogue.arrow import ARROW_TYPES, arrow_schema
from harvest_source.catalogue.columns.types import Kind
from harvest_source.catalogue.hints import (
    DELETED_AT,
    KIND_OF_TYPE,
    Added,
    added_hints,
    table_hints,
)
from harvest_source.catalogue.report import Report, Row
from harvest_source.dlt_corners import OF_DLT, has_seen_rows
from harvest_source.reading.flat import REST
from harvest_source.reading.reading import Page, Reading
from harvest_source.reading.shape import Shaper

Batch: TypeAlias = list[Row] | pa.Table
"""Rows: as dicts, or, of flat lists, as an Arrow table."""

BATCH_ROWS = 2000
INSERT_VALUES: Any = "insert_values"  # dlt's name of files of SQL


def iter_batches(shaper: Shaper, reading: Reading) -> Iterator[Batch]:
    """Yields the rows of a reading by some thousand: a page may hold one payment, or 2,000 entries."""
    waiting: list[Batch] = []
    with stays_with_report():
        for parent_id, page in reading.iter_pages():
            waiting.append(_shaped(shaper, page, reading.account_id, parent_id))
            if sum(map(len, waiting)) >= BATCH_ROWS:
                yield _joined(waiting)
                waiting = []
        if waiting:
            yield _joined(waiting)


def _shaped(shaper: Shaper, page: Page, account_id: int, parent_id: int | None) -> Batch:
    if isinstance(page, pa.Table):
        return _with_rest(shaper, page, account_id)
    rows = [shaper.shape(record, account_id, parent_id) for record in page]
    if shaper.report.arrow:
        return pa.Table.from_pylist(rows, arrow_schema(shaper.report, shaper.root.added))
    return rows


def _joined(batches: list[Batch]) -> Batch:
    if isinstance(batches[0], pa.Table):
        return pa.concat_tables(batches, promote_options="default")
    return [row for batch in batches for row in batch]


def _with_rest(shaper: Shaper, table: pa.Table, account_id: int) -> pa.Table:
    """Returns the rows of an answer with a column of each field that nobody documented."""
    if REST not in table.column_names:
        return table
    rests = [
        shaper.shape(parse_exact(rest.encode()), account_id) if rest else {}
        for rest in table[REST].to_pylist()
    ]
    table = table.drop_columns([REST])
    for name, kind in shaper.root.added.items():
        values = [rest.get(name) for rest in rests]
        table = table.append_column(name, pa.array(values, ARROW_TYPES[kind]))
    return table


def rows_in(batch: Batch) -> list[Row]:
    """Returns the rows of a batch."""
    return batch.to_pylist() if isinstance(batch, pa.Table) else batch


def only_rows(batch: Batch, rows: list[Row]) -> Batch:
    """Returns some rows in the form of the batch that they are from."""
    return pa.Table.from_pylist(rows, batch.schema) if isinstance(batch, pa.Table) else rows


def iter_items(
    report: Report, shaper: Shaper, batches: Iterable[Batch]
) -> Iterator[tuple[Any, Batch]]:
    """Yields batches as dlt takes them, Arrow tables or dicts, each with itself; undocumented columns are described."""
    described: Added = {}
    for batch in batches:
        if report.arrow:
            yield _as_table(batch, arrow_schema(report, shaper.root.added)), batch
        elif any(shaper.added.values()) and shaper.added != described:
            described = shaper.added
            yield dlt.mark.with_hints(batch, added_hints(described)), batch
        else:
            yield batch, batch


def _as_table(table: pa.Table, schema: pa.Schema) -> pa.Table:
    present = {*table.column_names}
    columns = [
        table[field.name] if field.name in present else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def empty_item(report: Report) -> Any:
    """Returns an item without a row, from which dlt makes the table of a report."""
    return (
        arrow_schema(report, {}).empty_table()
        if report.arrow
        else dlt.mark.materialize_table_schema()
    )


def table_without_rows(report: Report, hints: dict[str, Any]) -> Any:
    """Returns an item without a row, from which dlt makes a table, in a file of which the destination takes an empty one."""
    with suppress(ContextDefaultCannotBeCreated):
        # Postgres fails at Parquet
        if (
            Container()[DestinationCapabilitiesContext].preferred_loader_file_format
            == INSERT_VALUES
        ):
            own = {
                **hints,
                "file_format": INSERT_VALUES,
                "additional_table_hints": table_hints(report),
            }
            own["table_name"] = own.pop("name")
            return dlt.mark.with_hints(
                empty_item(report), dlt.mark.make_hints(**own), create_table_variant=True
            )
    return empty_item(report)


def has_table(report: Report) -> bool:
    """Returns whether dlt has made the table of a report in the destination."""
    return has_seen_rows(_current_tables().get(report.name) or {})


def _current_tables() -> Any:
    try:
        return dlt.current.source_schema().tables
    except CurrentSourceSchemaNotAvailable:
        return {}


def _kinds(table: Any) -> Mapping[str, Kind]:
    types = (
        {name: column.get("data_type") or "" for name, column in table["columns"].items()}
        if table
        else {}
    )
    return {
        name: KIND_OF_TYPE[kind]
        for name, kind in types.items()
        if kind in KIND_OF_TYPE and not name.startswith(OF_DLT)
    }


def known_kinds(table: str) -> Mapping[str, Kind]:
    """Returns the columns that a table has from earlier runs, as far as their kind is one of ours."""
    return _kinds(_current_tables().get(table))


def kinds_for_threads() -> Callable[[str], Mapping[str, Kind]]:
    """Returns `known_kinds` for other threads, in which dlt has no schema."""
    return kinds_in(_current_tables())


def kinds_in(tables: Mapping[str, Any]) -> Callable[[str], Mapping[str, Kind]]:
    """Returns `known_kinds` for the tables of a schema, where no extract is under way."""
    return lambda table: _kinds(tables.get(table))


def known_arrow_schema(report: Report) -> pa.Schema:
    """Returns the Arrow schema of a flat report's table as earlier runs left it."""
    documented = {column.name for column in report.columns} | {DELETED_AT}
    return arrow_schema(
        report,
        {name: kind for name, kind in known_kinds(report.name).items() if name not in documented},
    )
