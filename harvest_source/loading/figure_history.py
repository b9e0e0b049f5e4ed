"""The tables `uninvoiced_history` and `budget_history`: two figures as they were at the end of each day.

Harvest overwrites what they are made of, so their past cannot be computed. The rows of an account and a day are those of the
last run of that day that loaded the account, whole, and what another day says is never touched. An account keeps its last day if
one of the figure's tables is not complete: it was never loaded whole, or there was an error when it was last read, by this run
or, if this run left it out, by an earlier one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import dlt
from dlt.common.destination.exceptions import DestinationException

from harvest_source.api.accounts import Account
from harvest_source.catalogue.columns.shared import date as date_column
from harvest_source.catalogue.columns.types import Column, Kind
from harvest_source.catalogue.hints import DLT_TYPES, columns_of
from harvest_source.catalogue.lookup import by_name
from harvest_source.catalogue.report import AccountReport, Row
from harvest_source.catalogue.reports import NAMES
from harvest_source.destinations.read_back import as_declared
from harvest_source.destinations.scope import EVERY_ROW, Scope
from harvest_source.destinations.warehouse import KEYS_PER_QUERY, Warehouse, without_dlt
from harvest_source.errors import first_line
from harvest_source.figures.figure import Figure
from harvest_source.figures.projects import BUDGET_BURN, UNINVOICED_WORK
from harvest_source.figures.sql import tables_of
from harvest_source.loading.history import MERGE, last_runs
from harvest_source.loading.list_elements import report_of
from harvest_source.loading.summary import ReportResult
from harvest_source.reading.values import Unfit, to_decimal

DAY = "day"
KEY = ("account_id", DAY)


@dataclass(frozen=True)
class FigureHistory:
    """The table that keeps a figure day by day."""

    name: str
    figure: Figure

    @property
    def columns(self) -> tuple[Column, ...]:
        """Returns the figure's columns and the day."""
        day = "Day of which these rows are: the figure as the last run of that day left it."
        return (*self.figure.columns, date_column(DAY, day))

    @property
    def hints(self) -> dict[str, Any]:
        """Returns the arguments with which the table's resource is made."""
        return {
            "name": self.name,
            "merge_key": KEY,
            "columns": columns_of(self.columns, KEY),
            "file_format": "parquet",
        }

    @property
    def reports(self) -> set[str]:
        """Returns the reports whose rows, or lists in them, the figure reads."""
        return {report_of(table) for table in tables_of(self.figure.name)} & {*NAMES}


HISTORIES = (
    FigureHistory("uninvoiced_history", UNINVOICED_WORK),
    FigureHistory("budget_history", BUDGET_BURN),
)
HISTORY_TABLES = tuple(each.name for each in HISTORIES)

Complete = Mapping[FigureHistory, set[int]]
"""The accounts of which a run writes the day."""


def complete_accounts(
    warehouse: Warehouse,
    accounts: Collection[Account],
    results: Iterable[ReportResult],
    loaded: Collection[AccountReport],
) -> Complete:
    """Returns the accounts in which all tables of a figure are complete; see the module.

    Args:
        warehouse: with the tables.
        accounts: of which the run loaded a report.
        results: of the run.
        loaded: what was ever loaded whole.
    """
    needed = {
        history: {account.id: _needed(history, account) for account in accounts}
        for history in HISTORIES
    }
    errors = {AccountReport(each.account_id, each.report): each.error for each in results}
    pairs = set[AccountReport]().union(*(each for ids in needed.values() for each in ids.values()))
    if not pairs <= errors.keys():
        before = last_runs(warehouse)
        errors = {
            AccountReport(each["account_id"], each["report"]): each["error"] for each in before
        } | errors
    complete = {pair for pair in pairs if pair in loaded and not errors.get(pair)}
    return {
        history: {account_id for account_id, each in ids.items() if each <= complete}
        for history, ids in needed.items()
    }


def _needed(history: FigureHistory, account: Account) -> set[AccountReport]:
    """Returns what a figure needs of an account: of a module that is switched off there are no rows."""
    return {
        AccountReport(account.id, name)
        for name in history.reports
        if not account.switched_off(by_name(name).module)
    }


