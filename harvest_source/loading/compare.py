"""Compares a list's table with Harvest: row by row where one answer holds the list, else by counts, and closer where they differ.

Equal counts are not equal rows: what goes beyond them for longer lists is in `looking_back`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from harvest_source.catalogue.hints import DELETED_AT
from harvest_source.catalogue.lookup import by_name
from harvest_source.catalogue.report import AccountReport, Key, Paging, Report, Row
from harvest_source.destinations.scope import LIVE, Scope
from harvest_source.destinations.warehouse import Warehouse
from harvest_source.loading.lists import Lists
from harvest_source.reading.differing import read_differing
from harvest_source.reading.lists import read_list
from harvest_source.reading.reader import Outcome
from harvest_source.reading.reading import Reading, versions_of
from harvest_source.reading.windows import ALL_DAYS, Window
from harvest_source.settings import PER_PAGE

LOOKS = 3  # a count that changes between two looks is looked at again
Versions = Mapping[Key, datetime | None]
"""Keys of rows, each with its `updated_at`."""


@dataclass(frozen=True)
class Finding:
    """How a list's table compares with Harvest."""

    at_harvest: int | None = None  # rows by Harvest's own count, or as many as were read
    equal: bool = False
    gone: frozenset[Key] = frozenset()  # keys that Harvest no longer has
    reading: Reading | None = None  # rows to load again, since some are missing or differ
    counted: bool = False  # nothing but counts was compared


def have_differences(present: Versions, there: Versions, began: datetime | None) -> bool:
    """Returns whether rows of Harvest are missing in a table or have another change time there.

    A row that changed after the run began to read is no difference: the next run asks for it.

    Args:
        present: rows of the table.
        there: rows of Harvest.
        began: the server's time when the run began to read.
    """
    return any(
        key not in present
        or (present[key] != version and not (version and began and version >= began))
        for key, version in there.items()
    )


