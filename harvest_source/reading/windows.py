"""Reads a list that shifts while it is paged: by windows of its date, each of which fits into one answer.

One answer is one moment: nothing can shift within it. A row that moves between windows has a new `updated_at`, and the
bookmark does not pass the moment the reading began, so the next run asks for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from harvest_source.api.answers import Answer, next_link, rows_of, total_of
from harvest_source.api.client import TRIES, HarvestClient, Params
from harvest_source.errors import RefusedError, TooSlowError, UnavailableError
from harvest_source.reading.reading import Pages, Record
from harvest_source.settings import SMALL_PAGE

WINDOW_ROWS = 1500  # a window may grow by a third before it no longer fits into one answer of 2,000
WIDEST_DAYS = 366  # of the first window of a list that is not answered in time as a whole
SLOW_TRIES = 2  # of a window, before a smaller one is asked for
ALL_DAYS_FROM, ALL_DAYS_TO = date(1900, 1, 1), date(2999, 12, 31)
MOST_WINDOWS = 20_000  # more than the days of fifty years
ROUNDS = 5  # so often a day, or the rest, is read again before the report is given up for this run


@dataclass(frozen=True)
class Window:
    """Days from `start` to `end`, both included; `None` where it is open."""

    start: date | None = None
    end: date | None = None

    def params(self) -> Params:
        """Returns the window as the API's filter (`from`, `to`, both inclusive)."""
        named = {"from": self.start, "to": self.end}
        return {name: day.isoformat() for name, day in named.items() if day}

    @property
    def holds_days(self) -> bool:
        """Returns whether there is a day in the window."""
        return self.start is None or self.end is None or self.start <= self.end

    def holds(self, day: date) -> bool:
        """Returns whether a day is in the window."""
        return (self.start is None or self.start <= day) and (self.end is None or day <= self.end)

    def cut_after(self, day: date) -> tuple[Window, Window]:
        """Returns the two windows that meet after a day."""
        return Window(self.start, day), Window(day + timedelta(days=1), self.end)


def plan_windows(days: Counter[date]) -> list[Window]:
    """Returns windows that cover all days, each with few enough rows by the given counts per day."""
    windows: list[Window] = []
    rest, rows = Window(), 0
    for day in sorted(days):
        if rows and rows + days[day] > WINDOW_ROWS:
            before, rest = rest.cut_after(day - timedelta(days=1))
            windows.append(before)
            rows = 0
        rows += days[day]
    return [*windows, rest]


def day_of(record: Record, date_column: str) -> date | None:
    """Returns the day of a record, `None` where it has none that a window can have."""
    text = record.get(date_column)
    try:
        day = date.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return day if day and ALL_DAYS_FROM <= day <= ALL_DAYS_TO else None