@dataclass(frozen=True)
class DayRows:
    """What a run writes into a history: the day's rows of accounts of which the table has others."""

    history: FigureHistory
    day: date
    rows: Mapping[int, list[Row]]  # account id: its rows
    replaced: frozenset[int]  # accounts that have rows of the day already

    @property
    def emptied(self) -> Scope | None:
        """Returns the rows of the day that go and have no successor, which a merge would leave; `None` where there are none."""
        gone = [account_id for account_id in sorted(self.replaced) if not self.rows[account_id]]
        return _of_day(gone, self.day) if gone else None

    def resource(self, pipeline: dlt.Pipeline, *, merges: bool) -> Any:
        """Returns the dlt resource that writes them: they are added, or take the place of those that are there.

        Adding is cheaper, and is what the first run of a day does. Where rows cannot be merged, the table is written anew.

        Args:
            pipeline: of the run.
            merges: whether the destination lets rows take the place of others.
        """
        rest: Iterable[list[Row]] = ()
        disposition: Any = "append"
        if self.replaced and merges:
            disposition = MERGE
        elif self.replaced:
            disposition, rest = "replace", self._rest(pipeline)

        @dlt.resource(**self.history.hints, write_disposition=disposition)
        def rows() -> Iterator[list[Row]]:
            yield from rest
            yield from self.rows.values()

        return rows

    def _rest(self, pipeline: dlt.Pipeline) -> Iterator[list[Row]]:
        with Warehouse(pipeline) as warehouse:
            for batch in warehouse.iter_rows(self.history.name, KEYS_PER_QUERY):
                yield [without_dlt(row) for row in batch if not self._writes(row)]

    def _writes(self, row: Row) -> bool:
        return row[DAY] == self.day and row["account_id"] in self.rows


@dataclass
class FiguresOfDay:
    """What a run writes into the histories, and what the summary says of what it does not."""

    written: list[DayRows] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def figures_of_day(warehouse: Warehouse, complete: Complete, day: date) -> FiguresOfDay:
    """Returns what the histories lack of a day; nothing of a figure of which a table was never loaded.

    Args:
        warehouse: with the tables, the day of the accounts among them.
        complete: the accounts of which the day is kept.
        day: of the run.
    """
    found = FiguresOfDay()
    for history, ids in complete.items():
        try:
            computes = ids and all(map(warehouse.columns, tables_of(history.figure.name)))
            rows, unfit = _figure_rows(warehouse, history, ids, day) if computes else ({}, [])
        except DestinationException as error:  # dlt calls some that stay so passing
            rows, unfit = {}, []
            found.notes.append(f"{history.name} has no new rows: {first_line(error)}")
        if unfit:
            listed = ", ".join(map(str, unfit))
            found.notes.append(
                f"{history.name} has no new rows of account {listed}: a number is too large"
            )
        present = _present_rows(warehouse, history, rows.keys(), day)
        other = {
            account_id: each
            for account_id, each in rows.items()
            if _counted(history, each) != _counted(history, present.get(account_id, ()))
        }
        if other:
            replaced = frozenset(other.keys() & present.keys())
            found.written.append(DayRows(history, day, other, replaced))
    return found


def _figure_rows(
    warehouse: Warehouse, history: FigureHistory, ids: Collection[int], day: date
) -> tuple[dict[int, list[Row]], list[int]]:
    """Returns the rows of a figure as the table keeps them, by account, and the accounts with a number that it cannot keep."""
    rows: dict[int, list[Row]] = {account_id: [] for account_id in sorted(ids)}
    unfit = set[int]()
    for row in warehouse.figure(history.figure.name):
        if row["account_id"] in ids:
            try:
                kept = {each.name: _kept(each, row[each.name]) for each in history.figure.columns}
            except Unfit:
                unfit.add(row["account_id"])
            else:
                rows[row["account_id"]].append(kept | {DAY: day})
    return {each: of for each, of in rows.items() if each not in unfit}, sorted(unfit)


def _kept(column: Column, value: Any) -> Any:
    """Returns a value as the table keeps it: with six digits after the point; raises `Unfit` where it has too many before."""
    declared = as_declared(value, DLT_TYPES[column.kind]["data_type"])
    is_number = column.kind is Kind.DECIMAL and declared is not None
    return to_decimal(declared) if is_number else declared


def _present_rows(
    warehouse: Warehouse, history: FigureHistory, ids: Collection[int], day: date
) -> Mapping[int, list[Row]]:
    """Returns the rows that a table has of a day, by account."""
    found: dict[int, list[Row]] = defaultdict(list)
    for row in warehouse.rows(history.name, scope=_of_day(sorted(ids), day)) if ids else ():
        found[row["account_id"]].append(row)
    return found


def _of_day(ids: list[int], day: date) -> Scope:
    return EVERY_ROW.where("account_id", "in", ids).where(DAY, "=", day)


def _counted(history: FigureHistory, rows: Iterable[Row]) -> Counter[tuple[Any, ...]]:
    """Returns rows in a form in which their order does not matter."""
    names = [column.name for column in history.columns]
    return Counter(tuple(row[name] for name in names) for row in rows)


def history_resources() -> list[Any]:
    """Returns the dlt resources of the tables without a row."""
    merge: Any = MERGE
    return [dlt.resource([[]], **each.hints, write_disposition=merge) for each in HISTORIES]
