"""What dlt is told about each table: columns, types, keys and how it is written."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import cache
from typing import Any

import dlt
from dlt.common.schema import Schema
from dlt.common.schema.typing import TColumnSchema, TTableReference
from dlt.destinations.impl.bigquery.bigquery_adapter import (
    PartitionTransformation,
    bigquery_adapter,
)
from dlt.extract import DltResource

from harvest_source.catalogue.columns.types import Column, Kind
from harvest_source.catalogue.report import Report
from harvest_source.catalogue.tables import Table, tables_of
from harvest_source.dlt_corners import LIST_INDEX, LOAD_ID, PARENT_ID, ROOT_ID, ROW_ID

DELETED_AT = "deleted_at"
PRECISION, SCALE = 20, 6

DLT_TYPES: dict[Kind, TColumnSchema] = {
    Kind.ID: {"data_type": "bigint"},
    Kind.DECIMAL: {"data_type": "decimal", "precision": PRECISION, "scale": SCALE},
    Kind.TEXT: {"data_type": "text"},
    Kind.BOOL: {"data_type": "bool"},
    Kind.DATE: {"data_type": "date"},
    Kind.TIMESTAMP: {"data_type": "timestamp", "timezone": True, "precision": 6},
}
KIND_OF_TYPE: dict[str, Kind] = {
    "bigint": Kind.ID,
    "decimal": Kind.DECIMAL,
    "double": Kind.DECIMAL,
    "text": Kind.TEXT,
    "bool": Kind.BOOL,
    "date": Kind.DATE,
    "timestamp": Kind.TIMESTAMP,
}
# a key comes once in a load, since readings drop what came twice: dlt need not look for it
MERGE: dict[str, Any] = {"disposition": "merge", "strategy": "delete-insert", "deduplicated": True}
MERGE_TOGETHER: dict[str, Any] = {"disposition": "merge", "strategy": "delete-insert"}

# by month: a job on BigQuery may write to 4,000 partitions at most, and twelve years have more days
PARTITIONS: dict[Kind, str] = {
    Kind.DATE: "DATE_TRUNC({column_name}, MONTH)",
    Kind.TIMESTAMP: "TIMESTAMP_TRUNC({column_name}, MONTH)",
}
UPDATED_AT, CLIENT_ID = "updated_at", "client__id"

_DLT_COLUMNS: dict[str, TColumnSchema] = {
    LOAD_ID: {"data_type": "text", "nullable": False},
    ROW_ID: {"data_type": "text", "nullable": False, "unique": True, "row_key": True},
    ROOT_ID: {"data_type": "text", "nullable": False, "root_key": True},
    PARENT_ID: {"data_type": "text", "nullable": False, "parent_key": True},
    LIST_INDEX: {"data_type": "bigint", "nullable": False},
}


def deleted_at_column(*, keep: bool) -> TColumnSchema:
    """Returns the column that marks a row gone at Harvest; where rows are not kept, the mark removes the row."""
    column = DLT_TYPES[Kind.TIMESTAMP] | {
        "description": "When the row was noticed to be gone at Harvest; null while it is there."
    }
    return column | {"hard_delete": not keep}


def columns_of(fields: Iterable[Column], key: tuple[str, ...]) -> dict[str, TColumnSchema]:
    """Returns dlt's description of the given columns; those of the key hold no nulls."""
    return {
        column.name: {
            **DLT_TYPES[column.kind],
            "description": column.description,
            "nullable": column.name not in key,
        }
        for column in fields
    }


Added = dict[str, dict[str, Kind]]
"""Columns that nobody documented: list ("" for the rows themselves): column: kind."""


def added_hints(added: Added) -> Any:
    """Returns dlt's description of columns that nobody documented."""
    columns = {
        place: {name: {**DLT_TYPES[kind]} for name, kind in kinds.items()}
        for place, kinds in added.items()
    }
    nested: dict[str | Sequence[str], Any] = {
        place: dlt.mark.make_nested_hints(columns=each)
        for place, each in columns.items()
        if place and each
    }
    # none at all would take all away
    return dlt.mark.make_hints(columns=columns.get("") or None, nested_hints=nested or None)


def dlt_columns(*, of_list: bool) -> dict[str, TColumnSchema]:
    """Returns the columns that dlt adds to a table of dicts, or to that of a list in it, as it describes them itself."""
    names = (ROOT_ID, PARENT_ID, LIST_INDEX, ROW_ID) if of_list else (LOAD_ID, ROW_ID)
    return {name: {"name": name, **_DLT_COLUMNS[name]} for name in names}


