"""Reads the destination by plain SQL through dlt: nothing here is tied to one database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Self

import dlt
from dlt.common.destination.dataset import DBApiCursor
from dlt.common.destination.exceptions import DestinationUndefinedEntity, SqlClientNotAvailable
from dlt.common.schema import Schema
from dlt.destinations.sql_client import SqlClientBase

from harvest_source.catalogue.hints import DELETED_AT
from harvest_source.catalogue.reports import Report, parent_id_column
from harvest_source.destinations.declared import as_declared, column_names
from harvest_source.destinations.duckdb import Patience, is_one_file, opened
from harvest_source.errors import SettingError
from harvest_source.settings import SECTION

Row = dict[str, Any]


@dataclass(frozen=True)
class Scope:
    """Which rows of an account a question is about."""

    condition: str = ""  # in SQL, with %s for each of `values`
    values: tuple[Any, ...] = ()
    live: bool = True  # only rows that are not marked as gone


EVERYTHING = Scope()
MARKED = Scope(f"{DELETED_AT} is not null", live=False)
KEYS_PER_QUERY = 2000  # as many as a batch of rows: on BigQuery each query reads the whole table
DOUBLED = datetime.min.replace(tzinfo=UTC)  # the change time of a key that stands twice
SMALLER_THAN_ANY = "0.0000005"  # than any amount: SQLite adds up in binary floating point
COMPLETED = 0  # dlt's status of a load in _dlt_loads


def without_dlt(row: Row) -> Row:
    """Returns a row without dlt's own columns."""
    return {name: value for name, value in row.items() if not name.startswith("_dlt")}


def _known_tables(schema: Schema | None) -> set[str]:
    """Returns the tables that a pipeline made."""
    return {table["name"] or "" for table in schema.data_tables()} if schema else set()


