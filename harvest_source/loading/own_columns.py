"""Keeps the values of columns that a user added to a loaded table: dlt writes a changed row anew, without them.

Before a load, the values of the rows that it writes anew are copied into a table beside; after it they are put back, and the
copy goes. Where a run ends in between, the next one that reads the table puts back what is still empty.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from harvest_source.catalogue.reports import Report, parent_id_column
from harvest_source.destinations.warehouse import Row, Warehouse

COPY = "own_values_of_"  # with a table's name behind it: where values wait


@dataclass
class OwnColumns:
    """The columns that are not the product's own, met in the tables of one load."""

    warehouse: Warehouse
    _met: dict[str, set[str]] = field(default_factory=dict)  # table: columns
    _holders: defaultdict[tuple[str, int], set[int | None]] = field(default_factory=lambda: defaultdict(set))
    _rewritten: defaultdict[tuple[str, int], set[int | None]] = field(default_factory=lambda: defaultdict(set))
    _reports: dict[str, Report] = field(default_factory=dict)  # table: whose

    def take(self, report: Report, table: str, account_id: int, rows: Iterable[Row], id_column: str | None) -> None:
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
            if owner.name == report.name and (held := written & self._holders[table, account_id]):
                self._rewritten[table, account_id] |= held

    def keep(self) -> None:
        """Copies the values that the load would lose; puts back what a run that ended early left in a copy."""
        for table in self._met:
            self._put_back(table, only_empty=True)
        for (table, account_id), ids in self._rewritten.items():
            id_column, match = _found_by(self._reports[table], table, self.warehouse.columns(table))
            columns = ("account_id", *match, *self.warehouse.stored_columns(table, self._met[table]))
            chosen = [each for each in ids if each is not None]
            self.warehouse.copy_rows(table, COPY + table, columns, account_id, id_column, chosen)

    def put_back(self, warehouse: Warehouse) -> None:
        """Puts the copied values back after the load."""
        self.warehouse = warehouse
        for table in {table for table, _ in self._rewritten}:
            self._put_back(table, only_empty=False)

    def _put_back(self, table: str, *, only_empty: bool) -> None:
        _, match = _found_by(self._reports[table], table, self.warehouse.columns(table))
        columns = self.warehouse.stored_columns(table, self._met[table])
        self.warehouse.put_back(table, COPY + table, ("account_id", *match), columns, only_empty=only_empty)


def _found_by(report: Report, table: str, columns: set[str]) -> tuple[str | None, tuple[str, ...]]:
    """Returns the column with the id of the row, and the columns by which a row or list element is found again."""
    if table == report.name:
        return (report.key[0] if report.key else None), report.key
    parent = parent_id_column(report)
    return (parent if report.key else None), (parent, "id" if "id" in columns else "_dlt_list_idx")