def references_of(table: Table, among: Collection[str] | None) -> list[TTableReference]:
    """Returns what dlt is told of the rows that a table refers to.

    dlt knows one reference of a table to another, and keeps the last one that it is told: it is told the first. What it draws in
    DBML and DOT takes the first column of each, so the account comes second.

    Args:
        table: that refers.
        among: the tables that may be referred to, since dlt draws no schema where one is missing; `None`: all.
    """
    found: dict[str, TTableReference] = {}
    for each in table.references:
        if among is None or each.to in among:
            reference: TTableReference = {
                "referenced_table": each.to,
                "columns": [each.column, "account_id"],
                "referenced_columns": ["id", "account_id"],
                "cardinality": "one_to_one" if each.is_key else "many_to_one",
            }
            found.setdefault(each.to, reference)
    return list(found.values())


def resource_hints(
    report: Report, *, keep_deleted: bool, merges: bool, among: Collection[str] | None = None
) -> dict[str, Any]:
    """Returns the arguments with which a report's resource is made.

    Args:
        report: of the catalogue.
        keep_deleted: rows gone at Harvest stay and are marked, instead of being removed.
        merges: whether rows take the place of those with the same key; else they are added.
        among: the tables that it may refer to; `None`: all.
    """
    own, *lists = tables_of(report)
    hints: dict[str, Any] = {
        "name": report.name,
        "references": references_of(own, among),
        "file_format": "parquet",
    }
    if report.spans:  # its rows have no key that holds no nulls: they are replaced together
        return hints | {
            "merge_key": report.replaced_by,
            "write_disposition": MERGE_TOGETHER if merges else "append",
            "columns": columns_of(report.columns, report.replaced_by),
        }
    hints |= {
        "primary_key": report.whole_key,
        "write_disposition": MERGE if merges else "append",
        "columns": columns_of(report.columns, report.whole_key)
        # dlt warns of a mark that removes rows where none are merged
        | {DELETED_AT: deleted_at_column(keep=keep_deleted or not merges)},
    }
    if lists:
        hints["nested_hints"] = {
            nested.name: nested_hints(table, among)
            for nested, table in zip(report.lists, lists, strict=True)
        }
    return hints


def table_hints(report: Report) -> dict[str, Any]:
    """Returns how BigQuery lays out a report's table, and what it shows as its description; other destinations pass it by."""
    key = report.replaced_by if report.spans else report.whole_key
    return _layout(report.columns, report.date_column or UPDATED_AT, key, report.row)


def described(resource: DltResource, report: Report) -> DltResource:
    """Returns a resource with what dlt is told of its table beside the columns."""
    with_hints: DltResource = resource.apply_hints(additional_table_hints=table_hints(report))
    return with_hints


def _layout(
    columns: Iterable[Column], date_column: str, key: tuple[str, ...], description: str
) -> dict[str, Any]:
    """Returns partition, clusters and description of a table: by account and client, or by its key."""
    kinds = {column.name: column.kind for column in columns}
    clusters = ("account_id", CLIENT_ID) if CLIENT_ID in kinds else key
    return dict(
        _adapted(
            clusters, date_column, PARTITIONS.get(kinds.get(date_column, Kind.ID)), description
        )
    )


@cache  # each takes a millisecond, and each load asks for those of all tables
def _adapted(
    clusters: tuple[str, ...], date_column: str, partition: str | None, description: str
) -> dict[str, Any]:
    """Returns the hints of dlt's own adapter for BigQuery, which takes a resource, and no table of a list within one."""
    bare, adapted = dlt.resource([], name="any"), dlt.resource([], name="any")
    by_month: Any = PartitionTransformation(partition, date_column) if partition else None
    bigquery_adapter(
        adapted, partition=by_month, cluster=list(clusters), table_description=description
    )
    known = bare.compute_table_schema()
    return {
        name: hint for name, hint in adapted.compute_table_schema().items() if name not in known
    }


def list_tables(report: Report, schema: Schema) -> list[str]:
    """Returns the tables of a report's lists that a schema has, those of lists that nobody documented too."""
    return [name for name, table in schema.tables.items() if table.get("parent") == report.name]


def nested_hints(table: Table, among: Collection[str] | None) -> Any:
    """Returns dlt's description of the table of a list: its columns, and what they refer to as in `references_of`."""
    account_id, parent_id, *_ = (column.name for column in table.columns)
    return dlt.mark.make_hints(
        columns=columns_of(table.columns, ()),
        references=references_of(table, among),
        additional_table_hints=_layout(
            table.columns, UPDATED_AT, (account_id, parent_id), table.description
        ),
    )