class Warehouse:
    """The tables of one pipeline's dataset, read within a `with`."""

    def __init__(
        self,
        pipeline: dlt.Pipeline,
        counted: Iterable[str] = (),
        patience: Patience | None = None,
        *,
        lets_go: bool = False,
    ) -> None:
        """Opens nothing yet.

        Args:
            pipeline: whose destination is read.
            counted: tables that are counted together, at the first question: a server takes its time for each query, however
                little it reads.
            patience: with a DuckDB file that another program has open.
            lets_go: has a DuckDB file open for the length of a question only, since Harvest is waited for between two of them.

        Raises:
            SettingError: the destination cannot be read back.
        """
        try:
            self._client: SqlClientBase[Any] = pipeline.sql_client()
        except (SqlClientNotAvailable, NotImplementedError) as error:
            raise SettingError(
                f"dlt cannot read destination {pipeline.destination and pipeline.destination.destination_name} back, so nothing "
                "could be compared with Harvest: choose another, or load it with plain dlt (README, As a library)"
            ) from error
        self._patience = patience
        self._per_question = lets_go and is_one_file(pipeline)
        self._open_for_all = ExitStack()
        self._missing: set[str] = set()
        self._schema = pipeline.schemas.get(pipeline.default_schema_name or SECTION)
        self._known = _known_tables(self._schema)
        self._counted = set(counted) & self._known
        self._counts: dict[tuple[str, int], tuple[int, int]] | None = None  # rows there at Harvest, rows marked as gone

    def __enter__(self) -> Self:
        if not self._per_question:
            self._open_for_all.enter_context(opened(self._client, self._patience))
        return self

    def __exit__(self, *_: object) -> None:
        self._open_for_all.close()

    def _connected(self) -> AbstractContextManager[None]:
        """Has the client connected for the length of a question."""
        return opened(self._client, self._patience) if self._per_question else nullcontext()

    def columns(self, table: str) -> set[str]:
        """Returns the columns of a table that are dlt's and the product's; a user may have added others."""
        found = self._schema.tables.get(table) if self._schema else None
        return set(found["columns"]) if found else set()

    def stored_columns(self, table: str, names: Collection[str]) -> list[str]:
        """Returns those of the named columns that hold values, as the database writes them: not those that it computes."""
        if self._client.capabilities.sqlglot_dialect == "bigquery":  # minds no case and computes no columns
            return sorted(names)
        query = "select column_name from information_schema.columns where table_schema = %s and table_name = %s"
        found = self._asked(f"{query} and is_generated <> 'ALWAYS'", (self._client.dataset_name, table))
        return sorted(row["column_name"] for row in found if row["column_name"].lower() in names)

    def copy_rows(
        self, table: str, copy: str, columns: Iterable[str], account_id: int, id_column: str | None, ids: Iterable[int]
    ) -> None:
        """Adds some columns of some rows of an account to a table that is made for them.

        Args:
            table: of which.
            copy: name of the other table.
            columns: to copy.
            account_id: whose rows.
            id_column: by which rows are chosen; `None` for all rows of the account.
            ids: of the rows.
        """
        names = ", ".join(self._client.escape_column_name(name) for name in columns)
        source, target = (self._client.make_qualified_table_name(name) for name in (table, copy))
        wanted = sorted(ids) or [0]
        with self._connected():
            self._client.execute_sql(f"create table if not exists {target} as select {names} from {source} where 1 = 0")
            for start in range(0, len(wanted), KEYS_PER_QUERY):
                listed = ", ".join(str(each) for each in wanted[start : start + KEYS_PER_QUERY])
                chosen = f" and {self._client.escape_column_name(id_column)} in ({listed})" if id_column else ""
                rows = f"select {names} from {source} where account_id = {int(account_id)}{chosen}"
                self._client.execute_sql(f"insert into {target} ({names}) {rows}")

    def put_back(self, table: str, copy: str, match: Iterable[str], columns: Iterable[str], *, only_empty: bool) -> None:
        """Writes copied values back and drops the copy; nothing happens where there is no copy.

        Args:
            table: to change.
            copy: name of the table with the values.
            match: columns that both have, by which rows are found.
            columns: to write.
            only_empty: whether values that are there stay.
        """
        target, source = (self._client.make_qualified_table_name(name) for name in (table, copy))
        escaped = self._client.escape_column_name
        found = " and ".join(f"t.{escaped(name)} = k.{escaped(name)}" for name in match)
        with self._connected(), suppress(DestinationUndefinedEntity):
            for name in map(escaped, columns):
                where = f"{found} and k.{name} is not null{f' and t.{name} is null' if only_empty else ''}"
                self._client.execute_sql(f"update {target} as t set {name} = k.{name} from {source} as k where {where}")
            self._client.execute_sql(f"drop table {source}")

    def count(self, table: str, account_id: int, scope: Scope = EVERYTHING) -> int | None:
        """Returns the number of rows of an account that are there at Harvest, `None` where the table does not exist."""
        if table not in self._known:
            return None  # without a question, of which a first load would ask one for each table
        counts = self._count_together() if table in self._counted and scope == EVERYTHING else None
        if counts is not None:
            return counts.get((table, account_id), (0, 0))[0]
        found = self._rows("select count(*) as n from {table} where {scope}", table, account_id, scope)
        return None if found is None else int(found[0]["n"])

    def has_marked(self, table: str, account_id: int) -> bool:
        """Returns whether rows of an account are marked as gone."""
        if table not in self._known:
            return False
        counts = self._count_together() if table in self._counted else None
        if counts is not None:
            return bool(counts.get((table, account_id), (0, 0))[1])
        found = self._rows("select count(*) as n from {table} where {scope}", table, account_id, MARKED)
        return bool(found and found[0]["n"])

    def _count_together(self) -> dict[tuple[str, int], tuple[int, int]] | None:
        """Returns the numbers of rows by table and account, `None` where one of the tables was taken away."""
        if self._counts is not None:
            return self._counts
        queries = [
            f"select '{name}' as name, account_id, count(*) as n, count({DELETED_AT}) as marked "
            f"from {self._client.make_qualified_table_name(name)} group by account_id"
            for name in sorted(self._counted)
        ]
        try:
            with self._connected():
                found = self._client.execute_sql(" union all ".join(queries)) or ()
        except DestinationUndefinedEntity:
            self._counted.clear()
            return None
        self._counts = {(name, int(account_id)): (int(n) - int(marked), int(marked)) for name, account_id, n, marked in found}
        return self._counts

    def count_elements(self, names: Collection[str]) -> Counter[tuple[str, int]] | None:
        """Returns the number of rows of the child tables of reports, by table and account; `None` where one was taken away.

        Rows without an account, whose column a hand took away, count for none.
        """
        queries = [
            f"select '{table}' as name, account_id, count(*) as n from {self._client.make_qualified_table_name(table)} "
            "where account_id is not null group by account_id"
            for table in sorted(self._known)
            if "__" in table and table.partition("__")[0] in names
        ]
        try:
            found = self._asked(" union all ".join(queries), ()) if queries else []
        except DestinationUndefinedEntity:
            return None
        return Counter({(row["name"], int(row["account_id"])): int(row["n"]) for row in found})

    def keys(self, report: Report, account_id: int, scope: Scope = EVERYTHING) -> set[tuple[Any, ...]]:
        """Returns the keys, beside the account, of the rows that are there at Harvest."""
        columns = ", ".join(report.key) or "account_id"
        found = self._rows(f"select {columns} from {{table}} where {{scope}}", report.name, account_id, scope)
        return {tuple(row[name] for name in report.key) for row in found or []}

    def versions(self, scopes: Mapping[tuple[int, str], Scope]) -> dict[tuple[int, str], dict[tuple[Any, ...], datetime | None]]:
        """Returns id, as a key, and `updated_at` of the rows that are there at Harvest, of several lists with one query.

        A key that stands twice has a time that no row of Harvest's has.

        Args:
            scopes: account and table: which of its rows.
        """
        found: dict[tuple[int, str], dict[tuple[Any, ...], datetime | None]] = {where: {} for where in scopes}
        known = {where: scope for where, scope in scopes.items() if where[1] in self._known - self._missing}
        query = "select '{name}' as report, account_id, id, updated_at from {{table}} where {{scope}}"
        texts = [self._text(query.format(name=name), name, account_id, scope) for (account_id, name), scope in known.items()]
        values = [value for scope in known.values() for value in scope.values]
        try:
            rows = self._asked(" union all ".join(texts), values, next(iter(known))[1]) if texts else []
        except DestinationUndefinedEntity:
            each = (self._rows(query.format(name=name), name, account_id, scope) for (account_id, name), scope in known.items())
            rows = [row for some in each for row in some or ()]
        for row in rows:
            versions, key = found[row["account_id"], row["report"]], (row["id"],)
            versions[key] = DOUBLED if key in versions else row["updated_at"]
        return found

    def sum(self, table: str, column: str, instead: str, account_id: int, scope: Scope) -> Decimal:
        """Returns the sum of a column, or of another one's value where a row has none; 0 where there is no row."""
        query = f"select sum(coalesce({column}, {instead})) as {column} from {{table}} where {{scope}}"
        found = self._rows(query, table, account_id, scope)
        return Decimal(found[0][column] or 0) if found else Decimal(0)

    def count_by(self, table: str, column: str, account_id: int, scope: Scope = EVERYTHING) -> Counter[Any]:
        """Returns how many rows stand under each value of a column; under `None` those without a value."""
        query = f"select {column}, count(*) as n from {{table}} where {{scope}} group by {column}"
        return Counter({row[column]: int(row["n"]) for row in self._rows(query, table, account_id, scope) or []})

    def rows_by_id(self, table: str, account_id: int, id_column: str, ids: Iterable[int]) -> list[Row]:
        """Returns whole rows of an account whose `id_column` is one of `ids`; none where the table does not exist."""
        found: list[Row] = []
        wanted = sorted({int(each) for each in ids})
        for start in range(0, len(wanted), KEYS_PER_QUERY):
            listed = ", ".join(str(each) for each in wanted[start : start + KEYS_PER_QUERY])
            column = self._client.escape_column_name(id_column)
            scope = Scope(f"{column} in ({listed})", live=False)
            found += self._rows("select * from {table} where {scope}", table, account_id, scope) or []
        return found

    def all_rows(self, table: str, account_id: int) -> list[Row]:
        """Returns all rows of an account; none where the table does not exist."""
        return self._rows("select * from {table} where {scope}", table, account_id, Scope(live=False)) or []

    def has_unfinished_load(self, table: str) -> bool:
        """Returns whether a table has rows of a load that was never completed."""
        loads = self._client.make_qualified_table_name("_dlt_loads")
        query = f"""
            select count(*) as n from {{table}}
            where _dlt_load_id not in (select load_id from {loads} where status = {COMPLETED})"""
        found = self._rows(query, table, 0, EVERYTHING)
        return bool(found and found[0]["n"])

    def has_state(self, version_hash: str) -> bool:
        """Returns whether a completed load brought this version of dlt's state."""
        states, loads = map(self._client.make_qualified_table_name, ("_dlt_pipeline_state", "_dlt_loads"))
        query = f"""
            select count(*) from {states}
            where version_hash = %s and _dlt_load_id in (select load_id from {loads} where status = {COMPLETED})"""
        ((n,),) = self._client.execute_sql(query, version_hash) or [(0,)]
        return bool(n)

    def iter_rows(self, table: str, batch_rows: int) -> Iterator[list[Row]]:
        """Yields all rows of all accounts in batches; none where the table does not exist."""
        query = f"select * from {self._client.make_qualified_table_name(table)}"
        with suppress(DestinationUndefinedEntity), self._connected(), self._client.execute_query(query) as cursor:
            while batch := cursor.fetchmany(batch_rows):
                yield self._as_rows(table, cursor, batch)

    def unmatched_invoices(self, account_id: int) -> list[int]:
        """Returns invoices of which amount less due_amount is not the sum of their payments: a payment may be missing.

        A closed invoice is written off: nothing is due, whatever was paid.
        """
        payments = self._client.make_qualified_table_name("invoice_payments")
        query = f"""
            select i.id as id from {{table}} i left join (
                select invoice_id, sum(amount) as paid from {payments}
                where account_id = {int(account_id)} and {DELETED_AT} is null group by invoice_id
            ) p on p.invoice_id = i.id
            where i.account_id = {int(account_id)} and i.{DELETED_AT} is null and i.state <> 'closed'
                and abs(coalesce(i.amount, 0) - coalesce(i.due_amount, 0) - coalesce(p.paid, 0)) > {SMALLER_THAN_ANY}
            order by i.id"""
        return [int(row["id"]) for row in self._rows(query, "invoices", account_id, EVERYTHING) or []]

    def doubled_children(self, reports: Iterable[Report]) -> dict[tuple[int, str], list[int]]:
        """Returns the parents of children whose key stands twice, by account and table, with one query."""
        columns = {each.name: each.parent.column for each in reports if each.parent and each.name in self._known - self._missing}
        queries = [
            f"select '{name}' as report, account_id, {column} as parent_id from {self._client.make_qualified_table_name(name)} "
            f"where {DELETED_AT} is null group by account_id, {column}, id having count(*) > 1"
            for name, column in columns.items()
        ]
        found: dict[tuple[int, str], set[int]] = {}
        with suppress(DestinationUndefinedEntity):
            for row in self._asked(" union all ".join(queries), ()) if queries else ():
                found.setdefault((row["account_id"], row["report"]), set()).add(row["parent_id"])
        return {where: sorted(ids) for where, ids in found.items()}

    def every_row(self, table: str) -> list[Row]:
        """Returns all rows of all accounts; none where the table does not exist."""
        return self._rows("select * from {table}", table, 0, EVERYTHING) or []

    def lists_of(
        self, report: Report, names: Iterable[str], account_id: int, ids: Iterable[int | None]
    ) -> dict[str, dict[int | None, list[Row]]]:
        """Returns the list elements of rows: name of the list -> id of the row -> elements in their order.

        The only row of a report without a key has the id `None`.
        """
        column, wanted = parent_id_column(report), [each for each in ids if each is not None]
        found: dict[str, dict[int | None, list[Row]]] = {}
        for name in names:
            table = f"{report.name}__{name}"
            elements = self.rows_by_id(table, account_id, column, wanted) if report.key else self.all_rows(table, account_id)
            lists = found.setdefault(name, {})
            for row in sorted(elements, key=lambda row: row["_dlt_list_idx"]):
                lists.setdefault(row[column], []).append(row)
        return found

    def _as_rows(self, table: str, cursor: DBApiCursor, fetched: Iterable[tuple[Any, ...]]) -> list[Row]:
        """Returns rows of a result, their values in the types that a table's columns of the same names declare."""
        columns = self._schema.tables.get(table, {}).get("columns", {}) if self._schema else {}
        names = [name.lower() for name in column_names(cursor)]
        types = [columns.get(name, {}).get("data_type") for name in names]
        return [dict(zip(names, map(as_declared, values, types), strict=True)) for values in fetched]

    def _rows(self, query: str, table: str, account_id: int, scope: Scope) -> list[Row] | None:
        if table in self._missing:
            return None
        try:
            return self._asked(self._text(query, table, account_id, scope), scope.values, table)
        except DestinationUndefinedEntity:
            self._missing.add(table)
            return None

    def _text(self, query: str, table: str, account_id: int, scope: Scope) -> str:
        """Returns a query of one table and account."""
        conditions = [f"account_id = {int(account_id)}", *([f"{DELETED_AT} is null"] if scope.live else [])]
        conditions += [scope.condition] if scope.condition else []
        return query.format(table=self._client.make_qualified_table_name(table), scope=" and ".join(conditions))

    def _asked(self, text: str, values: Iterable[Any], table: str = "") -> list[Row]:
        with self._connected(), self._client.execute_query(text, *values) as cursor:
            return self._as_rows(table, cursor, cursor.fetchall())
