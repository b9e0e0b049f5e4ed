"""The spans of days that Harvest's own reports are asked for: whole months, weeks or years, none with a day of another.

A report takes at most 365 days from its first to its last (Harvest API, reports), which a leap year just is.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta

from harvest_source.catalogue.report import Report, Spans
from harvest_source.reading.windows import Window

EARLIEST, LATEST = date(1990, 1, 1), date(2100, 12, 31)  # a mistyped year would else be many spans
ONE_DAY = timedelta(days=1)
YEAR, PRESENT = "year", "present"


def period_of(report: Report, setting: str) -> str:
    """Returns what one span of a report is: a `month`, `week` or `year`, or the `present`.

    Args:
        report: one of Harvest's own.
        setting: `report_period`.
    """
    if report.spans is Spans.PRESENT:
        return PRESENT
    return YEAR if report.spans is Spans.YEARS else setting


def spans_between(period: str, first: date, last: date) -> list[Window]:
    """Returns the spans of a period from that which holds a day to that which holds another; weeks begin on Mondays.

    Args:
        period: of `period_of`; of the present there is one span, which has no days.
        first: day; the earliest that counts is `EARLIEST`.
        last: day; the latest that counts is `LATEST`.
    """
    if period == PRESENT:
        return [Window()]
    start, last = _first_day(period, max(first, EARLIEST)), min(last, LATEST)
    found = []
    while start <= last:
        following = _first_day(period, start + timedelta(days=_AFTER[period]))
        found.append(Window(start, following - ONE_DAY))
        start = following
    return found


_AFTER = {
    "week": 7,
    "month": 31,
    YEAR: 366,
}  # from a first day, so many days lead into the next span


def _first_day(period: str, day: date) -> date:
    if period == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if period == "month" else day.replace(month=1, day=1)


def overlapping(span: Window, others: Collection[Window]) -> list[Window]:
    """Returns the other spans that have a day of one, such as the months in a year that is now one span."""
    return [
        other
        for other in others
        if other != span
        and (other.start or date.min) <= (span.end or date.max)
        and (other.end or date.max) >= (span.start or date.min)
    ]
