"""Reads one list of one account completely: all of it or an error, never a part."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace

from harvest_source.api.answers import total_of
from harvest_source.catalogue.report import Paging
from harvest_source.errors import RefusedError, TooLargeError, TooSlowError
from harvest_source.reading.by_windows import read_anew, read_from_the_newest
from harvest_source.reading.query import ListQuery
from harvest_source.reading.reading import Reading
from harvest_source.settings import SMALL_PAGE

# before less is asked for: with the tries of smaller parts a dead list costs less than four minutes
WHOLE_TRIES = 4
SMALL_TRIES = 3
# in a row: a list that shifts may repeat a page or two, and the last may be empty
MOST_PAGES_WITHOUT_NEW_ROW = 100


def read_list(query: ListQuery) -> Reading:
    """Returns all rows of a list.

    Raises:
        ApiError: a page could not be read; nothing of the list is then used.
    """
    began = time.monotonic()
    reading = _read(query)
    return replace(reading, seconds=time.monotonic() - began)


def _read(query: ListQuery) -> Reading:
    client, name = query.client, query.report.name
    try:
        return (
            _in_smaller_parts(query) if name in client.slow_lists else _by_pages(query, WHOLE_TRIES)
        )
    except TooSlowError:
        if query.report.rows_key is None or name in client.slow_lists:
            raise
        client.slow_lists.add(name)
        client.on_slow(name)
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
        if without_new >= MOST_PAGES_WITHOUT_NEW_ROW:
            raise RefusedError(
                f"the pages of a list do not end: {without_new + 1} in a row brought no new row"
            )
        rows_before = len(draft.keys)
        draft.add(answer)
        without_new = 0 if len(draft.keys) > rows_before else without_new + 1
        totals.append(total_of(answer.data))
    reading = draft.finish()
    if (
        query.report.paging is Paging.PAGE
        and len(totals) > 1
        and may_have_shifted(reading, set(totals))
    ):
        return read_anew(query, reading)
    return reading


def may_have_shifted(reading: Reading, totals: set[int | None]) -> bool:
    """Returns whether a row may have slipped onto a page already read while a list paged by number was read.

    That is so where the count changed or is not met, a row came twice, or a row changed meanwhile: an insertion and a
    deletion between two pages leave the count as it was.
    """
    counted = totals != {None}
    changed_meanwhile = bool(
        reading.newest and reading.started and reading.newest >= reading.started
    )
    return (
        bool(reading.repeated) or changed_meanwhile or (counted and totals != {len(reading.keys)})
    )
