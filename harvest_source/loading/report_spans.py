"""Which spans of one of Harvest's own reports a run asks for, and what dlt's state keeps of those that it asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from harvest_source.catalogue.report import AccountReport, Report, Spans
from harvest_source.loading.report_prints import Days
from harvest_source.reading.spans import PRESENT, overlapping, spans_between
from harvest_source.reading.windows import Window

NEVER_EQUAL = "-"  # in place of a fingerprint: the span is asked for again whatever the tables say


@dataclass
class Asked:
    """What is known of one report of one account, and what of it was asked for."""

    report: Report
    account_id: int
    period: str
    sees: (
        str  # which rows the token sees, where not all: another token has every span asked for anew
    )
    present: dict[Window, int]  # rows in the table, by span
    kept: dict[str, str] = field(default_factory=dict)  # span: fingerprint and number of rows

    @property
    def pair(self) -> AccountReport:
        """Returns which report of which account."""
        return AccountReport(self.account_id, self.report.name)

    @property
    def state(self) -> dict[str, Any]:
        """Returns what dlt's state keeps."""
        return {"period": self.period, "sees": self.sees, "spans": dict(self.kept)}

    def take_over(self, state: Mapping[str, Any]) -> None:
        """Takes what an earlier run kept, unless it asked for other spans or with another token."""
        if (state.get("period"), state.get("sees")) == (self.period, self.sees):
            self.kept = dict(state.get("spans", {}))

    def note(self, span: Window, days: Days | None, rows: int) -> None:
        """Notes how a span stood when it was asked for."""
        if span.start:
            self.kept[span.start.isoformat()] = _mark(span, days, rows)

    def is_as_asked(self, span: Window, days: Days | None) -> bool:
        """Returns whether neither what a span sums up nor its rows in the table have changed since it was asked for."""
        mark = _mark(span, days, self.present.get(span, 0))
        is_known = not mark.startswith(NEVER_EQUAL)
        return (
            is_known
            and self.kept.get(str(span.start)) == mark
            and not overlapping(span, self.present)
        )


def _mark(span: Window, days: Days | None, rows: int) -> str:
    print_of_span = days.print_of(span) if days else None
    return f"{print_of_span or NEVER_EQUAL}.{rows}"


def spans_to_ask(
    asked: Asked,
    days: Days | None,
    ends: tuple[date, date] | None,
    *,
    begins: date | None,
    today: date,
    whole: bool,
) -> list[Window]:
    """Returns the spans that a run asks for, the newest first.

    Args:
        asked: what is known of the report.
        days: of the lists that it sums up; `None` where the run has not loaded them.
        ends: first and last day of what it sums up; `None` where there is nothing.
        begins: the setting `start_date`: spans that are over before it are left alone.
        today: of the run: a span that was over before is closed.
        whole: asks for closed ones as well, whatever the fingerprints say.
    """
    if asked.period == PRESENT:
        return [Window()]
    first, last = ends or (today, today)
    starts = [each.start for each in asked.present if each.start]
    stops = [each.end for each in asked.present if each.end]
    grid = spans_between(
        asked.period, begins or min(first, *starts, today), max(last, *stops, today)
    )
    if days is None or asked.report.spans is Spans.YEARS:
        return grid[::-1]
    filled = [span for span in grid if _may_have_rows(asked, span, days, today)]
    return [
        span
        for span in reversed(filled)
        if whole or not _is_over(span, today) or not asked.is_as_asked(span, days)
    ]


def _may_have_rows(asked: Asked, span: Window, days: Days, today: date) -> bool:
    """Returns whether a report, or its table, may have rows of a span: of days without an entry there are none."""
    return bool(
        days.within(span)
        or span.holds(today)
        or span in asked.present
        or overlapping(span, asked.present)
    )


def _is_over(span: Window, today: date) -> bool:
    return span.end is not None and span.end < today


def spans_in(counts: Collection[tuple[tuple[date, date], int]]) -> Iterator[tuple[Window, int]]:
    """Yields the spans of a table with their numbers of rows."""
    for (start, end), rows in counts:
        yield Window(start, end), rows
