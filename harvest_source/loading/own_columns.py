"""Keeps the values of columns that a user added to a loaded table: dlt writes a changed row anew, without them.

Before a load, the values of the rows that it writes anew are copied into a table beside; after it they are put back, and the
copy goes. Where a run ends in between, the next one that reads the table puts back what is still empty. A destination that
does not know these statements loses the values, which is told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from harvest_source.catalogue.report import Report, Row, parent_id_column
from harvest_source.destinations.scope import EVERY_ROW, sql_of
from harvest_source.destinations.warehouse import KEYS_PER_QUERY, Warehouse
from harvest_source.dlt_corners import LIST_INDEX

COPY = "own_values_of_"  # with a table's name behind it: where values wait


@dataclass
class OwnColumns:
    """The columns that are not the product's own, met in the tables of one load."""

    warehouse: Warehouse
    _met: dict[str, set[str]] = field(default_factory=dict)  # table: columns
    _holders: defaultdict[tuple[str, int], set[int | None]] = field(
        default_factory=lambda: defaultdict(set)
    )
    _rewritten: defaultdict[tuple[str, int], set[int | None]] = field(
        default_factory=lambda: defaultdict(set)
    )
    # all that are written anew, whether they were seen to have values or not
    _written: defaultdict[tuple[str, int], set[int | None]] = field(
        default_factory=lambda: defaultdict(set)
    )
    _reports: dict[str, Report] = field(default_factory=dict)  # table: whose

    def take(
        self,
        report: Report,
        table: str,
        account_id: int,
        rows: Iterable[Row],
        id_column: str | None,
    ) -> None:
        """Takes a user's columns out of rows that were read from the destination, and notes which rows have values there.

        Args:
            report: whose rows or list elements.
            table: the report's, or that of a list.
            account_id: whose rows.
            rows: changed.
            id_column: holds the id of the row, also in its list elements; `None` where there is one row an account.
        """
        known = self.warehouse.columns(table)
        for row in rows:
            for name in [name for name in row.keys() - known if not isinstance(row[name], list)]:
                self._met.setdefault(table, set()).add(name)
                self._reports[table] = report
                if row.pop(name) is not None:
                    self._holders[table, account_id].add(row[id_column] if id_column else None)

    def note_rewritten(self, report: Report, account_id: int, ids: Iterable[int | None]) -> None:
        """Notes the ids of rows that the load writes anew, with their list elements."""
        written = set(ids)
        for table, owner in self._reports.items():
            if owner.name == report.name:
                self._written[table, account_id] |= written
                if held := written & self._holders[table, account_id]:
                    self._rewritten[table, account_id] |= held

    @property
    def lost(self) -> set[str]:
        """Returns the columns of which the load loses values, as table.column: all that a destination cannot keep."""
        if self.warehouse.keeps_own_columns:
            return set()
        tables = {table for table, _ in self._rewritten}
        return {f"{table}.{name}" for table in tables for name in self._met[table]}

    @property
    def waits(self) -> bool:
        """Returns whether values wait in copies, once they are kept."""
        return self.warehouse.keeps_own_columns and bool(self._rewritten)

    def keep(self) -> None:
        """Copies the values that the load would lose; puts back what a run that ended early left in a copy."""
        if not self.warehouse.keeps_own_columns:
            return
        # rows whose values come back now were seen without them
        again = {table for table in self._met if self._put_back(table, only_empty=True)}
        for (table, account_id), written in self._written.items():
            if table in again and written:
                self._rewritten[table, account_id] |= written
        for (table, account_id), ids in self._rewritten.items():
            id_column, match = _found_by(self._reports[table], table, self.warehouse.columns(table))
            columns = (
                "account_id",
                *match,
                *self.warehouse.stored_columns(table, self._met[table]),
            )
            self._copy(
                table,
                columns,
                account_id,
                id_column,
                sorted(each for each in ids if each is not None),
            )

    def put_back(self, warehouse: Warehouse) -> None:
        """Puts the copied values back after the load."""
        if not self.waits:
            return
        self.warehouse = warehouse
        for table in {table for table, _ in self._rewritten}:
            self._put_back(table, only_empty=False)

    def _copy(
        self,
        table: str,
        columns: Iterable[str],
        account_id: int,
        id_column: str | None,
        ids: list[int],
    ) -> None:
        """Adds some columns of an account's rows, of all or of those with some ids, to the copy of a table."""
        names = ", ".join(map(self.warehouse.name_of_column, columns))
        source, copy = self.warehouse.name_of(table), self.warehouse.name_of(COPY + table)
        statements = [
            f"create table if not exists {copy} as select {names} from {source} where 1 = 0"
        ]
        for start in range(0, len(ids) or 1, KEYS_PER_QUERY):
            own = EVERY_ROW.of(account_id)
            scope = (
                own.where(id_column, "in", ids[start : start + KEYS_PER_QUERY])
                if id_column
                else own
            )
            condition, _ = sql_of(scope, self.warehouse.name_of_column)
            statements.append(
                f"insert into {copy} ({names}) select {names} from {source} where {condition}"
            )
        self.warehouse.execute(*statements)

    def _put_back(self, table: str, *, only_empty: bool) -> bool:
        """Puts the values of a copy back; returns whether there is one."""
        in_copy = self.warehouse.columns_of_copy(COPY + table)
        if not in_copy:
            return False
        _, match = _found_by(self._reports[table], table, self.warehouse.columns(table))
        name_of, escaped = self.warehouse.name_of, self.warehouse.name_of_column
        found = " and ".join(
            f"t.{escaped(name)} = k.{escaped(name)}" for name in ("account_id", *match)
        )
        statements = []
        # others came after the copy, or are gone since
        both = in_copy & self._met[table]
        for name in map(escaped, self.warehouse.stored_columns(table, both)):
            where = (
                f"{found} and k.{name} is not null{f' and t.{name} is null' if only_empty else ''}"
            )
            statements.append(
                f"update {name_of(table)} as t set {name} = k.{name} from {name_of(COPY + table)} as k where {where}"
            )
        self.warehouse.execute(*statements, f"drop table {name_of(COPY + table)}")
        return True


def _found_by(report: Report, table: str, columns: set[str]) -> tuple[str | None, tuple[str, ...]]:
    """Returns the column with the id of the row, and the columns by which a row or list element is found again."""
    if table == report.name:
        return (report.key[0] if report.key else None), report.key
    parent = parent_id_column(report)
    return (parent if report.key else None), (parent, "id" if "id" in columns else LIST_INDEX)


def told_lost(columns: Iterable[str]) -> list[str]:
    """Returns what the summary says of columns that lost values."""
    listed = ", ".join(sorted(columns))
    return (
        [f"values of columns that you added, lost with rows that changed: {listed}"]
        if listed
        else []
    )
