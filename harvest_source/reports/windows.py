"""Reads a list that shifts while it is paged: by windows of its date, each of which fits into one answer.

One answer is one moment: nothing can shift within it. A row that moves between windows has a new `updated_at`, and the
bookmark does not pass the moment the reading began, so the next run asks for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from harvest_source.api.answers import Answer, next_link, rows_of
from harvest_source.api.client import HarvestClient, Params
from harvest_source.api.errors import UnavailableError
from harvest_source.reports.reading import Pages, Record

WINDOW_ROWS = 1500  # a window may grow by a third before it no longer fits into one answer of 2,000
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
    """Returns the day of a record, `None` where it has none: such rows are in no window."""
    try:
        return date.fromisoformat(str(record.get(date_column)))
    except ValueError:
        return None


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
        total = answer.data.get("total_entries")
        return total if isinstance(total, int) else None

    def _answers(self, params: Params) -> Iterator[Answer]:
        rows_key = self._report.rows_key or ""
        return self._client.iter_pages(self._account_id, self._report.path, rows_key, params, self._report.name)

    def _add(self, answer: Answer) -> None:
        self._keep(answer.body)
        self.pages.add(rows_of(answer.data, self._report.rows_key or ""))
        self.pages.started = self.pages.started or self._first.started or answer.server_time

    def read_window(self, window: Window) -> None:
        """Adds the rows of a window, each part of it read in one moment."""
        answer = next(self._answers({**self._params, **window.params()}))
        if next_link(answer.data, self._client.api_url) is None:
            self._add(answer)
            return
        for part in self._cut(window, answer):
            if part == window:
                self._read_day(part)
            else:
                self.read_window(part)

    def _cut(self, window: Window, answer: Answer) -> list[Window]:
        """Returns smaller windows that make up one whose rows do not fit into one answer; itself where it is one day."""
        column, rows_key = self._report.date_column or "", self._report.rows_key or ""
        days = sorted(filter(None, (day_of(row, column) for row in answer.data[rows_key])))
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
            answers = list(self._answers({**self._params, **window.params()}))
            ids = {row.get("id") for answer in answers for row in rows_of(answer.data, self._report.rows_key or "")}
            totals = {answer.data.get("total_entries") for answer in answers}
            for answer in answers:
                self._add(answer)
            if totals in ({len(ids)}, {None}):
                return
        raise self._too_fast()

    def _read_rest(self) -> None:
        """Reads by pages what is in no window: rows without a date, and rows that moved meanwhile."""
        for answer in self._answers(self._params):
            self._add(answer)