class WindowReader:
    """Reads one list of one account anew, by windows."""

    def __init__(self, client: HarvestClient, first: Pages, params: Params, pages: Pages, keep: Callable[[bytes], None]) -> None:
        """Prepares the reading.

        Args:
            client: sends the requests.
            first: a reading by pages during which rows may have shifted.
            params: the list's filters.
            pages: what is read is added to these.
            keep: keeps an answer's body.
        """
        self._client = client
        self._report = first.report
        self._account_id = first.account_id
        self._params = params
        self._first = first
        self.pages = pages
        self._keep = keep
        self._windows = 0  # asked for so far

    def read(self) -> Pages:
        """Returns the complete list.

        Raises:
            ApiError: an answer could not be read, or the list changes faster than it can be read.
        """
        column = self._report.date_column or ""
        days = Counter(day for record in self._first.iter_light() if (day := day_of(record, column)))
        for window in plan_windows(days):
            self.read_window(window)
        for _ in range(ROUNDS):
            total = self._total()
            if total is None or len(self.pages.keys) >= total:
                self.pages.total_entries = total
                return self.pages
            self._read_rest()
        raise self._too_fast()

    def read_from_the_newest(self) -> Pages:
        """Returns the complete list, for one that is not answered in time as a whole.

        Windows go from the newest day back until all rows with a date are there. One that is not answered in time either is
        halved, down to a day; that day is read by smaller pages.

        Raises:
            ApiError: an answer could not be read; `TooSlowError` where not even a small one came in time.
        """
        newest, total = self._newest_and_total({})
        dated = self._newest_and_total(Window(ALL_DAYS_FROM, ALL_DAYS_TO).params())[1]
        window, days = Window(newest - timedelta(days=WIDEST_DAYS - 1), None), WIDEST_DAYS
        while window.end is None or window.end >= ALL_DAYS_FROM:
            rows_before = len(self.pages.keys)
            try:
                self.read_window(window)
            except TooSlowError:
                if days > 1:
                    days //= 2
                    window = Window((window.end or newest) - timedelta(days=days - 1), window.end)
                    continue
                self._read_by_pages(window.params())
            if dated is not None and len(self.pages.keys) >= dated:
                break
            if len(self.pages.keys) == rows_before:
                days *= 2  # years without a row cost few requests
            end = (window.start or ALL_DAYS_FROM) - timedelta(days=1)
            window = Window(max(end - timedelta(days=days - 1), ALL_DAYS_FROM), end)
        self.pages.total_entries = total
        if total is not None and len(self.pages.keys) < total:
            self._read_by_pages({})
        return self.pages

    def _newest_and_total(self, params: Params) -> tuple[date, int | None]:
        """Returns the day of the first row, today where there is none, and the number of rows."""
        rows_key = self._report.rows_key or ""
        coming = self._client.iter_pages(
            self._account_id,
            self._report.path,
            rows_key,
            {**self._params, **params},
            self._report.name,
            per_page=1,
            slow_tries=1,
        )
        data = next(coming).data
        days = (day_of(row, self._report.date_column or "") for row in data[rows_key])
        return next(filter(None, days), datetime.now(UTC).date()), total_of(data)

    def _read_by_pages(self, params: Params) -> None:
        """Adds rows by pages of a quarter of the size."""
        rows_key, params = self._report.rows_key or "", {**self._params, **params}
        for answer in self._client.iter_pages(
            self._account_id, self._report.path, rows_key, params, self._report.name, per_page=SMALL_PAGE, slow_tries=SLOW_TRIES
        ):
            self._add(answer)

    def _too_fast(self) -> UnavailableError:
        return UnavailableError(f"{self._report.name} changes faster than it can be read; the next run reads it again")

    def _total(self) -> int | None:
        answer = self._client.get(
            self._account_id,
            self._report.path,
            (self._report.rows_key or "",),
            {**self._params, "per_page": "1"},
            self._report.name,
        )
        return total_of(answer.data)

    def _answers(self, params: Params, slow_tries: int = TRIES) -> Iterator[Answer]:
        rows_key, name = self._report.rows_key or "", self._report.name
        return self._client.iter_pages(self._account_id, self._report.path, rows_key, params, name, slow_tries=slow_tries)

    def _add(self, answer: Answer) -> None:
        self._keep(answer.body)
        self.pages.add(rows_of(answer.data, self._report.rows_key or ""))
        self.pages.started = self.pages.started or self._first.started or answer.server_time

    def read_window(self, window: Window) -> None:
        """Adds the rows of a window, each part of it read in one moment."""
        waiting = [window]
        while waiting:
            part = waiting.pop()
            answer = self._ask_window(part)
            if next_link(answer.data, self._client.api_url) is None:
                self._add(answer)
                continue
            smaller = self._cut(part, answer)
            if part in smaller:
                self._read_day(part)
            else:
                waiting += reversed(smaller)

    def _ask_window(self, window: Window) -> Answer:
        self._windows += 1
        if self._windows > MOST_WINDOWS:
            raise RefusedError(f"{self._report.name} cannot be read by windows of its date: {MOST_WINDOWS:,} were not enough")
        return next(self._answers({**self._params, **window.params()}, slow_tries=SLOW_TRIES))

    def _cut(self, window: Window, answer: Answer) -> list[Window]:
        """Returns smaller windows that make up one whose rows do not fit into one answer; itself where it is one day."""
        column, rows_key = self._report.date_column or "", self._report.rows_key or ""
        found = (day_of(row, column) for row in answer.data[rows_key])
        days = sorted(day for day in found if day and window.holds(day))
        if not days:
            return [window]
        middle = days[len(days) // 2]
        before, rest = window.cut_after(middle - timedelta(days=1))
        only, after = rest.cut_after(middle)
        if days[0] == days[-1]:
            return [part for part in (before, only, after) if part.holds_days]
        return list(window.cut_after(middle)) if middle < days[-1] else [before, rest]

    def _read_day(self, window: Window) -> None:
        """Reads a window that cannot be cut, by pages, until two readings agree with the count."""
        for _ in range(ROUNDS):
            ids: set[object] = set()
            totals: set[int | None] = set()
            for answer in self._answers({**self._params, **window.params()}):
                self._add(answer)
                ids |= {row.get("id") for row in rows_of(answer.data, self._report.rows_key or "")}
                totals.add(total_of(answer.data))
            if totals in ({len(ids)}, {None}):
                return
        raise self._too_fast()

    def _read_rest(self) -> None:
        """Reads by pages what is in no window: rows without a date, and rows that moved meanwhile."""
        for answer in self._answers(self._params):
            self._add(answer)