@dataclass
class Comparison:
    """Compares the lists of one run with the tables as they are."""

    lists: Lists
    warehouse: Warehouse
    # rows of the tables that are known to be gone
    gone: Mapping[AccountReport, AbstractSet[Key]] = field(default_factory=dict)
    _versions: dict[AccountReport, dict[Key, datetime | None]] = field(default_factory=dict)

    def is_short(self, pair: AccountReport) -> bool:
        """Returns whether one answer can hold the whole list, by what the table has."""
        return (self.warehouse.count(pair.report, pair.account_id) or 0) <= PER_PAGE

    def here(self, pair: AccountReport, since: datetime | None = None) -> int:
        """Returns the number of the table's rows that should be at Harvest, of those changed since."""
        known_gone = 0 if since else len(self.gone.get(pair, ()))
        scope = self.scope(pair, since)
        return (self.warehouse.count(pair.report, pair.account_id, scope) or 0) - known_gone

    def matches(self, pair: AccountReport, total: int, since: datetime | None = None) -> bool:
        """Returns whether the table has as many rows, of those changed since, as Harvest counted.

        Some lists count rows changed in the very second of the filter, others do not: both are right.
        """
        here = self.here(pair, since)
        edge = self._edge(by_name(pair.report), since)
        on_the_edge = (self.warehouse.count(pair.report, pair.account_id, edge) or 0) if edge else 0
        return here - on_the_edge <= total <= here

    def scope(self, pair: AccountReport, since: datetime | None = None) -> Scope:
        """Returns the rows of the table that Harvest's list has under the run's filters, of those changed since.

        A list that may begin with this year has no rows of years before the first that came.
        """
        report = by_name(pair.report)
        bound = self.lists.bound(report, since)
        scope = LIVE.where("updated_at", ">=", bound) if bound else LIVE
        return (
            scope.where(report.year_column, ">=", self._first_year(pair))
            if report.year_column
            else scope
        )

    def _first_year(self, pair: AccountReport) -> int:
        """Returns the earliest year of the rows of a list that was read whole, this year where it has none."""
        report, reading = by_name(pair.report), self.lists.reader.lists.get(pair)
        place = report.key.index(report.year_column or "")
        years = [int(key[place]) for key in reading.keys] if reading else []
        return min(years, default=self.lists.reader.client.clock.today().year)

    def compare(self, pair: AccountReport, outcome: Outcome | None) -> Finding:
        """Returns how a list compares.

        Args:
            pair: account and report; for assignments read by project, the account-wide list is compared.
            outcome: of the reading in this run: where it was whole, it is Harvest's list itself.

        Raises:
            ApiError: Harvest could not be asked.
        """
        if outcome and outcome.reading and self.lists.is_whole(outcome):
            return self._against_reading(outcome.reading)
        for _ in range(LOOKS):
            asked = self.lists.asked_ahead(pair) or self.lists.ask(pair, rows=self.is_short(pair))
            if asked.reading:
                return self.against(asked.reading)
            if asked.total is None:
                return self.read_all(pair)
            if self.matches(pair, asked.total):
                return Finding(asked.total, equal=True, counted=True)
            finding = self._look_closer(pair, asked.total)
            if finding:
                return finding
        return Finding(asked.total, counted=True)

    def _look_closer(self, pair: AccountReport, total: int) -> Finding | None:
        """Returns what differs, `None` where it changes while it is looked at.

        Args:
            pair: account and list.
            total: Harvest's count, which differs from the table's.
        """
        report = by_name(pair.report)
        if report.paging is Paging.PAGE and total > PER_PAGE:
            return self._by_windows(report, pair, total)
        return self._by_rows(pair, total)

    def _by_rows(self, pair: AccountReport, total: int) -> Finding | None:
        """Reads the whole list. Returns as `_look_closer`."""
        finding = self.read_all(pair)
        return finding if self.lists.query(pair).total() == total else None

    def read_all(self, pair: AccountReport) -> Finding:
        """Reads a whole list and compares every row."""
        return self.against(self.lists.read(pair))

    def _against_reading(self, reading: Reading) -> Finding:
        """Compares a table's keys with those of a whole reading of this run, whose rows are loaded already."""
        pair = reading.pair
        here = self.here(pair)
        if here == len(reading.keys):
            return Finding(here, equal=True)
        present = self.warehouse.keys(
            reading.report, pair.account_id, self.scope(pair)
        ) - self.gone.get(pair, set())
        gone = present - reading.keys - self._on_the_edge(reading.report, pair.account_id)
        return Finding(len(reading.keys), equal=present == reading.keys, gone=frozenset(gone))

    def against(self, reading: Reading, since: datetime | None = None) -> Finding:
        """Compares a table's keys and change times with those of a list's rows, all of them or those changed since."""
        pair = reading.pair
        present, there = self._present(pair, since), versions_of(reading)
        gone = (
            present.keys()
            - there.keys()
            - self._on_the_edge(reading.report, pair.account_id, since)
            - self.gone.get(pair, set())
        )
        differs = have_differences(present, there, self.lists.began)
        return Finding(
            len(there),
            equal=not gone and not differs,
            gone=frozenset(gone),
            reading=reading if differs else None,
        )

    def holds(self, reading: Reading) -> bool:
        """Returns whether the table has every key of a list's rows, in whichever version."""
        ids = (key[0] for key in reading.keys)
        rows = self.warehouse.rows_by_id(reading.report.name, reading.account_id, "id", ids)
        return reading.keys <= {(row["id"],) for row in rows if row.get(DELETED_AT) is None}

    def _present(self, pair: AccountReport, since: datetime | None) -> Versions:
        """Returns keys and change times of a table's rows; those of all lists read ahead are asked for together."""
        if since:
            return self.warehouse.versions({pair: self.scope(pair, since)})[pair]
        if pair not in self._versions:
            wanted = {pair, *self.lists.read_ahead()}
            self._versions |= self.warehouse.versions({each: self.scope(each) for each in wanted})
        return self._versions[pair]

    def _on_the_edge(
        self, report: Report, account_id: int, since: datetime | None = None
    ) -> set[Key]:
        """Returns keys changed in the very second of the filter, which Harvest counts in some lists and not in others."""
        edge = self._edge(report, since)
        return self.warehouse.keys(report, account_id, edge) if edge else set()

    def _edge(self, report: Report, since: datetime | None = None) -> Scope | None:
        """Returns the rows changed in the very second of the filter; `None` where there is no filter."""
        bound = self.lists.bound(report, since)
        if bound is None:
            return None
        end = bound.replace(microsecond=0) + timedelta(seconds=1)
        return LIVE.where("updated_at", ">=", bound).where("updated_at", "<", end)

    def _by_windows(self, report: Report, pair: AccountReport, total: int) -> Finding | None:
        """Looks into the windows whose counts differ, and at the whole list where these do not make up the difference."""
        column = report.date_column or ""
        rows_by_day: Counter[date | None] = self.warehouse.count_by(
            report.name, column, pair.account_id, self.scope(pair)
        )
        for row in self._rows_gone(pair):
            rows_by_day[row[column]] -= 1
        here, undated = rows_by_day.total(), rows_by_day[None]
        days = {day: rows for day, rows in rows_by_day.items() if day}
        query = self.lists.query(pair)
        found = read_differing(query, days, total - undated)
        reading, present = found.draft.finish(), self._present_in(report, pair, found.windows)
        missing = present - reading.keys - self._on_the_edge(report, pair.account_id)
        gone = set() if found.shifted else missing - self._changed_meanwhile(pair)
        finding = Finding(total, gone=frozenset(gone), reading=reading, counted=True)
        if here - len(gone) + len(reading.keys - present) == total:
            return finding
        if query.total() != total:
            return None
        if query.within(ALL_DAYS).total() != total - undated:
            return self._by_rows(pair, total)  # rows without a date are in no window
        return None if found.shifted else finding

    def _present_in(
        self, report: Report, pair: AccountReport, windows: Iterable[Window]
    ) -> set[Key]:
        """Returns the keys of a table's rows in some windows that should be at Harvest."""
        present: set[Key] = set()
        for window in windows:
            scope = self.scope(pair).where(report.date_column or "", ">=", window.start)
            scope = scope.where(report.date_column or "", "<=", window.end)
            present |= self.warehouse.keys(report, pair.account_id, scope)
        return present - self.gone.get(pair, set())

    def _rows_gone(self, pair: AccountReport) -> list[Row]:
        """Returns the rows of a table that are known to be gone already."""
        return self.warehouse.rows_by_id(
            pair.report, pair.account_id, "id", (key[0] for key in self.gone.get(pair, ()))
        )

    def _changed_meanwhile(self, pair: AccountReport) -> AbstractSet[Key]:
        """Returns keys of rows changed since the run began: they may have moved from one window to another."""
        began = self.lists.began
        return (
            read_list(self.lists.reader.query(pair, began - timedelta(seconds=1))).keys
            if began
            else set()
        )
