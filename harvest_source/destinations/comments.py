"""Sets the comments on tables and columns that say what they are, where the destination has comments.

Those that are there are asked for in one query, so that a run that finds them as they should be sends no statement.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from typing import Any

import dlt
from dlt.common.destination.exceptions import DestinationException
from dlt.destinations.sql_client import SqlClientBase

from harvest_source.destinations import of
from harvest_source.destinations.statements import comment_on, execute_all, stored_name
from harvest_source.errors import first_line

Place = tuple[str, str]
"""A table and a column of it."""

Comments = dict[Place, str]
OF_TABLE = ""  # instead of a column: the table itself


def set_comments(pipeline: dlt.Pipeline, wanted: Comments) -> list[str]:
    """Sets the comments that are missing or differ, on tables and columns that are there; all others are left alone.

    Args:
        pipeline: of a run, with the tables in place.
        wanted: what each table and column is.

    Returns:
        what the summary says: why comments are not set. The tables are right all the same.
    """
    query = of(pipeline).comments
    if not query:
        return []
    refused = {}
    with pipeline.sql_client() as client:
        found = client.execute_sql(query, stored_name(client)) or ()
        there = {(table, column): comment for table, column, comment in found}
        differing = sorted(
            place for place, text in wanted.items() if there.get(place, text) != text
        )
        for table, places in groupby(differing, key=itemgetter(0)):
            try:
                execute_all(client, *_statements(client, places, wanted))
            except DestinationException as error:
                refused[table] = first_line(error)
    if not refused:
        return []
    return [
        f"comments not set, since the database refuses ({next(iter(refused.values()))}): {', '.join(refused)}"
    ]


def _statements(client: SqlClientBase[Any], places: Iterable[Place], wanted: Comments) -> list[str]:
    statements = []
    for place in places:
        table, column = place
        name = client.make_qualified_table_name(table)
        what = f"column {name}.{client.escape_column_name(column)}" if column else f"table {name}"
        statements.append(comment_on(what, wanted[place]))
    return statements
