"""Compares a list's table with Harvest: row by row where one answer holds the list, else by counts, and closer where they differ.

Equal counts are not equal rows: what goes beyond them for longer lists is in `looking_back`.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from harvest_source.api.answers import next_link, total_of
from harvest_source.api.client import THREADS, Params
from harvest_source.api.net import stays_with_report
from harvest_source.catalogue.hints import DELETED_AT
from harvest_source.catalogue.reports import AccountReport, Paging, Report, by_name
from harvest_source.destinations.scope import LIVE, Scope
from harvest_source.destinations.warehouse import Row, Warehouse
from harvest_source.errors import AccessLostError, ApiError
from harvest_source.reading.lists import read_list
from harvest_source.reading.reader import Outcome, Reader
from harvest_source.reading.reading import Key, Pages, list_params, new_pages, records_of, versions_of
from harvest_source.reading.windows import WINDOW_ROWS, Window, WindowReader
from harvest_source.settings import PER_PAGE

ALL_DAYS = Window(date(1900, 1, 1), date(2999, 12, 31))
LOOKS = 3  # a count that changes between two looks is looked at again


@dataclass
class Finding:
    """How a list's table compares with Harvest."""

    at_harvest: int | None = None  # rows by Harvest's own count, or as many as were read
    equal: bool = False
    gone: set[Key] = field(default_factory=set)  # keys that Harvest no longer has
    pages: Pages | None = None  # rows to load again, since some are missing or differ


@dataclass(frozen=True)
class Asked:
    """What one answer tells of a list."""

    total: int | None  # Harvest's count of its rows, `None` where it gives none
    pages: Pages | None = None  # the rows, where they were asked for and the answer holds them all


