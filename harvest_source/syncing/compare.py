"""Compares a list's table with Harvest: count first, and look closer only where the counts differ."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from harvest_source.api.client import THREADS, Params
from harvest_source.api.errors import AccessLostError
from harvest_source.reports.catalogue import Paging, Report, by_name
from harvest_source.reports.lists import read_list
from harvest_source.reports.reader import Outcome, Reader, Where
from harvest_source.reports.reading import Key, Pages, list_params, new_pages
from harvest_source.reports.windows import WINDOW_ROWS, Window, WindowReader
from harvest_source.settings import PER_PAGE
from harvest_source.syncing.warehouse import Scope, Warehouse

ALL_DAYS = Window(date(1900, 1, 1), date(2999, 12, 31))
LOOKS = 3  # a count that changes between two looks is looked at again


@dataclass
class Finding:
    """How a list's table compares with Harvest."""

    at_harvest: int | None = None  # rows by Harvest's own count, or as many as were read
    equal: bool = False
    gone: set[Key] = field(default_factory=set)  # keys that Harvest no longer has
    pages: Pages | None = None  # rows to load again, since some are missing or differ


class Comparison:
    """Compares the lists of one run."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._asked: dict[Where, int | None] = {}  # counts asked for ahead

    def use(self, warehouse: Warehouse, pending: dict[Where, set[Key]]) -> None:
        """Sets where tables are read, and which of their rows are known to be gone already."""
        self._warehouse = warehouse
        self._pending = pending

    def ask_counts(self, wheres: list[Where]) -> None:
        """Asks Harvest at once for the counts that `compare` will need; an error is met again there."""
        needed = [where for where in wheres if not self._is_whole(where)]
        with ThreadPoolExecutor(THREADS, thread_name_prefix="harvest-counts") as pool:
            futures = {where: pool.submit(self.total, by_name(where[1]), where[0]) for where in needed}
        for where, future in futures.items():
            if isinstance(future.exception(), AccessLostError):
                future.result()
            if future.exception() is None:
                self._asked[where] = future.result()

    def _is_whole(self, where: Where) -> bool:
        """Returns whether this run read the whole list: then that is Harvest's list itself."""
        outcome = self._reader.outcomes.get(where)
        pages = outcome.pages if outcome else None
        return bool(pages and not self._reader.report(where[1]).parent and pages.since == self._reader.choice.since)

    def here(self, where: Where) -> int:
        """Returns the number of the table's rows that should be at Harvest."""
        pending = len(self._pending.get(where, ()))
        return (self._warehouse.count(where[1], where[0], self.scope(by_name(where[1]))) or 0) - pending

    def matches(self, where: Where, total: int) -> bool:
        """Returns whether the table has as many rows as Harvest counted.

        Some lists count rows changed in the very second of the filter, others do not: both are right.
        """
        here = self.here(where)
        edge = self._warehouse.count(where[1], where[0], edge) if (edge := self._edge(by_name(where[1]))) else 0
        return here - (edge or 0) <= total <= here

    def scope(self, report: Report) -> Scope:
        """Returns the rows of the table that Harvest's list has under the run's filters."""
        since = self._since(report)
        return Scope("updated_at >= %s", (since,)) if since else Scope()

    def _since(self, report: Report) -> datetime | None:
        bounds = [self._reader.choice.since] if self._reader.choice.since and report.takes_updated_since else []
        if self._reader.settings.start_date and report.from_start_date:
            bounds.append(self._reader.settings.start_date)
        return max(bounds, default=None)

    def _params(self, report: Report) -> Params:
        return list_params(report, self._reader.choice.since, self._reader.settings.start_date)

    def compare(self, where: Where, outcome: Outcome | None) -> Finding:
        """Returns how a list compares.

        Args:
            where: account and report; for assignments read by project, the account-wide list is compared.
            outcome: of the reading in this run: where it was whole, it is Harvest's list itself.

        Raises:
            ApiError: Harvest could not be asked.
        """
        account_id, name = where
        report = by_name(name)
        if outcome and outcome.pages and self._is_whole(where):
            return self._against(report, account_id, outcome.pages, reload=False)
        for _ in range(LOOKS):
            total = self._asked.pop(where) if where in self._asked else self.total(report, account_id)
            if total is not None and self.matches(where, total):
                return Finding(total, equal=True)
            finding = self._look_closer(report, account_id, total)
            if total is None or self.total(report, account_id) == total:
                return finding
        return Finding(total)

    def total(self, report: Report, account_id: int, window: Window = Window()) -> int | None:  # noqa: B008 - frozen
        """Returns Harvest's count of a list's rows, `None` where it gives none."""
        params = {**self._params(report), **window.params(), "per_page": "1"}
        total = self._reader.client.get(account_id, report.path, (report.rows_key or "",), params, report.name).data.get(
            "total_entries"
        )
        return total if isinstance(total, int) else None

    def _look_closer(self, report: Report, account_id: int, total: int | None) -> Finding:
        if report.paging is Paging.PAGE and total is not None and total > PER_PAGE:
            finding = self._by_windows(report, account_id, total)
            if finding is not None:
                return finding
        return self.read_all(report, account_id)

    def read_all(self, report: Report, account_id: int) -> Finding:
        """Reads a whole list and compares every id; its rows are loaded again where they differ."""
        reader = self._reader
        pages = read_list(reader.client, reader.spool, account_id, report, self._params(report), reader.choice.since)
        return self._against(report, account_id, pages, reload=True)

    def _against(self, report: Report, account_id: int, pages: Pages, *, reload: bool) -> Finding:
        """Compares a table's keys with those of a whole reading."""
        scope = self.scope(report)
        here = self.here((account_id, report.name))
        if here == len(pages.keys) and not reload:
            return Finding(here, equal=True)
        present = self._warehouse.keys(report, account_id, scope) - self._on_the_edge(report, account_id, pages)
        present -= self._pending.get((account_id, report.name), set())
        gone = present - pages.keys
        return Finding(len(pages.keys), equal=present == pages.keys, gone=gone, pages=pages if reload else None)

    def _on_the_edge(self, report: Report, account_id: int, pages: Pages) -> set[Key]:
        """Returns keys changed in the very second of the filter, which Harvest counts in some lists and not in others."""
        edge = self._edge(report)
        return self._warehouse.keys(report, account_id, edge) - pages.keys if edge else set()

    def _edge(self, report: Report) -> Scope | None:
        """Returns the rows changed in the very second of the filter; `None` where there is no filter."""
        since = self._since(report)
        if since is None:
            return None
        return Scope("updated_at >= %s and updated_at < %s", (since, since.replace(microsecond=0) + timedelta(seconds=1)))

    def _by_windows(self, report: Report, account_id: int, total: int) -> Finding | None:
        """Halves windows by their counts until a window differs and fits an answer; reads only those.

        Returns:
            `None` where rows without a date differ: they are in no window.
        """
        column = report.date_column or ""
        per_day = self._warehouse.rows_per_day(report.name, column, account_id, self.scope(report))
        undated = per_day.pop(None, 0)
        days: Counter[date] = Counter({day: rows for day, rows in per_day.items() if day})
        dated = self.total(report, account_id, ALL_DAYS)
        if dated is None or total - dated != undated:
            return None
        pages, keep = new_pages(self._reader.spool, report, account_id, None)
        first = Pages(report, account_id, None, lambda: iter(()), started=datetime.now(UTC))
        windows = WindowReader(self._reader.client, first, self._params(report), pages, keep)
        finding = Finding(total, pages=pages)
        self._narrow(ALL_DAYS, dated, days, windows, finding)
        finding.gone -= self._changed_meanwhile(report, account_id)
        return finding

    def _narrow(self, window: Window, there: int, days: Counter[date], windows: WindowReader, finding: Finding) -> None:
        inside = {day: rows for day, rows in days.items() if window.start and window.end and window.start <= day <= window.end}
        here = sum(inside.values())
        if here == there:
            return
        report, account_id = windows.pages.report, windows.pages.account_id
        middle = _middle(inside)
        if max(here, there) <= WINDOW_ROWS or middle is None:
            read_before = set(windows.pages.keys)
            windows.read_window(window)
            column = report.date_column or ""
            scope = self.scope(report)
            condition = " and ".join(filter(None, (scope.condition, f"{column} >= %s and {column} <= %s")))
            present = self._warehouse.keys(report, account_id, Scope(condition, (*scope.values, window.start, window.end)))
            finding.gone |= present - (windows.pages.keys - read_before)
            return
        left, right = window.cut_after(middle)
        left_there = self.total(report, account_id, left) or 0
        self._narrow(left, left_there, days, windows, finding)
        self._narrow(right, there - left_there, days, windows, finding)

    def _changed_meanwhile(self, report: Report, account_id: int) -> set[Key]:
        """Returns keys of rows changed since the run began: they may have moved from one window to another."""
        started = [pages.started for pages in self._reader.readings if pages.started]
        if not started:
            return set()
        params = list_params(report, min(started) - timedelta(seconds=1), None)
        reader = self._reader
        return read_list(reader.client, reader.spool, account_id, report, params, None).keys


def _middle(inside: dict[date, int]) -> date | None:
    """Returns the day after which about half of the rows come, `None` where all are of one day."""
    half, rows = sum(inside.values()) / 2, 0
    for day in sorted(inside)[:-1]:
        rows += inside[day]
        if rows >= half:
            return day
    return sorted(inside)[-2] if len(inside) > 1 else None
