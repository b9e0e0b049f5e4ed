"""Reads a large list by windows of its date, several at once, and continues from those that an interrupted run kept.

A window's first answer tells how many rows it has. One of few pages is read to its end; a larger one keeps the days that the
answer holds whole, and what is left is cut by the density of what is known. So nothing is asked only to be counted, but for
the last look: at what changed meanwhile, and at the count. Where it differs, rows are asked for that no window has, since they
have no date.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import chain
from math import ceil

from harvest_source.api.answers import Answer, total_of
from harvest_source.api.client import THREADS
from harvest_source.reading.by_windows import SLOW_TRIES, add_pages, with_the_rest
from harvest_source.reading.query import ListQuery
from harvest_source.reading.reading import Draft, Reading
from harvest_source.reading.windows import ALL_DAYS_FROM, Window, between, cut

FULL = 0.9  # so much of its pages a window is meant to fill: one page more is asked for where it does not fit
MOST_PAGES = 10  # of a window, so that a killed run loses little


@dataclass(frozen=True)
class _Part:
    """What was read of a window, and windows that make up the rest of it."""

    draft: Draft
    rest: tuple[Window, ...] = ()
    day_rows: int = 0  # of the day that follows the rest, where it has more than an answer holds


def read_side_by_side(query: ListQuery, first: Answer) -> Reading:
    """Returns the complete list.

    Args:
        query: of the list.
        first: its first answer, which has a count and does not hold the whole list.

    Raises:
        ApiError: an answer could not be read, or the list changes faster than it can be read.
    """
    kept = query.kept_windows()
    if query.kept_hours is not None and not kept:
        query.store.drop(query.pair)  # what was kept of another choice
    whole = query.draft(first.server_time)
    for draft in kept.values():
        whole.merge(draft)
    query.plan(first, whole.count, FULL)
    _Spreading(query, first).fill(whole, between(kept))
    # what moved from one window to another has changed since; rows without a date are in no window
    return with_the_rest(query, whole)


@dataclass(frozen=True)
class _Spreading:
    """Reads windows of one list in threads; see the module."""

    query: ListQuery
    first: Answer  # of the whole list

    @property
    def page_rows(self) -> int:
        """Returns how many rows a full page has."""
        return max(self.query.count_of(self.first), 1)

    @property
    def window_rows(self) -> int:
        """Returns how many rows a window may have: of few, more are asked at once; of many, fewer pages are half empty."""
        pages = ceil((total_of(self.first.data) or 0) / self.page_rows)
        return max(1, min(pages // THREADS, MOST_PAGES)) * self.page_rows

    def fill(self, whole: Draft, windows: Iterable[Window]) -> None:
        """Reads windows and adds their rows."""
        submit = self.query.window_threads.submit
        waiting: set[Future[_Part]] = {submit(self._read, each) for each in windows}
        try:
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    part = future.result()
                    whole.merge(part.draft)
                    waiting |= {submit(self._read, each, part.day_rows) for each in part.rest}
        finally:
            for each in waiting:  # where one fails, those that wait are not begun
                each.cancel()

    def _read(self, window: Window, day_rows: int = 0) -> _Part:
        """Reads a window of few pages to its end; of a larger one the days that its first answer holds whole.

        Args:
            window: to be read.
            day_rows: of the day that follows it, as in `_Part`.
        """
        if window == Window():
            return self._split(window, self.first, day_rows)
        answers = self.query.within(window).answers(slow_tries=SLOW_TRIES)
        first = next(answers)
        total = total_of(first.data)
        is_one_day = window.start == window.end
        if total is None or is_one_day or total <= self.window_rows + self.page_rows:
            return self._read_to_the_end(window, chain([first], answers))
        return self._split(window, first, day_rows)

    def _read_to_the_end(self, window: Window, answers: Iterable[Answer]) -> _Part:
        draft = self.query.window_draft(window)
        read = add_pages(self.query, window, answers, draft)
        if read is draft:
            self.query.keep_window(window, draft)
        return _Part(read)

    def _split(self, window: Window, first: Answer, day_rows: int) -> _Part:
        days = self.query.days_of(first)
        known = [day for day in days if day]
        oldest, newest = min(known, default=ALL_DAYS_FROM), max(known, default=ALL_DAYS_FROM)
        are_sorted = len(known) == len(days) and known == sorted(known, reverse=True)
        head = sum(day > oldest for day in known)
        if are_sorted and not head and window != Window(oldest, window.end):
            return self._split_after(window, oldest, total_of(first.data) or 0, day_rows)
        if not are_sorted or not head:
            smaller = cut(window, days)
            if window in smaller:
                return self._read_to_the_end(window, self.query.within(window).answers())
            return _Part(self.query.draft(), tuple(smaller))
        rest, whole_days = window.cut_after(oldest)
        draft = self.query.window_draft(whole_days)
        draft.add(first, since=whole_days.start)
        self.query.keep_window(whole_days, draft)
        rows = (total_of(first.data) or 0) - head
        days_known = (
            (newest - oldest).days if rest.start is None else (oldest - rest.start).days + 1
        )
        rows_a_day = (head if rest.start is None else max(rows, 1)) / days_known
        return _Part(draft, tuple(self._cut(rest, oldest, rows, rows_a_day)))

    def _split_after(self, window: Window, day: date, total: int, day_rows: int) -> _Part:
        """Reads the newest day of a window, which has more rows than an answer; after two such days all are taken for such."""
        before, newest = window.cut_after(day - timedelta(days=1))
        answers = self.query.within(newest).answers(slow_tries=SLOW_TRIES)
        first = next(answers)
        rows = total_of(first.data) or self.page_rows
        part = self._read_to_the_end(newest, chain([first], answers))
        rest = [before]
        if day_rows:
            both = (day_rows + rows) / 2
            rest = [*self._cut(before, day - timedelta(days=1), max(total - rows, 0), both)]
        return _Part(part.draft, tuple(rest), rows)

    def _cut(self, rest: Window, newest: date, rows: int, rows_a_day: float) -> Iterator[Window]:
        """Yields windows, the newest first, that make up one; the last has the days before all others."""
        days_each = max(1, int(self.window_rows * FULL / rows_a_day))
        end = newest
        for _ in range(ceil(rows / (self.window_rows * FULL)) - 1):
            start = end - timedelta(days=days_each - 1)
            if start <= (rest.start or ALL_DAYS_FROM):
                break
            yield Window(start, end)
            end = start - timedelta(days=1)
        yield Window(rest.start, end)
