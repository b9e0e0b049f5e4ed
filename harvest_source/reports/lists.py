"""Reads one list of one account completely: all pages or an error, never a part."""

from __future__ import annotations

import time
from datetime import datetime

from harvest_source.api.client import HarvestClient, Params
from harvest_source.reports.catalogue import Paging, Report
from harvest_source.reports.reading import Pages, bound_newest, new_pages, records_of
from harvest_source.reports.spool import Spool
from harvest_source.reports.windows import WindowReader
from harvest_source.settings import COMPANY_FIELDS


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
    pages, keep = new_pages(spool, report, account_id, since)
    totals: set[int | None] = set()
    answers = 0
    if report.rows_key is None:
        coming = iter([client.get(account_id, report.path, COMPANY_FIELDS, label=report.name)])
    else:
        coming = client.iter_pages(account_id, report.path, report.rows_key, params, report.name)
    for answer in coming:
        answers += 1
        keep(answer.body)
        pages.add(records_of(answer.data, report))
        pages.started = pages.started or answer.server_time
        totals.add(answer.data.get("total_entries"))
    pages.total_entries = max((total for total in totals if total is not None), default=None)
    if report.paging is Paging.PAGE and answers > 1 and may_have_shifted(pages, totals):
        again, keep = new_pages(spool, report, account_id, since)
        pages = WindowReader(client, pages, params, again, keep).read()
    bound_newest(pages)
    pages.seconds = time.monotonic() - began
    return pages


def may_have_shifted(pages: Pages, totals: set[int | None]) -> bool:
    """Returns whether a row may have slipped onto a page already read while a list paged by number was read.

    That is so where the count changed or is not met, a row came twice, or a row changed meanwhile: an insertion and a
    deletion between two pages leave the count as it was.
    """
    counted = totals != {None}
    changed_meanwhile = bool(pages.newest and pages.started and pages.newest >= pages.started)
    return bool(pages.repeated) or changed_meanwhile or (counted and totals != {len(pages.keys)})
