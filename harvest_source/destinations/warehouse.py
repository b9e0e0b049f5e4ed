"""Reads the destination by plain SQL through dlt: nothing here is tied to one database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NamedTuple, Self

import dlt
from dlt.common.destination.dataset import DBApiCursor
from dlt.common.destination.exceptions import (
    DestinationException,
    DestinationUndefinedEntity,
    SqlClientNotAvailable,
)
from dlt.destinations.sql_client import SqlClientBase

from harvest_source.about import page
from harvest_source.catalogue.hints import DELETED_AT
from harvest_source.catalogue.lookup import by_name
from harvest_source.catalogue.report import AccountReport, Report, Row, parent_id_column
from harvest_source.destinations import of
from harvest_source.destinations.duckdb import Opening, Patience, is_one_file
from harvest_source.destinations.read_back import as_declared, column_names
from harvest_source.destinations.scope import EVERY_ROW, LIVE, MARKED, Scope, sql_of
from harvest_source.destinations.sqlalchemy import has_concat
from harvest_source.destinations.statements import stored_name
from harvest_source.dlt_corners import (
    COMPLETED,
    LIST_INDEX,
    LOAD_ID,
    LOADS_TABLE,
    OF_DLT,
    PARENT_ID,
    ROOT_ID,
    ROW_ID,
    STATES_TABLE,
)
from harvest_source.errors import SettingError
from harvest_source.figures.sql import select_of
from harvest_source.settings import SECTION

LIBRARY_PAGE = "docs/library.md"

KEYS_PER_QUERY = 2000  # as many as a batch of rows: on BigQuery each query reads the whole table
IDS = ".id"  # behind a table's name: the sum of its ids
LARGEST = 2**53  # a number above is not the same to everybody who reads JSON
DOUBLED = datetime.min.replace(tzinfo=UTC)  # the change time of a key that stands twice
SMALLER_THAN_ANY = "0.0000005"  # than any amount: SQLite adds up in binary floating point


def without_dlt(row: Row) -> Row:
    """Returns a row without dlt's own columns."""
    return {name: value for name, value in row.items() if not name.startswith(OF_DLT)}


class Elements(NamedTuple):
    """What tables hold of which Harvest has no count: list elements, and rows of children."""

    # table: account: rows that are there at Harvest, or elements that are tied to a row; under `<table>.id` the sum of their ids
    numbers: Counter[tuple[str, int]]
    # tables and accounts with elements that are tied to no row, or with rows to which none can be tied
    loose: set[tuple[str, int | None]]


class Dates(NamedTuple):
    """The dates in a column."""

    earliest: date
    latest: date
    number: int


class _Question(NamedTuple):
    """A question of one table."""

    what: str
    table: str
    scope: Scope
    group_by: str = ""
    joined: str = ""  # what stands behind the table's name


def _counting(table: str, numbers: str, joined: str = "") -> _Question:
    what = f"'{table}' as name, account_id, {numbers}"
    return _Question(what, table, EVERY_ROW, "account_id", joined)


