"""Asks for Harvest's own reports, span by span, and for the days between which there is something to report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from harvest_source.api.answers import Answer, rows_of, total_of
from harvest_source.api.client import HarvestClient, Params
from harvest_source.api.net import stays_with_report
from harvest_source.api.parsing import clean_text, needs_cleaning, parse_exact
from harvest_source.catalogue.columns.reports import FROM_DATE, TO_DATE
from harvest_source.catalogue.lookup import by_name
from harvest_source.catalogue.report import Report, Row, Spans
from harvest_source.errors import NotAllowedError, UnavailableError
from harvest_source.reading.shape import Shaper
from harvest_source.reading.windows import Window, day_of

TIME, EXPENSES = "time_entries", "expenses"
SPENT_DATE = "spent_date"


def sources_of(report: Report) -> tuple[str, ...]:
    """Returns the lists whose rows a report sums up; of the present, none tells which days count."""
    if report.spans is Spans.PRESENT:
        return ()
    if report.spans is Spans.YEARS:
        return (TIME, EXPENSES)
    return (TIME,) if report.path.startswith("reports/time/") else (EXPENSES,)


@dataclass
class ReportReader:
    """Reads Harvest's own reports; of the limit of their own, each request waits its turn."""

    client: HarvestClient
    # account and list: the first and the last day of its rows, or none where there is no row
    _days: dict[tuple[int, str], tuple[date, date] | None] = field(default_factory=dict)

    def rows(self, shaper: Shaper, account_id: int, span: Window) -> list[Row]:
        """Returns the rows of a report for a span of days, as its table has them.

        Args:
            shaper: of the report.
            account_id: whose report.
            span: whole days; one without days for the present.

        Raises:
            ApiError: it cannot be read, or changed while its pages were read.
        """
        report = shaper.report
        with _explained(report), stays_with_report():
            answers = self.client.get_pages(
                account_id, report.path, "results", _params(report, span), report.name
            )
            records = [record for answer in answers for record in _records(answer)]
            totals = {total_of(answer.data) for answer in answers} - {None}
            if totals and totals != {len(records)}:
                raise UnavailableError(
                    "the report changed while its pages were read; the next run asks again"
                )
            days = (
                {}
                if report.spans is Spans.PRESENT
                else {FROM_DATE.name: span.start, TO_DATE.name: span.end}
            )
            return [shaper.shape(record, account_id) | days for record in records]

    def days(self, report: Report, account_id: int) -> tuple[date, date] | None:
        """Returns the first and the last day of what a report sums up, as Harvest's lists have them; `None` where they are empty.

        The lists begin with their newest day: their first and last row tell, two requests each, once for all reports.

        Raises:
            ApiError: a list cannot be read, or does not say how long it is.
        """
        found = []
        for name in sources_of(report):
            if (account_id, name) not in self._days:
                with _explained(report), stays_with_report():
                    self._days[account_id, name] = self._ends(report, account_id, name)
            found += [self._days[account_id, name]]
        days = [day for each in found if each for day in each]
        return (min(days), max(days)) if days else None

    def _ends(self, report: Report, account_id: int, name: str) -> tuple[date, date] | None:
        newest = self._row(report, account_id, name, 1)
        rows, total = rows_of(newest.data, name), total_of(newest.data)
        if not rows:
            return None
        if total is None:
            raise UnavailableError(f"Harvest does not say how many {name} there are")
        oldest = rows_of(self._row(report, account_id, name, total).data, name) or rows
        days = [day for row in (*rows, *oldest) if (day := day_of(row, SPENT_DATE))]
        return (min(days), max(days)) if days else None

    def _row(self, report: Report, account_id: int, name: str, place: int) -> Answer:
        params = {"per_page": "1", "page": str(place)}
        return self.client.get(account_id, by_name(name).path, (name,), params, report.name)


def _params(report: Report, span: Window) -> Params:
    # else the time of fixed-fee projects is worth nothing
    whole = {"include_fixed_fee": "true"} if report.path.startswith("reports/time/") else {}
    return span.params() | whole


def _records(answer: Answer) -> Iterator[dict[str, Any]]:
    data = parse_exact(answer.body)
    yield from rows_of(clean_text(data) if needs_cleaning(answer.body) else data, "results")


@contextmanager
def _explained(report: Report) -> Iterator[None]:
    """Says who may read a report that is refused."""
    try:
        yield
    except NotAllowedError as error:
        raise error.saying(
            f"{error.message}; to read {report.name} one must be {report.access}"
        ) from error
