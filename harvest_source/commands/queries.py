"""Sees to it that a statement which a person typed only reads."""

from __future__ import annotations

import logging
from typing import Any

import dlt
import sqlglot
from dlt.destinations.sql_client import SqlClientBase
from sqlglot import exp
from sqlglot.errors import SqlglotError

from harvest_source.destinations import of
from harvest_source.destinations.duckdb import LOCKED, reads_for
from harvest_source.errors import SettingError, first_line

READS = (exp.Query, exp.Values, exp.Pivot, exp.Describe, exp.Summarize, exp.Show)
WRITES = (exp.DML, exp.Into)  # also within a query: `with gone as (delete …)`, `select … into`

# it warns of what it cannot take apart, which is refused here
logging.getLogger("sqlglot").setLevel(logging.ERROR)


def check_reads_only(sql: str, dialect: str | None) -> None:
    """Refuses everything but one query.

    Args:
        sql: what a person typed.
        dialect: of the destination, in sqlglot's words.

    Raises:
        SettingError: it is no query, more than one statement, or one that writes as well.
    """
    try:
        statements = [each for each in sqlglot.parse(sql, dialect=dialect) if each is not None]
    except SqlglotError as error:
        raise SettingError(
            "show takes a figure or one query, and this cannot be understood: {}",
            quoted=(first_line(error),),
        ) from error
    if len(statements) != 1:
        raise SettingError(f"show takes one query; these are {len(statements)} statements")
    if not isinstance(statements[0], READS) or statements[0].find(*WRITES):
        raise SettingError(
            'show only reads: it takes a figure, such as receivables, or a query, such as "select * from clients"'
        )


def forbid_writing(pipeline: dlt.Pipeline, client: SqlClientBase[Any]) -> None:
    """Has the database itself refuse to write on an open connection, where it can be told to.

    Functions that write are seen in no statement.
    """
    for statement in ((LOCKED,) if reads_for(pipeline) else ()) + of(pipeline).read_only:
        client.execute_sql(statement)
