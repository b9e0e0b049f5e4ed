"""Reads a list by windows of its date: one that shifts while it is paged, is not answered in time, or differs in parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from harvest_source.api.answers import Answer, next_link, rows_of, total_of
from harvest_source.errors import RefusedError, TooSlowError, UnavailableError
from harvest_source.reading.query import ListQuery
from harvest_source.reading.reading import Draft, Reading
from harvest_source.reading.windows import (
    ALL_DAYS,
    ALL_DAYS_FROM,
    Window,
    cut,
    day_of,
    plan_windows,
)
from harvest_source.settings import SMALL_PAGE

WIDEST_DAYS = 366  # of the first window of a list that is not answered in time as a whole
SLOW_TRIES = 2  # of a window, before a smaller one is asked for
MOST_WINDOWS = 20_000  # more than the days of fifty years
ROUNDS = 5  # so often a day, or the rest, is read again before the report is given up for this run


def read_windows(query: ListQuery, windows: Iterable[Window]) -> Reading:
    """Returns the rows of some windows of a list. Raises as `read_anew`."""
    draft = query.draft()
    adding = _Adding(query, draft)
    for window in windows:
        adding.add_window(window)
    return draft.finish()


def read_anew(query: ListQuery, first: Reading) -> Reading:
    """Returns the complete list.

    Args:
        query: of the list.
        first: a reading by pages during which rows may have shifted.

    Raises:
        ApiError: an answer could not be read, or the list changes faster than it can be read.
    """
    draft = query.draft(first.started)
    adding = _Adding(query, draft)
    days = Counter(day for record in first.iter_light() if (day := day_of(record, adding.column)))
    for window in plan_windows(days):
        adding.add_window(window)
    for _ in range(ROUNDS):
        total = query.total()
        if total is None or len(draft.keys) >= total:
            return draft.finish()
        # what is in no window: rows without a date, and rows that moved meanwhile
        for answer in query.answers():
            draft.add(answer)
    raise adding.too_fast()


def read_from_the_newest(query: ListQuery) -> Reading:
    """Returns the complete list, for one that is not answered in time as a whole.

    Windows go from the newest day back until all rows with a date are there. One that is not answered in time either is
    halved, down to a day; that day is read by smaller pages.

    Raises:
        ApiError: an answer could not be read; `TooSlowError` where not even a small one came in time.
    """
    draft = query.draft()
    adding = _Adding(query, draft)
    newest, total = adding.newest_and_total(Window())
    dated = adding.newest_and_total(ALL_DAYS)[1]
    window, days = Window(newest - timedelta(days=WIDEST_DAYS - 1), None), WIDEST_DAYS
    while window.end is None or window.end >= ALL_DAYS_FROM:
        rows_before = len(draft.keys)
        try:
            adding.add_window(window)
        except TooSlowError:
            if days > 1:
                days //= 2
                window = Window((window.end or newest) - timedelta(days=days - 1), window.end)
                continue
            adding.add_small_pages(window)
        if dated is not None and len(draft.keys) >= dated:
            break
        if len(draft.keys) == rows_before:
            days *= 2  # years without a row cost few requests
        end = (window.start or ALL_DAYS_FROM) - timedelta(days=1)
        window = Window(max(end - timedelta(days=days - 1), ALL_DAYS_FROM), end)
    if total is not None and len(draft.keys) < total:
        adding.add_small_pages(Window())
    return draft.finish()


class _Adding:
    """Adds windows of a list to a reading in the making."""

    def __init__(self, query: ListQuery, draft: Draft) -> None:
        self.query = query
        self.draft = draft
        self.column = query.report.date_column or ""
        self._asked = 0

    def add_window(self, window: Window) -> None:
        """Adds the rows of a window, each part of it read in one moment."""
        waiting = [window]
        while waiting:
            part = waiting.pop()
            answer = self._ask(part)
            if next_link(answer.data, self.query.client.api_url) is None:
                self.draft.add(answer)
                continue
            smaller = cut(part, self._days(answer))
            if part in smaller:
                self._add_day(part)
            else:
                waiting += reversed(smaller)

    def add_small_pages(self, window: Window) -> None:
        """Adds the rows of a window by pages of a quarter of the size."""
        for answer in self.query.within(window).answers(per_page=SMALL_PAGE, slow_tries=SLOW_TRIES):
            self.draft.add(answer)

    def newest_and_total(self, window: Window) -> tuple[date, int | None]:
        """Returns the day of the first row of a window, today where there is none, and the number of rows."""
        answer = next(self.query.within(window).answers(per_page=1, slow_tries=1))
        return next(filter(None, self._days(answer)), datetime.now(UTC).date()), total_of(
            answer.data
        )

    def too_fast(self) -> UnavailableError:
        """Returns the error of a list that cannot be read whole in this run."""
        return UnavailableError(
            f"{self.query.report.name} changes faster than it can be read; the next run reads it again"
        )

    def _days(self, answer: Answer) -> list[date | None]:
        return [
            day_of(row, self.column)
            for row in rows_of(answer.data, self.query.report.rows_key or "")
        ]

    def _ask(self, window: Window) -> Answer:
        self._asked += 1
        if self._asked > MOST_WINDOWS:
            name = self.query.report.name
            raise RefusedError(
                f"{name} cannot be read by windows of its date: {MOST_WINDOWS:,} were not enough"
            )
        return next(self.query.within(window).answers(slow_tries=SLOW_TRIES))

    def _add_day(self, window: Window) -> None:
        """Adds a window that cannot be cut, by pages, until two readings agree with the count."""
        for _ in range(ROUNDS):
            ids: set[object] = set()
            totals: set[int | None] = set()
            for answer in self.query.within(window).answers():
                self.draft.add(answer)
                ids |= {
                    row.get("id") for row in rows_of(answer.data, self.query.report.rows_key or "")
                }
                totals.add(total_of(answer.data))
            if totals in ({len(ids)}, {None}):
                return
        raise self.too_fast()
