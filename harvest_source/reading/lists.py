"""Reads one list of one account completely: all pages or an error, never a part."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from harvest_source.api.answers import Answer, total_of
from harvest_source.api.client import HarvestClient, Params
from harvest_source.catalogue.reports import Paging, Report
from harvest_source.errors import RefusedError, TooLargeError, TooSlowError
from harvest_source.reading.reading import Pages, bound_newest, new_pages, records_of
from harvest_source.reading.spool import Spool
from harvest_source.reading.windows import WindowReader
from harvest_source.settings import COMPANY_FIELDS, SMALL_PAGE

WHOLE_TRIES = 4  # before less is asked for: with the tries of smaller parts a dead list costs less than four minutes
SMALL_TRIES = 3
MOST_PAGES_WITHOUT_NEW_ROW = 100  # in a row: a list that shifts may repeat a page or two, and the last may be empty


def read_list(
    client: HarvestClient, spool: Spool, account_id: int, report: Report, params: Params, since: datetime | None
) -> Pages:
    """Reads all pages of a list into the spool.

    Args:
        client: sends the requests.
        spool: keeps the answers until they are loaded.
        account_id: whose list.
        report: a report that is a list, or the one object that is the company.
        params: the list's filters.
        since: what the filters ask for, kept with the pages.

    Raises:
        ApiError: a page could not be read; nothing of the list is then used.
    """
    began = time.monotonic()
    reading = _Reading(client, spool, account_id, report, params, since)
    try:
        pages = reading.in_smaller_parts() if report.name in client.slow_lists else reading.by_pages(WHOLE_TRIES)
    except TooSlowError:
        if report.rows_key is None or report.name in client.slow_lists:
            raise
        client.slow_lists.add(report.name)
        client.on_slow(report.name)
        pages = reading.in_smaller_parts()
    except TooLargeError as error:
        if not error.by_smaller:
            raise
        pages = reading.by_pages(SMALL_TRIES, SMALL_PAGE)
    bound_newest(pages)
    pages.seconds = time.monotonic() - began
    return pages


@dataclass(frozen=True)
class _Reading:
    client: HarvestClient
    spool: Spool
    account_id: int
    report: Report
    params: Params
    since: datetime | None

    def in_smaller_parts(self) -> Pages:
        """Reads by windows of the list's date; where it has none, or that does not help, by smaller pages."""
        if self.report.date_column:
            pages, keep = self._new_pages()
            with suppress(TooSlowError):
                return WindowReader(self.client, pages, self.params, pages, keep).read_from_the_newest()
        return self.by_pages(SMALL_TRIES, SMALL_PAGE)

    def _new_pages(self) -> tuple[Pages, Callable[[bytes], None]]:
        return new_pages(self.spool, self.report, self.account_id, self.since)

    def _answers(self, slow_tries: int, per_page: int | None) -> Iterator[Answer]:
        client, report = self.client, self.report
        if report.rows_key is None:
            return iter([client.get(self.account_id, report.path, COMPANY_FIELDS, label=report.name)])
        return client.iter_pages(
            self.account_id, report.path, report.rows_key, self.params, report.name, per_page=per_page, slow_tries=slow_tries
        )

    def by_pages(self, slow_tries: int, per_page: int | None = None) -> Pages:
        """Reads page by page, and by windows where rows may have slipped from one page to another."""
        pages, keep = self._new_pages()
        totals: set[int | None] = set()
        answers = without_new = 0
        for answer in self._answers(slow_tries, per_page):
            if without_new >= MOST_PAGES_WITHOUT_NEW_ROW:
                raise RefusedError(f"the pages of a list do not end: {without_new + 1} in a row brought no new row")
            answers += 1
            records, rows_before = records_of(answer.data, self.report), len(pages.keys)
            if records or answers == 1:
                keep(answer.body)
            pages.add(records)
            without_new = 0 if len(pages.keys) > rows_before else without_new + 1
            pages.started = pages.started or answer.server_time
            totals.add(total_of(answer.data))
        pages.total_entries = max((total for total in totals if total is not None), default=None)
        if self.report.paging is Paging.PAGE and answers > 1 and may_have_shifted(pages, totals):
            again, keep = self._new_pages()
            pages = WindowReader(self.client, pages, self.params, again, keep).read()
        return pages


def may_have_shifted(pages: Pages, totals: set[int | None]) -> bool:
    """Returns whether a row may have slipped onto a page already read while a list paged by number was read.

    That is so where the count changed or is not met, a row came twice, or a row changed meanwhile: an insertion and a
    deletion between two pages leave the count as it was.
    """
    counted = totals != {None}
    changed_meanwhile = bool(pages.newest and pages.started and pages.newest >= pages.started)
    return bool(pages.repeated) or changed_meanwhile or (counted and totals != {len(pages.keys)})
