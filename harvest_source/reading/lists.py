"""Reads one list of one account completely: all of it or an error, never a part."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace

from harvest_source.api.answers import Answer, total_of
from harvest_source.catalogue.report import Paging
from harvest_source.errors import RefusedError, TooLargeError, TooSlowError
from harvest_source.reading.by_windows import add_answers, read_anew, read_from_the_newest
from harvest_source.reading.query import ListQuery
from harvest_source.reading.reading import Draft, Reading
from harvest_source.reading.side_by_side import read_side_by_side
from harvest_source.settings import SMALL_PAGE

# before less is asked for: with the tries of smaller parts a dead list costs less than four minutes
WHOLE_TRIES = 4
SMALL_TRIES = 3
FEW_PAGES = 4  # are read one after another: windows would take half as many requests more
# in a row: a list that shifts may repeat a page or two, and the last may be empty
MOST_PAGES_WITHOUT_NEW_ROW = 100


def read_list(query: ListQuery) -> Reading:
    """Returns all rows of a list.

    Raises:
        ApiError: a page could not be read; nothing of the list is then used.
    """
    began = time.monotonic()
    try:
        reading = _read(query)
    finally:
        query.on_planned(0)
    return replace(reading, seconds=time.monotonic() - began)


def _read(query: ListQuery) -> Reading:
    client, is_slow = query.client, query.pair in query.client.slow_lists
    try:
        return _in_smaller_parts(query) if is_slow else _by_pages(query, WHOLE_TRIES)
    except TooSlowError:
        if query.report.rows_key is None or is_slow:
            raise
        client.slow_lists.add(query.pair)
        client.on_slow(query.report.name)
        return _in_smaller_parts(query)
    except TooLargeError as error:
        if not error.by_smaller:
            raise
        return _by_pages(query, SMALL_TRIES, SMALL_PAGE)


def _in_smaller_parts(query: ListQuery) -> Reading:
    """Reads by windows of the list's date; where it has none, or that does not help, by smaller pages."""
    if query.report.date_column:
        with suppress(TooSlowError):
            return read_from_the_newest(query)
    return _by_pages(query, SMALL_TRIES, SMALL_PAGE)


def _by_pages(query: ListQuery, slow_tries: int, per_page: int | None = None) -> Reading:
    """Reads page by page, and by windows where rows may have slipped from one page to another."""
    draft = query.draft()
    totals: list[int | None] = []
    without_new = 0
    for answer in query.answers(per_page=per_page, slow_tries=slow_tries):
        if not totals:
            query.plan(answer)
        if not totals and per_page is None and _is_large(query, answer):
            return read_side_by_side(query, answer)
        if without_new >= MOST_PAGES_WITHOUT_NEW_ROW:
            raise RefusedError(
                f"the pages of a list do not end: {without_new + 1} in a row brought no new row"
            )
        rows_before = draft.count
        draft.add(answer)
        without_new = 0 if draft.count > rows_before else without_new + 1
        totals.append(total_of(answer.data))
    reading = draft.finish()
    if query.report.paging is not Paging.PAGE or len(totals) == 1:
        return reading
    shifted = draft.may_have_shifted({*totals}) or _changed_behind(query, draft)
    return read_anew(query, reading) if shifted else reading


def _changed_behind(query: ListQuery, draft: Draft) -> bool:
    """Returns whether a row changed on a page that was read before: where one came and another went, the counts say nothing."""
    later = query.draft(draft.started)
    add_answers(later, query.changed_since(draft.started))
    return later.has_changed or not later.keys <= draft.keys


def _is_large(query: ListQuery, first: Answer) -> bool:
    """Returns whether a list is worth windows, by its first answer: a whole one, of more than a few pages."""
    rows, total = query.count_of(first), total_of(first.data)
    return bool(
        query.report.date_column and not query.since and total and total > FEW_PAGES * rows > 0
    )
