"""Statements that several things made beside the tables have in common."""

from __future__ import annotations

from typing import Any

from dlt.destinations.sql_client import SqlClientBase


def stored_name(client: SqlClientBase[Any]) -> str:
    """Returns the name of a client's dataset as the database's own tables have it: Postgres is told it in small letters."""
    return client.fully_qualified_dataset_name(quote=False)


def comment_on(what: str, text: str) -> str:
    """Returns the statement that sets a comment.

    Args:
        what: kind and name of what is commented on, as a statement has them.
        text: of the comment.
    """
    literal = text.replace("'", "''")
    return f"comment on {what} is '{literal}'"


def execute_all(client: SqlClientBase[Any], *statements: str) -> None:
    """Has the database do all statements or none, and sends them together."""
    with client.begin_transaction():
        client.execute_many(statements)
