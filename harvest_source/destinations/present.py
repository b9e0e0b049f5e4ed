"""Which of some tables a dataset has; also of those that a pipeline does not know, such as ones filled by hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlt.common.destination.exceptions import DestinationUndefinedEntity
from dlt.destinations.sql_client import SqlClientBase


def tables_there(client: SqlClientBase[Any], tables: Iterable[str]) -> set[str]:
    """Returns those of some tables that there are, with one question for each.

    Raises:
        DestinationException: the database cannot be asked.
    """
    return {table for table in tables if _is_there(client, table)}


def _is_there(client: SqlClientBase[Any], table: str) -> bool:
    try:
        client.execute_sql(f"select 1 from {client.make_qualified_table_name(table)} where 1 = 0")
    except DestinationUndefinedEntity:
        return False
    return True
