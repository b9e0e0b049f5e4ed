"""The command `show`: a figure or a query's rows as a table, CSV or JSON, or as CSV for a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from functools import partial
from typing import Any

import dlt
from dlt.common.destination.exceptions import DestinationException, DestinationUndefinedEntity

from harvest_source.commands.beginning import settings_of_command
from harvest_source.commands.output import (
    fits,
    hide_secrets,
    message,
    print_blocks,
    print_csv,
    print_json,
    print_table,
)
from harvest_source.commands.queries import check_reads_only, forbid_writing
from harvest_source.commands.reading import reading
from harvest_source.commands.spreadsheet import print_spreadsheet
from harvest_source.commands.workplace import Workplace
from harvest_source.destinations.clients import client_to_ask
from harvest_source.destinations.duckdb import user_of_file
from harvest_source.destinations.present import tables_there
from harvest_source.destinations.read_back import column_names
from harvest_source.errors import SettingError, first_line
from harvest_source.figures.figure import Figure
from harvest_source.figures.figures import BY_NAME, FIGURES
from harvest_source.figures.sql import select_of, tables_needed, tables_of

NOTHING_LOADED = "nothing is loaded yet: run the pipeline first"
DECIMALS = 2  # of a figure's numbers in a table

Answer = tuple[list[str], list[list[Any]]]
"""The columns and rows of a figure or query."""


def query(place: Workplace, *asked: str | Figure) -> Iterator[Answer]:
    """Yields the columns and rows of each query or figure; in a query, tables stand without their dataset.

    Raises:
        SettingError: it does not only read, nothing is loaded yet, or the destination does not understand the query.
    """
    with reading(place) as pipeline:
        if pipeline is None:
            raise SettingError(NOTHING_LOADED)
        for each in asked:
            yield answer(pipeline, each)


def answer(pipeline: dlt.Pipeline, asked: str | Figure) -> Answer:
    """Returns the columns and rows of a query or figure. Raises as `query`; where a table is not there, from dlt's error."""
    dialect = client_to_ask(pipeline).capabilities.sqlglot_dialect
    try:
        with pipeline.sql_client() as client:
            if isinstance(asked, Figure):
                needed = {*tables_needed(asked.name)}
                optional = tables_there(client, {*tables_of(asked.name)} - needed)
                name_of = client.make_qualified_table_name
                sql = select_of(asked.name, name_of, dialect, there=needed | optional)
            else:
                sql = asked
                check_reads_only(sql, dialect)
            forbid_writing(pipeline, client)
            with client.execute_query(sql) as cursor:
                columns = column_names(cursor)
                rows = cursor.fetchall() if columns else []
        if isinstance(asked, Figure):
            rows = sorted(rows, key=partial(_place, [columns.index(name) for name in asked.key]))
    except DestinationException as error:
        if user_of_file(error):
            raise
        hint = _hint(asked, error) if pipeline.state.get("sources") else f"; {NOTHING_LOADED}"
        raise SettingError(f"{{}}{hint}", quoted=(first_line(error),)) from error
    return columns, hide_secrets(columns, rows)


def _place(key: list[int], row: Sequence[Any]) -> list[tuple[bool, Any]]:
    """Returns by what a row of a figure is sorted: its key, in which what is null comes first."""
    return [(row[each] is not None, row[each] or 0) for each in key]


def _hint(asked: str | Figure, error: DestinationException) -> str:
    """Returns what a person should know beside the database's own words."""
    if isinstance(asked, Figure) and isinstance(error, DestinationUndefinedEntity):
        return f"; {asked.name} needs these tables: {', '.join(tables_needed(asked.name))}"
    return ""


def show(
    place: Workplace, asked: str | None, *, as_csv: bool, as_spreadsheet: bool, as_json: bool
) -> int:
    """Prints the rows of a figure or query; what the figures are, where neither is asked for.

    Raises:
        SettingError: as `query`, a figure is not known, or more than one form is asked for.
    """
    if as_csv + as_spreadsheet + as_json > 1:
        raise SettingError(
            "--csv, --spreadsheet and --json are three forms of the same rows: give one of them"
        )
    figure = BY_NAME.get(asked.strip()) if asked else None
    if asked is None:
        columns, rows = ["figure", "question"], [[each.name, each.question] for each in FIGURES]
    else:
        ((columns, rows),) = query(place, figure or _query_of(asked))
    note = _beginning(place, figure) if figure and figure.counts_to_date else None
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    elif as_csv:
        print_csv(columns, rows)
    elif as_spreadsheet:
        print_spreadsheet(columns, rows)
    else:
        decimals = DECIMALS if figure else None
        printing = print_table if fits(columns, rows, decimals) else print_blocks
        printing(columns, rows, decimals=decimals)
    if note:
        message(note)
    return 0


def _query_of(asked: str) -> str:
    """Returns what is asked for; raises `SettingError` where it is one word, and much like the name of a figure."""
    near = get_close_matches(asked.strip(), BY_NAME, 1) if len(asked.split()) == 1 else []
    if near:
        raise SettingError(f"there is no figure {{}}; did you mean {near[0]}?", quoted=(asked,))
    return asked


def _beginning(place: Workplace, figure: Figure) -> str | None:
    """Returns a line that says where rows are missing that a figure counts; raises `SettingError` where a setting is wrong."""
    begins_at = None if place.demo or place.quiet else settings_of_command().begins_at
    if not begins_at:
        return None
    return f"{figure.name} counts all that ever was, and the tables begin at {begins_at:%Y-%m-%d} (start_date): it is too small"
