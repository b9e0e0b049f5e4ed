"""Reads the destination by plain SQL through dlt: nothing here is tied to one database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import dlt
from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.destinations.sql_client import SqlClientBase

from harvest_source.reports.catalogue import Report, parent_id_column

Row = dict[str, Any]
KEYS_PER_QUERY = 1000


class Warehouse:
    """The tables of one pipeline's dataset, open for reading."""

    def __init__(self, client: SqlClientBase[Any]) -> None:
        self._client = client
        self._missing: set[str] = set()

    def count(self, table: str, account_id: int, where: str = "") -> int | None:
        """Returns the number of rows of an account, `None` where the table does not exist."""
        rows = self._rows(f"select count(*) as n from {{table}} where account_id = {int(account_id)} {where}", table)
        return None if rows is None else int(rows[0]["n"])

    def rows_by_id(self, table: str, account_id: int, id_column: str, ids: Iterable[int], order: str = "") -> list[Row]:
        """Returns whole rows of an account whose `id_column` is one of `ids`; none where the table does not exist."""
        found: list[Row] = []
        wanted = sorted({int(each) for each in ids})
        for start in range(0, len(wanted), KEYS_PER_QUERY):
            listed = ", ".join(str(each) for each in wanted[start : start + KEYS_PER_QUERY])
            column = self._client.escape_column_name(id_column)
            query = f"select * from {{table}} where account_id = {int(account_id)} and {column} in ({listed}) {order}"
            found += self._rows(query, table) or []
        return found

    def all_rows(self, table: str, account_id: int) -> list[Row]:
        """Returns all rows of an account; none where the table does not exist."""
        return self._rows(f"select * from {{table}} where account_id = {int(account_id)}", table) or []

    def every_row(self, table: str) -> list[Row]:
        """Returns all rows of all accounts; none where the table does not exist."""
        return self._rows("select * from {table}", table) or []

    def lists_of(
        self, report: Report, names: Iterable[str], account_id: int, ids: Iterable[int]
    ) -> dict[str, dict[int, list[Row]]]:
        """Returns the list elements of rows: name of the list -> id of the row -> elements in their order."""
        column, ids = parent_id_column(report), list(ids)
        found: dict[str, dict[int, list[Row]]] = {}
        for name in names:
            table = f"{report.name}__{name}"
            order = "order by " + self._client.escape_column_name("_dlt_list_idx")
            for row in self.rows_by_id(table, account_id, column, ids, order):
                found.setdefault(name, {}).setdefault(row[column], []).append(row)
        return found

    def _rows(self, query: str, table: str) -> list[Row] | None:
        if table in self._missing:
            return None
        text = query.format(table=self._client.make_qualified_table_name(table))
        try:
            with self._client.execute_query(text) as cursor:
                names = [column[0].lower() for column in cursor.description]
                return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
        except DatabaseUndefinedRelation:
            self._missing.add(table)
            return None


@contextmanager
def open_warehouse(pipeline: dlt.Pipeline) -> Iterator[Warehouse]:
    """Opens the destination for reading, for as short as possible: DuckDB files take one writer."""
    with pipeline.sql_client() as client:
        yield Warehouse(client)
