"""Reads a list by windows of its date: one that shifts while it is paged, is not answered in time, or differs in parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from harvest_source.api.answers import Answer, next_link, total_of
from harvest_source.api.client import TRIES
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


def add_windows(query: ListQuery, windows: Iterable[Window]) -> Draft:
    """Returns the rows of some windows of a list as a reading in the making. Raises as `read_anew`."""
    draft = query.draft()
    adding = _Adding(query, draft)
    for window in windows:
        adding.add_window(window)
    return draft


def add_pages(query: ListQuery, window: Window, answers: Iterable[Answer], draft: Draft) -> Draft:
    """Returns the rows of a window, read page by page; anew by smaller windows where rows may have slipped between pages.

    Args:
        query: of the list.
        window: to be read.
        answers: all pages of it.
        draft: to which they are added; where another one is returned, rows may have slipped.

    Raises:
        ApiError: as `read_anew`.
    """
    totals = []
    for answer in answers:
        draft.add(answer)
        totals.append(total_of(answer.data))
    if len(totals) > 1 and draft.may_have_shifted({*totals}):
        return add_windows(query, [window])
    return draft


def too_fast(query: ListQuery) -> UnavailableError:
    """Returns the error of a list that cannot be read whole in this run."""
    return UnavailableError(
        f"{query.report.name} changes faster than it can be read; the next run reads it again"
    )


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
    return with_the_rest(query, draft)


def with_the_rest(
    query: ListQuery, draft: Draft, per_page: int | None = None, slow_tries: int = TRIES
) -> Reading:
    """Returns the complete list, once all its windows are read: with what changed meanwhile, and rows that are in no window.

    Args:
        query: of the list.
        draft: what was read of it.
        per_page: rows of a page, where the list as a whole is asked for once more.
        slow_tries: of each such page, and of what changed.

    Raises:
        ApiError: as `read_anew`.
    """
    total = 0
    for _ in range(ROUNDS):
        _add_changed(draft, query, slow_tries)
        if draft.count < total:  # not only rows that came after the look before: some have no date
            add_answers(draft, query, per_page, slow_tries)
            _add_changed(draft, query, slow_tries)
        counted = query.total()
        if counted is None or draft.count >= counted:
            # of more than there are, some are gone since their window was read, and nobody knows which
            return replace(draft.finish(), settled=counted in {None, draft.count})
        total = counted
    raise too_fast(query)


def _add_changed(draft: Draft, query: ListQuery, slow_tries: int) -> None:
    add_answers(draft, query.changed_since(draft.started), slow_tries=slow_tries)


def add_answers(
    draft: Draft, query: ListQuery, per_page: int | None = None, slow_tries: int = TRIES
) -> None:
    """Adds all answers of a list to a reading in the making; arguments and errors are those of `ListQuery.answers`."""
    for answer in query.answers(per_page=per_page, slow_tries=slow_tries):
        draft.add(answer)


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
        rows_before = draft.count
        try:
            adding.add_window(window)
        except TooSlowError:
            if days > 1:
                days //= 2
                window = Window((window.end or newest) - timedelta(days=days - 1), window.end)
                continue
            adding.add_small_pages(window)
        if dated is not None and draft.count >= dated:
            break
        if draft.count == rows_before:
            days *= 2  # years without a row cost few requests
        end = (window.start or ALL_DAYS_FROM) - timedelta(days=1)
        window = Window(max(end - timedelta(days=days - 1), ALL_DAYS_FROM), end)
    if total is not None and draft.count < total:
        adding.add_small_pages(Window())
    try:
        total = adding.newest_and_total(Window())[1]
    except TooSlowError:  # what was read is not thrown away for a count
        return replace(draft.finish(), settled=False)
    if total is not None and draft.count < total:
        return with_the_rest(query, draft, SMALL_PAGE, SLOW_TRIES)
    return replace(draft.finish(), settled=total is None or draft.count == total)


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
            smaller = cut(part, self.query.days_of(answer))
            if part in smaller:
                self._add_day(part)
            else:
                waiting += reversed(smaller)

    def add_small_pages(self, window: Window) -> None:
        """Adds the rows of a window by pages of a quarter of the size."""
        add_answers(self.draft, self.query.within(window), SMALL_PAGE, SLOW_TRIES)

    def newest_and_total(self, window: Window) -> tuple[date, int | None]:
        """Returns the day of the first row of a window, today where there is none, and the number of rows."""
        answer = next(self.query.within(window).answers(per_page=1, slow_tries=1))
        return next(filter(None, self.query.days_of(answer)), datetime.now(UTC).date()), total_of(
            answer.data
        )

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
            day, totals = self.query.draft(), set()
            for answer in self.query.within(window).answers():
                day.add(answer)
                totals.add(total_of(answer.data))
            self.draft.merge(day)
            if totals in ({day.count}, {None}):
                return
        raise too_fast(self.query)
