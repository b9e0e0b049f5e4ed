"""Gives Postgres the indexes that merges, comparisons and joins need; dlt makes none for the keys of merged tables."""

from __future__ import annotations

from collections.abc import Iterator

import dlt
from dlt.common.normalizers.naming import NamingConvention
from dlt.common.schema import Schema

from harvest_source.catalogue.hints import list_tables
from harvest_source.catalogue.lookup import by_name
from harvest_source.catalogue.report import Report, parent_id_column
from harvest_source.destinations.clients import client_to_ask
from harvest_source.destinations.statements import stored_name
from harvest_source.dlt_corners import ROOT_ID

DIALECT = "postgres"  # DuckDB, BigQuery and other column stores find rows without indexes
MOST_LETTERS = 63  # of a name
TABLES = "select tablename from pg_catalog.pg_tables where schemaname = %s"
INDEXES = "select indexname from pg_catalog.pg_indexes where schemaname = %s"


def add_indexes(pipeline: dlt.Pipeline, names: list[str]) -> None:
    """Makes the indexes that tables of the given reports still lack; nothing happens outside Postgres."""
    if not pipeline.default_schema_name:
        return  # before the first load there is no table
    if client_to_ask(pipeline).capabilities.sqlglot_dialect != DIALECT:
        return
    with pipeline.sql_client() as client:
        schema = stored_name(client)
        tables = {row[0] for row in client.execute_sql(TABLES, schema) or []}
        present = {row[0] for row in client.execute_sql(INDEXES, schema) or []}
        for report in map(by_name, names):
            for table, whole_name, columns in _wanted(report, pipeline.default_schema):
                # as dlt shortens the names of tables: Postgres would cut it, and not find it again
                name = NamingConvention.shorten_identifier(whole_name, whole_name, MOST_LETTERS)
                if table in tables and name not in present:
                    listed = ", ".join(map(client.escape_column_name, columns))
                    client.execute_sql(
                        f"create index {client.escape_column_name(name)} on {client.make_qualified_table_name(table)} ({listed})"
                    )


def _wanted(report: Report, schema: Schema) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yields table, name and columns of each index of a report."""
    yield report.name, f"{report.name}_by_key", report.whole_key
    if report.linked_by and report.linked_by not in report.key:
        yield report.name, f"{report.name}_by_parent", ("account_id", report.linked_by)
    if report.date_column:
        yield report.name, f"{report.name}_by_date", ("account_id", report.date_column)
    for name in list_tables(report, schema):
        yield name, f"{name}_by_parent", ("account_id", parent_id_column(report))
        yield (
            name,
            f"{name}_by_root",
            (ROOT_ID,),
        )  # by which dlt removes the list elements of rows that it replaces
