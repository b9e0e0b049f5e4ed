"""Tells new, changed and equal rows apart, so that a row read again and equal is not loaded again.

A row whose key stands twice in the destination counts as changed: loading it leaves one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from harvest_source.catalogue.hints import DELETED_AT
from harvest_source.catalogue.lookup import by_name
from harvest_source.catalogue.report import AccountReport, Key, Report, Row, parent_id_column
from harvest_source.destinations.scope import LIVE, MARKED
from harvest_source.destinations.warehouse import Warehouse
from harvest_source.dlt_corners import OF_DLT
from harvest_source.loading.own_columns import OwnColumns
from harvest_source.loading.result import Tally
from harvest_source.resources import Batch, only_rows, rows_in


@dataclass(frozen=True)
class Split:
    """Rows that are about to be loaded, beside those of the destination."""

    new: list[Row]
    changed: list[Row]
    grown: int  # how many of the changed ones are timers that went on running

    @property
    def tally(self) -> Tally:
        """Returns how many there are of each."""
        return Tally(len(self.new), len(self.changed), self.grown)


def split(report: Report, rows: list[Row], present: list[Row]) -> Split:
    """Tells new and changed rows apart, and leaves out those that are equal.

    Args:
        report: whose rows.
        rows: about to be loaded, each key once.
        present: those of the destination with the same keys, with their lists.
    """
    times = Counter(report.key_of(row) for row in present)
    known = {report.key_of(row): row for row in present}
    new = [row for row in rows if report.key_of(row) not in known]
    changed = [
        row
        for row in rows
        if (key := report.key_of(row)) in known and (times[key] > 1 or differs(row, known[key]))
    ]
    once = [row for row in changed if times[report.key_of(row)] == 1]
    grown = sum(_has_grown(report, row, known[report.key_of(row)]) for row in once)
    return Split(new, changed, grown)


@dataclass
class ChangeFilter:
    """Compares the rows of one load with those of the destination, and counts them."""

    warehouse: Warehouse
    # keys of the rows that a run which loads nothing has counted: it finds them again, and counts them once
    counted: dict[AccountReport, set[Key]] | None = None
    tallies: dict[AccountReport, Tally] = field(default_factory=dict)  # of the rows that differ
    own_columns: OwnColumns = field(init=False)  # of the tables that were compared
    _empty: dict[AccountReport, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.own_columns = OwnColumns(self.warehouse)

    def differing(self, report: Report, account_id: int, batch: Batch) -> Batch:
        """Returns the rows that are new or differ; counts them."""
        pair = AccountReport(account_id, report.name)
        if self.counted is not None:
            batch = _not_in(self.counted.setdefault(pair, set()), report, batch)
        tally = self.tallies.get(pair, Tally())
        if self.is_empty(pair):
            self.tallies[pair] = tally + Tally(len(batch))
            return batch
        rows = rows_in(batch)
        found = split(report, rows, self._present(report, account_id, rows))
        self.tallies[pair] = tally + found.tally
        self.own_columns.note_rewritten(
            report, account_id, (_id(report, row) for row in found.changed)
        )
        return only_rows(batch, found.new + found.changed)

    def is_empty(self, pair: AccountReport) -> bool:
        """Returns whether the destination has no row of an account and report, also none that is marked as gone."""
        if pair not in self._empty:
            scopes = (LIVE, MARKED)  # both are counted together with those of other tables
            self._empty[pair] = not any(
                self.warehouse.count(pair.report, pair.account_id, scope) for scope in scopes
            )
        return self._empty[pair]

    def leave_own_columns(self, removed: Mapping[AccountReport, Iterable[Row]]) -> None:
        """Takes a user's columns out of rows that are written again with the mark that they are gone; their values stay."""
        for (account_id, name), rows in removed.items():
            report = by_name(name)
            self.own_columns.take(report, name, account_id, rows, report.key[0])
            for each in report.lists:
                elements = [element for row in rows for element in row.get(each.name) or ()]
                self.own_columns.take(
                    report, f"{name}__{each.name}", account_id, elements, parent_id_column(report)
                )
            self.own_columns.note_rewritten(report, account_id, (_id(report, row) for row in rows))

    def _present(self, report: Report, account_id: int, rows: list[Row]) -> list[Row]:
        """Returns the destination's rows with the keys of those given, with their lists."""
        if not report.key:
            found = self.warehouse.rows(report.name, account_id)
        else:
            id_column = report.key[0]
            found = self.warehouse.rows_by_id(
                report.name, account_id, id_column, (row[id_column] for row in rows)
            )
        self.own_columns.take(
            report, report.name, account_id, found, report.key[0] if report.key else None
        )
        names = sorted(
            {name for row in rows for name, value in row.items() if isinstance(value, list)}
        )
        own_id = report.id_column or ""
        lists = self.warehouse.lists_of(
            report, names, account_id, (row.get(own_id) for row in rows)
        )
        for name, each in lists.items():
            elements_of_all = [element for some in each.values() for element in some]
            parent = parent_id_column(report) if report.key else None
            self.own_columns.take(
                report, f"{report.name}__{name}", account_id, elements_of_all, parent
            )
        for row in found:
            elements = {name: each.get(row.get(own_id), []) for name, each in lists.items()}
            row.update({name: each for name, each in elements.items() if row.get(name) is None})
        return found


def _not_in(keys: set[Key], report: Report, batch: Batch) -> Batch:
    """Returns the rows whose keys are not among some, and adds theirs."""
    rows = [row for row in rows_in(batch) if report.key_of(row) not in keys]
    keys.update(map(report.key_of, rows))
    return only_rows(batch, rows)


def _id(report: Report, row: Row) -> int | None:
    """Returns the id by which a row is chosen in its table; `None` where it is the only one of its account."""
    return row[report.key[0]] if report.key else None


def differs(row: Row, present: Row) -> bool:
    """Returns whether a column of the API differs; a row marked as deleted that is back differs, too."""
    return present.get(DELETED_AT) is not None or any(_differing(row, present))


def _differing(row: Row, present: Row) -> Iterator[str]:
    names = {
        name
        for name in row.keys() | present.keys()
        if not name.startswith(OF_DLT) and name != DELETED_AT
    }
    return (name for name in names if _value_differs(row.get(name), present.get(name)))


def _has_grown(report: Report, row: Row, present: Row) -> bool:
    """Returns whether all that differs is what grows while a timer runs."""
    if (
        not report.running
        or not row.get(report.running.column)
        or present.get(DELETED_AT) is not None
    ):
        return False
    return {*_differing(row, present)} <= report.running.grows


def _value_differs(value: Any, present: Any) -> bool:
    if isinstance(value, list) or isinstance(present, list):
        elements, others = value or [], present or []
        return len(elements) != len(others) or any(
            differs(new, old) for new, old in zip(elements, others, strict=True)
        )
    return bool(value != present)