def _elements(rows: Iterable[Row]) -> Elements:
    """Returns what a query of `_counting` answers; rows without an account, whose column a hand took away, count for none."""
    found = Elements(Counter(), set())
    for row in rows:
        name, account_id = row["name"], row["account_id"]
        if row["loose"]:
            found.loose.add((name, account_id))
        for what, number in ((name, row["n"]), (f"{name}{IDS}", row["ids"])):
            if number and account_id is not None:
                found.numbers[what, account_id] = int(number) % LARGEST
    return found


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
            lets_go: opens a DuckDB file at the first question only, and again after each `let_go`.

        Raises:
            SettingError: the destination cannot be read back.
        """
        try:
            self._client: SqlClientBase[Any] = pipeline.sql_client()
        except (SqlClientNotAvailable, NotImplementedError) as error:
            raise SettingError(
                f"dlt cannot read destination {pipeline.destination and pipeline.destination.destination_name} back, so nothing "
                f"could be compared with Harvest: choose another, or load it with plain dlt ({{}})",
                quoted=(page(LIBRARY_PAGE),),
            ) from error
        lets_go = lets_go and is_one_file(pipeline)
        self._opening = Opening(self._client, patience, lets_go=lets_go)
        facts = of(pipeline)
        self.keeps_own_columns = facts.keeps_own_columns
        self._computes_columns = facts.computes_columns
        self._schema = pipeline.schemas.get(pipeline.default_schema_name or SECTION)
        tables = self._schema.data_tables() if self._schema else []
        # those that the pipeline made, but for those found to be gone
        self._there = {str(table["name"]) for table in tables}
        # those of lists, each with the table in whose rows the list stands
        self._parents = {
            str(table["name"]): parent for table in tables if (parent := table.get("parent"))
        }
        self._counted = set(counted) & self._there
        self._counts: Counter[tuple[str, int, Scope]] | None = None

    def __enter__(self) -> Self:
        self._opening.begin()
        return self

    def __exit__(self, *_: object) -> None:
        self._opening.end()

    def let_go(self) -> None:
        """Closes a DuckDB file until the next question, from any thread: others may want it while Harvest is waited for."""
        self._opening.let_go()

    def name_of(self, table: str) -> str:
        """Returns the name of a table as a statement has it."""
        return self._client.make_qualified_table_name(table)

    def name_of_column(self, column: str) -> str:
        """Returns the name of a column as a statement has it."""
        return self._client.escape_column_name(column)

    def joined(self, columns: Iterable[str]) -> str:
        """Returns the SQL of a text: the numbers in some columns, with a dash between them."""
        if has_concat(self._client.capabilities.sqlglot_dialect):
            parts = ", '-', ".join(columns)
            return f"concat('', {parts})"
        return " || '-' || ".join(columns)

    def execute(self, *statements: str) -> None:
        """Has the database do something, statement by statement.

        Raises:
            DestinationException: it does not.
        """
        with self._opening.connected():
            for statement in statements:
                self._client.execute_sql(statement)

    def columns(self, table: str) -> set[str]:
        """Returns the columns of a table that are dlt's and the product's; a user may have added others."""
        found = self._schema.tables.get(table) if self._schema else None
        return set(found["columns"]) if found else set()

    def columns_of_copy(self, table: str) -> set[str]:
        """Returns the columns of a table that dlt does not know, in small letters; none where it does not exist."""
        query = f"select * from {self.name_of(table)} where 1 = 0"
        with (
            suppress(DestinationUndefinedEntity),
            self._opening.connected(),
            self._client.execute_query(query) as cursor,
        ):
            return {name.lower() for name in column_names(cursor)}
        return set()

    def stored_columns(self, table: str, names: Collection[str]) -> list[str]:
        """Returns those of the named columns that hold values, as the database writes them: not those that it computes."""
        if not self._computes_columns:
            return sorted(names)
        query = "select column_name from information_schema.columns where table_schema = %s and table_name = %s"
        found = self._asked(
            f"{query} and is_generated <> 'ALWAYS'", (stored_name(self._client), table)
        )
        return sorted(row["column_name"] for row in found if row["column_name"].lower() in names)

    def count(self, table: str, account_id: int | None, scope: Scope = LIVE) -> int | None:
        """Returns the number of rows of an account, or of all; of those that are there at Harvest if no others are asked for.

        Returns:
            `None` where the table does not exist: without a question, of which a first load would ask one for each table.
        """
        if account_id is not None:
            is_counted = table in self._counted and scope in (LIVE, MARKED)
            counts = self._count_together() if is_counted else None
            if counts is not None:
                return counts[table, account_id, scope]
            scope = scope.of(account_id)
        found = self._rows("count(*) as n", table, scope)  # `rows` is a word of MariaDB's own
        return int(found[0]["n"]) if found else None

    def _count_together(self) -> Counter[tuple[str, int, Scope]] | None:
        """Returns the numbers of rows by table, account and scope, `None` where one of the tables was taken away."""
        if self._counts is None:
            what = f"account_id, count(*) as n, count({DELETED_AT}) as marked"
            names = sorted(self._counted)
            found = self._together(
                [
                    _Question(f"'{name}' as name, {what}", name, EVERY_ROW, "account_id")
                    for name in names
                ]
            )
            if found is None:
                self._counted.clear()
                return None
            self._counts = Counter()
            for row in found:
                place, marked = (row["name"], int(row["account_id"])), int(row["marked"])
                self._counts[(*place, LIVE)], self._counts[(*place, MARKED)] = (
                    int(row["n"]) - marked,
                    marked,
                )
        return self._counts

    def lists_in(self, report: str) -> list[str]:
        """Returns the tables of the lists in a report's rows, of those that nobody documented too."""
        return [table for table, parent in sorted(self._parents.items()) if parent == report]

    def count_elements(self, names: Collection[str]) -> Elements | None:
        """Returns what hangs on the rows of reports, of their lists and of children, with one query.

        Returns:
            `None` where a table was taken away.
        """
        questions = []
        for name in sorted(self._there & {*names}):
            lists, is_child = self.lists_in(name), by_name(name).parent is not None
            if lists or is_child:
                loose = f"count(*) - count({ROW_ID})" if lists else "0"
                there = f"count(*) - count({DELETED_AT})" if is_child else "0"
                numbers = f"{there} as n, {loose} as loose, 0 as ids"
                questions.append(_counting(name, numbers))
            rows = f"select distinct {ROW_ID} as row_id from {self.name_of(name)}"
            tied = f" left join ({rows}) r on r.row_id = {ROOT_ID} and r.row_id = {PARENT_ID}"
            for table in lists:
                ids = "sum(id)" if "id" in self.columns(table) else "0"
                numbers = f"count(r.row_id) as n, count(*) - count(r.row_id) as loose, {ids} as ids"
                questions.append(_counting(table, numbers, tied))
        found = self._together(questions)
        return None if found is None else _elements(found)

    def count_by(
        self, table: str, column: str, account_id: int, scope: Scope = LIVE
    ) -> Counter[Any]:
        """Returns how many rows stand under each value of a column; under `None` those without a value."""
        found = self._rows(f"{column}, count(*) as n", table, scope.of(account_id), column)
        return Counter({row[column]: int(row["n"]) for row in found})

    def aggregates_by(
        self, table: str, columns: Sequence[str], what: Sequence[str], account_id: int | None
    ) -> list[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        """Returns what is counted and added up of the rows that are there, by the values that some columns have together.

        Args:
            table: of ours; there is nothing of one that does not exist.
            columns: by whose values the rows are put together.
            what: is computed of each group, in SQL that every destination understands.
            account_id: whose rows; `None`: of all.

        Returns:
            the values of the columns, and what was computed of their rows.
        """
        scope = LIVE if DELETED_AT in self.columns(table) else EVERY_ROW
        named = [f"{each} as a{place}" for place, each in enumerate(what)]
        by = ", ".join(columns)
        rows = self._rows(
            ", ".join([*columns, *named]),
            table,
            scope if account_id is None else scope.of(account_id),
            by,
        )
        return [
            (
                tuple(row[name] for name in columns),
                tuple(row[f"a{place}"] for place in range(len(what))),
            )
            for row in rows
        ]

    def dates(self, scopes: Mapping[tuple[str, str], Scope]) -> dict[tuple[str, str], Dates]:
        """Returns the dates in columns, with one query; nothing of those that have none or do not exist.

        A table that the run did not choose may lack a column: a hand took it, or this version is the first to have it.

        Args:
            scopes: table and column: which of the rows.
        """
        questions = {
            (table, column): _Question(
                f"'{table}' as name, '{column}' as of_column, min({column}) as earliest, max({column}) as latest, "
                f"count({column}) as n",
                table,
                scope,
            )
            for (table, column), scope in scopes.items()
            if table in self._there
        }
        rows = None
        with suppress(DestinationException):  # a column does not exist, else it comes again below
            rows = self._together(questions.values())
        if rows is None:
            rows = [row for place, each in questions.items() for row in self._dates_in(place, each)]
        return {
            (row["name"], row["of_column"]): Dates(
                as_declared(row["earliest"], "date"),
                as_declared(row["latest"], "date"),
                int(row["n"]),
            )
            for row in rows
            if row["n"]
        }

    def _dates_in(self, place: tuple[str, str], question: _Question) -> list[Row]:
        table, column = place
        try:
            return self._rows(*question)
        except DestinationException:
            if column in self.columns_of_copy(table):
                raise
            return []

    def sum(
        self, table: str, column: str, instead: str, account_id: int, scope: Scope = LIVE
    ) -> Decimal:
        """Returns the sum of a column, or of another one's value where a row has none; 0 where there is no row."""
        found = self._rows(
            f"sum(coalesce({column}, {instead})) as {column}", table, scope.of(account_id)
        )
        return Decimal(found[0][column] or 0) if found else Decimal(0)

    def keys(self, report: Report, account_id: int, scope: Scope = LIVE) -> set[tuple[Any, ...]]:
        """Returns the keys, beside the account, of the rows that are there at Harvest."""
        found = self._rows(", ".join(report.key) or "account_id", report.name, scope.of(account_id))
        return {report.key_of(row) for row in found}

    def versions(
        self, scopes: Mapping[AccountReport, Scope]
    ) -> dict[AccountReport, dict[tuple[Any, ...], datetime | None]]:
        """Returns id, as a key, and `updated_at` of rows, of several lists with one query.

        A key that stands twice has a time that no row of Harvest's has.

        Args:
            scopes: account and table: which of its rows.
        """
        found: dict[AccountReport, dict[tuple[Any, ...], datetime | None]] = {
            pair: {} for pair in scopes
        }
        what = "account_id, id, updated_at"
        questions = [
            _Question(f"'{table}' as report, {what}", table, scope.of(account_id))
            for (account_id, table), scope in scopes.items()
            if table in self._there
        ]
        rows = self._together(questions)
        if rows is None:
            rows = [row for question in questions for row in self._rows(*question)]
        for row in rows:
            versions, key = found[AccountReport(row["account_id"], row["report"])], (row["id"],)
            versions[key] = DOUBLED if key in versions else row["updated_at"]
        return found

    def rows(
        self, table: str, account_id: int | None = None, scope: Scope = EVERY_ROW
    ) -> list[Row]:
        """Returns all rows of a table that a scope has, of one account or of all; none where it does not exist."""
        return self._rows("*", table, scope if account_id is None else scope.of(account_id))

    def remove(self, table: str, scope: Scope) -> None:
        """Removes the rows that a scope has."""
        condition, values = sql_of(scope, self.name_of_column)
        with self._opening.connected():
            self._client.execute_sql(
                f"delete from {self.name_of(table)} where {condition}", *values
            )

    def figure(self, name: str) -> list[Row]:
        """Returns the rows of a figure, of all accounts, as the database gives their values.

        Raises:
            DestinationException: a table that it reads is not there, or the database cannot compute it.
        """
        dialect = self._client.capabilities.sqlglot_dialect
        return self._asked(select_of(name, self.name_of, dialect))

    def rows_by_id(
        self, table: str, account_id: int, id_column: str, ids: Iterable[int]
    ) -> list[Row]:
        """Returns whole rows of an account whose `id_column` is one of `ids`; none where the table does not exist."""
        wanted = sorted({int(each) for each in ids})
        starts = range(0, len(wanted), KEYS_PER_QUERY)
        own = EVERY_ROW.of(account_id)
        scopes = [
            own.where(id_column, "in", wanted[start : start + KEYS_PER_QUERY]) for start in starts
        ]
        return [row for scope in scopes for row in self._rows("*", table, scope)]

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
            elements = (
                self.rows_by_id(table, account_id, column, wanted)
                if report.key
                else self.rows(table, account_id)
            )
            lists = found.setdefault(name, {})
            for row in sorted(elements, key=lambda row: row[LIST_INDEX]):
                # where no row ever had an id, its elements lack the column
                lists.setdefault(row.get(column), []).append(row)
        return found

    def iter_rows(self, table: str, batch_rows: int) -> Iterator[list[Row]]:
        """Yields all rows of all accounts in batches; none where the table does not exist."""
        query, _ = self._query("*", table, EVERY_ROW)
        with (
            suppress(DestinationUndefinedEntity),
            self._opening.connected(),
            self._client.execute_query(query) as cursor,
        ):
            while batch := cursor.fetchmany(batch_rows):
                yield self._as_rows(table, cursor, batch)

    def ids_off_sum(
        self,
        table: str,
        value: str,
        under: tuple[str, str, str],
        account_id: int,
        scope: Scope = LIVE,
    ) -> list[int]:
        """Returns the ids of rows of which a value is not the sum of a column of the rows under them.

        Args:
            table: of the rows.
            value: a column, or columns with minus between them; what has no value counts as 0.
            under: table, column that is added up, and column with the id of the row above.
            account_id: whose rows.
            scope: which of its rows; below them those count that are there at Harvest.
        """
        child, column, parent_id = under
        columns = " - ".join(f"coalesce({each.strip()}, 0)" for each in value.split("-"))
        rows, values = self._query(f"id, {columns} as amount", table, scope.of(account_id))
        sums, more = self._query(
            f"{parent_id} as above, sum({column}) as total", child, LIVE.of(account_id), parent_id
        )
        query = f"""
            select r.id as id from ({rows}) r left join ({sums}) s on s.above = r.id
            where abs(r.amount - coalesce(s.total, 0)) > {SMALLER_THAN_ANY} order by r.id"""
        with suppress(DestinationUndefinedEntity):
            return [int(row["id"]) for row in self._asked(query, [*values, *more])]
        return []

    def doubled_children(self, reports: Iterable[Report]) -> dict[AccountReport, list[int]]:
        """Returns the parents of children whose key stands twice, by account and table, with one query."""
        children = [each for each in reports if each.linked_by and each.name in self._there]
        questions = [
            _Question(
                f"'{each.name}' as report, account_id, {each.linked_by} as parent_id",
                each.name,
                LIVE,
                ", ".join(dict.fromkeys(("account_id", each.linked_by or "", *each.key))),
            )
            for each in children
        ]
        rows = self._together(questions, "having count(*) > 1")
        found: dict[AccountReport, set[int]] = {}
        for row in rows or ():
            found.setdefault(AccountReport(row["account_id"], row["report"]), set()).add(
                row["parent_id"]
            )
        return {pair: sorted(ids) for pair, ids in found.items()}

    def has_unfinished_load(self, table: str) -> bool:
        """Returns whether a table has rows of a load that was never completed."""
        query = f"select count(*) as n from {self.name_of(table)} where {LOAD_ID} not in ({self._completed()})"
        with suppress(DestinationUndefinedEntity):
            return bool(self._asked(query)[0]["n"])
        return False

    def has_state(self, version_hash: str) -> bool:
        """Returns whether a completed load brought this version of dlt's state."""
        states = self.name_of(STATES_TABLE)
        query = f"select count(*) as n from {states} where version_hash = %s and {LOAD_ID} in ({self._completed()})"
        return bool(self._asked(query, (version_hash,))[0]["n"])

    def _completed(self) -> str:
        return f"select load_id from {self.name_of(LOADS_TABLE)} where status = {COMPLETED}"

    def _as_rows(
        self, table: str, cursor: DBApiCursor, fetched: Iterable[tuple[Any, ...]]
    ) -> list[Row]:
        """Returns rows of a result, their values in the types that a table's columns of the same names declare."""
        columns = self._schema.tables.get(table, {}).get("columns", {}) if self._schema else {}
        names = [name.lower() for name in column_names(cursor)]
        types = [columns.get(name, {}).get("data_type") for name in names]
        return [
            dict(zip(names, map(as_declared, values, types), strict=True)) for values in fetched
        ]

    def _rows(
        self, what: str, table: str, scope: Scope, group_by: str = "", joined: str = ""
    ) -> list[Row]:
        """Returns the answer to a question of one table; nothing where it does not exist."""
        if self._schema is not None and table not in self._there:
            return []
        try:
            return self._asked(*self._query(what, table, scope, group_by, joined), table)
        except DestinationUndefinedEntity:
            self._there.discard(table)
            return []

    def _together(self, questions: Collection[_Question], having: str = "") -> list[Row] | None:
        """Returns the answers to several questions with one query; `None` where one of the tables was taken away."""
        texts, values = [], list[Any]()
        for question in questions:
            text, own = self._query(*question)
            texts.append(f"{text} {having}")
            values += own
        try:
            return (
                self._asked(" union all ".join(texts), values, next(iter(questions)).table)
                if texts
                else []
            )
        except DestinationUndefinedEntity:
            return None

    def _query(
        self, what: str, table: str, scope: Scope, group_by: str = "", joined: str = ""
    ) -> tuple[str, list[Any]]:
        """Returns a query of one table, and what stands for each `%s` in it."""
        condition, values = sql_of(scope, self.name_of_column)
        where, then = (
            f" where {condition}" if condition else "",
            f" group by {group_by}" if group_by else "",
        )
        return f"select {what} from {self.name_of(table)}{joined}{where}{then}", values

    def _asked(self, text: str, values: Iterable[Any] = (), table: str = "") -> list[Row]:
        """Returns the rows of a query, their values in the types that the columns of a table declare."""
        with self._opening.connected(), self._client.execute_query(text, *values) as cursor:
            return self._as_rows(table, cursor, cursor.fetchall())