class Comparison:
    """Compares the lists of one run."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._asked: dict[AccountReport, Asked] = {}  # asked for ahead
        self._errors: dict[AccountReport, ApiError] = {}  # met then
        self.counted: set[AccountReport] = set()  # lists of which nothing but counts was compared

    def use(self, warehouse: Warehouse, pending: dict[AccountReport, set[Key]]) -> None:
        """Sets where tables are read, and which of their rows are known to be gone already."""
        self._warehouse = warehouse
        self._pending = pending
        self._versions: dict[AccountReport, dict[Key, datetime | None]] = {}

    def ask_ahead(self, pairs: list[AccountReport]) -> None:
        """Asks Harvest at once for the counts or rows that `compare` will need; an error is met there, and not asked again."""
        needed = {pair: self._is_short(pair) for pair in pairs if not self._is_whole(pair)}
        with ThreadPoolExecutor(THREADS, thread_name_prefix="harvest-counts") as pool:
            futures = {pair: pool.submit(self._ask_safely, pair, rows=short) for pair, short in needed.items()}
        for pair, future in futures.items():
            try:
                self._asked[pair] = future.result()
            except AccessLostError:
                raise
            except ApiError as error:
                self._errors[pair] = error

    def _ask_safely(self, pair: AccountReport, *, rows: bool) -> Asked:
        with stays_with_report():
            return self.ask(pair, rows=rows)

    def _is_whole(self, pair: AccountReport) -> bool:
        """Returns whether this run read the whole list: then that is Harvest's list itself."""
        outcome = self._reader.outcomes.get(pair)
        pages = outcome.pages if outcome else None
        return bool(pages and not self._reader.report(pair.report).parent and pages.since == self._reader.choice.since)

    def _is_short(self, pair: AccountReport) -> bool:
        """Returns whether one answer can hold the whole list, by what the table has."""
        return (self._warehouse.count(pair.report, pair.account_id) or 0) <= PER_PAGE

    def here(self, pair: AccountReport, since: datetime | None = None) -> int:
        """Returns the number of the table's rows that should be at Harvest, of those changed since."""
        pending = 0 if since else len(self._pending.get(pair, ()))
        return (self._warehouse.count(pair.report, pair.account_id, self.scope(by_name(pair.report), since)) or 0) - pending

    def matches(self, pair: AccountReport, total: int, since: datetime | None = None) -> bool:
        """Returns whether the table has as many rows, of those changed since, as Harvest counted.

        Some lists count rows changed in the very second of the filter, others do not: both are right.
        """
        here = self.here(pair, since)
        edge = self._edge(by_name(pair.report), since)
        on_the_edge = (self._warehouse.count(pair.report, pair.account_id, edge) or 0) if edge else 0
        return here - on_the_edge <= total <= here

    def scope(self, report: Report, since: datetime | None = None) -> Scope:
        """Returns the rows of the table that Harvest's list has under the run's filters, of those changed since."""
        bound = self._since(report, since)
        return LIVE.where("updated_at", ">=", bound) if bound else LIVE

    def _since(self, report: Report, since: datetime | None = None) -> datetime | None:
        bounds = [bound for bound in (self._reader.choice.since, since) if bound and report.takes_updated_since]
        if self._reader.settings.begins_at and report.from_start_date:
            bounds.append(self._reader.settings.begins_at)
        return max(bounds, default=None)

    def _params(self, report: Report) -> Params:
        return list_params(report, self._reader.choice.since, self._reader.settings.begins_at)

    @property
    def began(self) -> datetime | None:
        """Returns the server's time when lists began to be read in this run: what changed since is the next run's."""
        return min((pages.started for pages in self._reader.readings if pages.started), default=None)

    def compare(self, pair: AccountReport, outcome: Outcome | None) -> Finding:
        """Returns how a list compares.

        Args:
            pair: account and report; for assignments read by project, the account-wide list is compared.
            outcome: of the reading in this run: where it was whole, it is Harvest's list itself.

        Raises:
            ApiError: Harvest could not be asked.
        """
        account_id, name = pair
        report = by_name(name)
        if outcome and outcome.pages and self._is_whole(pair):
            return self._against_reading(outcome.pages)
        if pair in self._errors:
            raise self._errors.pop(pair)
        for _ in range(LOOKS):
            asked = self._asked.pop(pair, None) or self.ask(pair, rows=self._is_short(pair))
            if asked.pages:
                return self.against(asked.pages)
            if asked.total is None:
                return self.read_all(report, account_id)
            self.counted.add(pair)
            if self.matches(pair, asked.total):
                return Finding(asked.total, equal=True)
            finding = self._look_closer(report, account_id, asked.total)
            if self.total(report, account_id) == asked.total:
                return finding
        return Finding(asked.total)

    def ask(self, pair: AccountReport, since: datetime | None = None, *, rows: bool) -> Asked:
        """Asks for a list, of what changed since, with one request: for all its rows, or for their number alone."""
        account_id, report = pair.account_id, by_name(pair.report)
        if not rows:
            return Asked(self.total(report, account_id, since=since))
        reader, bound = self._reader, self._since(report, since)
        params = list_params(report, bound, None)
        answer = next(reader.client.iter_pages(account_id, report.path, report.rows_key or "", params, report.name))
        total = total_of(answer.data)
        pages, keep = new_pages(reader.spool, report, account_id, since)
        keep(answer.body)
        pages.add(records_of(answer.data, report))
        if next_link(answer.data, reader.client.api_url) or total not in {None, len(pages.keys)}:
            return Asked(total)
        return Asked(len(pages.keys), pages)

    def total(
        self,
        report: Report,
        account_id: int,
        window: Window = Window(),  # noqa: B008 - frozen
        since: datetime | None = None,
    ) -> int | None:
        """Returns Harvest's count of a list's rows, `None` where it gives none."""
        params = {**list_params(report, self._since(report, since), None), **window.params(), "per_page": "1"}
        return total_of(self._reader.client.get(account_id, report.path, (report.rows_key or "",), params, report.name).data)

    def _look_closer(self, report: Report, account_id: int, total: int) -> Finding:
        if report.paging is Paging.PAGE and total > PER_PAGE:
            finding = self._by_windows(report, account_id, total)
            if finding is not None:
                return finding
        return self.read_all(report, account_id)

    def read_all(self, report: Report, account_id: int) -> Finding:
        """Reads a whole list and compares every row."""
        reader = self._reader
        self.counted.discard(AccountReport(account_id, report.name))
        pages = read_list(reader.client, reader.spool, account_id, report, self._params(report), reader.choice.since)
        return self.against(pages)

    def _against_reading(self, pages: Pages) -> Finding:
        """Compares a table's keys with those of a whole reading of this run, whose rows are loaded already."""
        pair = AccountReport(pages.account_id, pages.report.name)
        here = self.here(pair)
        if here == len(pages.keys):
            return Finding(here, equal=True)
        present = self._warehouse.keys(pages.report, pair.account_id, self.scope(pages.report)) - self._pending.get(pair, set())
        gone = present - pages.keys - self._on_the_edge(pages.report, pair.account_id)
        return Finding(len(pages.keys), equal=present == pages.keys, gone=gone)

    def against(self, pages: Pages, since: datetime | None = None) -> Finding:
        """Compares a table's keys and change times with those of a list's rows, all of them or those changed since.

        A row that changed after this run began to read is no difference: the next run asks for it.
        """
        pair, began = AccountReport(pages.account_id, pages.report.name), self.began
        present = self._present(pair, since)
        there = versions_of(pages)
        uncertain = self._on_the_edge(pages.report, pair.account_id, since) | self._pending.get(pair, set())
        gone = present.keys() - there.keys() - uncertain
        differs = any(
            key not in present or (present[key] != version and not (version and began and version >= began))
            for key, version in there.items()
        )
        return Finding(len(there), equal=not gone and not differs, gone=gone, pages=pages if differs else None)

    def holds(self, pages: Pages) -> bool:
        """Returns whether the table has every key of a list's rows, in whichever version."""
        ids = (key[0] for key in pages.keys)
        rows = self._warehouse.rows_by_id(pages.report.name, pages.account_id, "id", ids)
        return pages.keys <= {(row["id"],) for row in rows if row.get(DELETED_AT) is None}

    def _present(self, pair: AccountReport, since: datetime | None) -> dict[Key, datetime | None]:
        """Returns keys and change times of a table's rows; those of all lists read ahead are asked for together."""
        if since:
            return self._warehouse.versions({pair: self.scope(by_name(pair.report), since)})[pair]
        if pair not in self._versions:
            wanted = {pair, *(each for each, asked in self._asked.items() if asked.pages)}
            self._versions |= self._warehouse.versions({each: self.scope(by_name(each.report)) for each in wanted})
        return self._versions[pair]

    def _on_the_edge(self, report: Report, account_id: int, since: datetime | None = None) -> set[Key]:
        """Returns keys changed in the very second of the filter, which Harvest counts in some lists and not in others."""
        edge = self._edge(report, since)
        return self._warehouse.keys(report, account_id, edge) if edge else set()

    def _edge(self, report: Report, since: datetime | None = None) -> Scope | None:
        """Returns the rows changed in the very second of the filter; `None` where there is no filter."""
        bound = self._since(report, since)
        if bound is None:
            return None
        end = bound.replace(microsecond=0) + timedelta(seconds=1)
        return LIVE.where("updated_at", ">=", bound).where("updated_at", "<", end)

    def _by_windows(self, report: Report, account_id: int, total: int) -> Finding | None:
        """Halves windows by their counts until a window differs and fits an answer; reads only those.

        Returns:
            `None` where rows without a date differ: they are in no window.
        """
        column = report.date_column or ""
        per_day: Counter[date | None] = self._warehouse.count_by(report.name, column, account_id, self.scope(report))
        for row in self._pending_rows(report, account_id):
            per_day[row[column]] -= 1
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

    def _pending_rows(self, report: Report, account_id: int) -> list[Row]:
        """Returns the rows of a table that are known to be gone already."""
        keys = self._pending.get(AccountReport(account_id, report.name), ())
        return self._warehouse.rows_by_id(report.name, account_id, "id", (key[0] for key in keys))

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
            scope = self.scope(report).where(column, ">=", window.start).where(column, "<=", window.end)
            present = self._warehouse.keys(report, account_id, scope)
            finding.gone |= present - (windows.pages.keys - read_before)
            return
        left, right = window.cut_after(middle)
        left_there = self.total(report, account_id, left) or 0
        self._narrow(left, left_there, days, windows, finding)
        self._narrow(right, there - left_there, days, windows, finding)

    def _changed_meanwhile(self, report: Report, account_id: int) -> set[Key]:
        """Returns keys of rows changed since the run began: they may have moved from one window to another."""
        if self.began is None:
            return set()
        params = list_params(report, self.began - timedelta(seconds=1), None)
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
