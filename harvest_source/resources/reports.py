"""Makes the resources of Harvest's own reports: every span is asked for, in each run, and takes the place of the rows it had."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import dlt
from dlt.extract import DltResource

from harvest_source.catalogue.hints import described
from harvest_source.catalogue.report import Report, Spans
from harvest_source.reading.harvest_reports import ReportReader
from harvest_source.reading.shape import Shaper
from harvest_source.reading.spans import period_of, spans_between
from harvest_source.reading.windows import Window
from harvest_source.resources.extraction import Extraction, Extractions
from harvest_source.resources.items import has_table, iter_items, known_kinds, table_without_rows
from harvest_source.settings import SECTION


def report_resource(extractions: Extractions, report: Report, hints: dict[str, Any]) -> DltResource:
    """Returns the resource of one of Harvest's own reports; selected only where it is named, but for the one of the present."""

    def rows() -> Iterator[Any]:
        extraction = extractions.current()
        with extraction.failing_as_one():
            yield from _iter_report(extraction, report, hints)

    selected = not report.only_when_named
    return described(dlt.resource(rows, section=SECTION, selected=selected, **hints), report)


def _iter_report(extraction: Extraction, report: Report, hints: dict[str, Any]) -> Iterator[Any]:
    """Yields the rows of a report, account by account and span by span."""
    is_empty, reports = True, ReportReader(extraction.reader.client)
    shaper = Shaper(report, known_kinds, extraction.notes)
    for account in extraction.accounts:
        for span in _spans(extraction, reports, report, account.id):
            rows = reports.rows(shaper, account.id, span)
            for item, _rows in iter_items(report, shaper, [rows] if rows else []):
                is_empty = False
                yield item
    if is_empty and not has_table(report):
        yield table_without_rows(report, hints)


def _spans(
    extraction: Extraction, reports: ReportReader, report: Report, account_id: int
) -> list[Window]:
    """Returns all spans from the first day that there is something to sum up to that of today, or the last one."""
    settings = extraction.reader.settings
    today, begins = extraction.reader.client.clock.today(), settings.begins_at
    ends: tuple[date, date] = (today, today)
    if report.spans is not Spans.PRESENT:
        ends = reports.days(report, account_id) or ends
    first = begins.date() if begins else min(ends[0], today)
    return spans_between(period_of(report, settings.report_period), first, max(ends[1], today))
