"""The command `show`: a query's rows as a table, CSV or JSON, or as CSV for a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dlt
from dlt.common.destination.exceptions import DestinationException

from harvest_source.commands.output import hide_secrets, print_csv, print_json, print_table
from harvest_source.commands.queries import check_reads_only, forbid_writing
from harvest_source.commands.reading import reading
from harvest_source.commands.spreadsheet import print_spreadsheet
from harvest_source.commands.workplace import Workplace
from harvest_source.destinations.clients import client_to_ask
from harvest_source.destinations.declared import column_names
from harvest_source.destinations.duckdb import user_of_file
from harvest_source.errors import SettingError, first_line

NOTHING_LOADED = "nothing is loaded yet: run the pipeline first"


Answer = tuple[list[str], list[list[Any]]]
"""The columns and rows of a query."""


def query(place: Workplace, *queries: str) -> Iterator[Answer]:
    """Yields the columns and rows of each query; tables stand in it without their dataset.

    Raises:
        SettingError: it does not only read, nothing is loaded yet, or the destination does not understand the query.
    """
    with reading(place) as pipeline:
        if pipeline is None:
            raise SettingError(NOTHING_LOADED)
        for sql in queries:
            yield _answer(pipeline, sql)


def _answer(pipeline: dlt.Pipeline, sql: str) -> Answer:
    check_reads_only(sql, client_to_ask(pipeline).capabilities.sqlglot_dialect)
    try:
        with pipeline.sql_client() as client:
            forbid_writing(pipeline, client)
            with client.execute_query(sql) as cursor:
                columns = column_names(cursor)
                rows = cursor.fetchall() if columns else []
    except DestinationException as error:
        if user_of_file(error):
            raise
        hint = "" if pipeline.state.get("sources") else f"; {NOTHING_LOADED}"
        raise SettingError(f"{{}}{hint}", quoted=(first_line(error),)) from error
    return columns, hide_secrets(columns, rows)


def show(place: Workplace, sql: str, *, as_csv: bool, as_spreadsheet: bool, as_json: bool) -> int:
    """Prints a query's rows.

    Raises:
        SettingError: as `query`, or more than one form is asked for.
    """
    if as_csv + as_spreadsheet + as_json > 1:
        raise SettingError(
            "--csv, --spreadsheet and --json are three forms of the same rows: give one of them"
        )
    ((columns, rows),) = query(place, sql)
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    elif as_csv:
        print_csv(columns, rows)
    elif as_spreadsheet:
        print_spreadsheet(columns, rows)
    else:
        print_table(columns, rows)
    return 0
