"""The spans that Harvest's own reports are asked for: every day once, none too long, whatever the calendar does."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_source.catalogue.lookup import ALL_REPORTS, by_name
from harvest_source.catalogue.report import Spans
from harvest_source.loading.report_prints import Days
from harvest_source.loading.report_spans import Asked, spans_to_ask
from harvest_source.reading.spans import EARLIEST, LATEST, overlapping, period_of, spans_between
from harvest_source.reading.windows import Window

PERIODS = ("month", "week", "year")
TODAY = date(2026, 7, 15)
days = st.dates(date(1995, 1, 1), date(2060, 12, 31))


def days_of(span: Window) -> list[date]:
    """Returns the days of a span."""
    assert span.start
    assert span.end
    return [span.start + timedelta(n) for n in range((span.end - span.start).days + 1)]


@given(st.sampled_from(PERIODS), days, days)
def test_every_day_is_in_one_span_and_no_span_is_too_long(
    period: str, one: date, other: date
) -> None:
    first, last = sorted((one, other))
    spans = spans_between(period, first, last)
    covered = [day for span in spans for day in days_of(span)]
    assert covered == [covered[0] + timedelta(n) for n in range(len(covered))]
    assert spans[0].holds(first)
    assert spans[-1].holds(last)
    assert all((span.end - span.start).days <= 365 for span in spans if span.start and span.end)


@pytest.mark.parametrize(
    ("period", "number", "longest"), [("month", 120, 30), ("week", 522, 6), ("year", 10, 365)]
)
def test_ten_years_with_three_leap_days(period: str, number: int, longest: int) -> None:
    spans = spans_between(period, date(2016, 1, 4), date(2025, 12, 31))
    assert len(spans) == number
    assert max((span.end - span.start).days for span in spans if span.start and span.end) == longest


def test_mistyped_years_are_no_spans() -> None:
    spans = spans_between("year", date(202, 1, 1), date(9999, 12, 31))
    assert (spans[0].start, spans[-1].end) == (EARLIEST, LATEST)


def test_a_year_overlaps_its_months_and_no_others() -> None:
    months = spans_between("month", date(2023, 12, 1), date(2025, 1, 31))
    (year,) = spans_between("year", date(2024, 5, 5), date(2024, 5, 5))
    assert overlapping(year, months) == months[1:-1]
    assert overlapping(months[3], [months[2], months[3], months[4]]) == []


def test_period_of_a_report() -> None:
    told = {period_of(report, "week") for report in ALL_REPORTS if report.spans is Spans.PERIODS}
    assert told == {"week"}
    assert period_of(by_name("report_uninvoiced"), "week") == "year"


def make_asked(name: str = "report_time_tasks", **more: object) -> Asked:
    """Returns what is known of a report of which nothing was asked for."""
    return Asked(by_name(name), 1, "month", "", {}, **more)  # type: ignore[arg-type]


def to_ask(
    asked: Asked, known: Days | None, *, begins: date | None = None, whole: bool = False
) -> list[str]:
    """Returns the months that are asked for."""
    ends = known.ends if known else (date(2026, 4, 30), date(2026, 5, 1))
    spans = spans_to_ask(asked, known, ends, begins=begins, today=TODAY, whole=whole)
    return [f"{span.start:%Y-%m}" for span in spans]


APRIL, MAY, JULY = date(2026, 4, 30), date(2026, 5, 1), date(2026, 7, 1)


def test_closed_months_are_asked_again_only_where_something_in_them_changed() -> None:
    known = Days({APRIL: "1 entry", MAY: "2 entries", JULY: "3 entries"})
    asked = make_asked()
    assert to_ask(asked, known) == ["2026-07", "2026-05", "2026-04"], "nobody worked in June"
    for month in spans_between("month", APRIL, JULY):
        asked.present[month] = 1
        asked.note(month, known, 1)
    asked.present.pop(Window(date(2026, 6, 1), date(2026, 6, 30)))
    assert to_ask(asked, known) == ["2026-07"]
    assert to_ask(asked, Days({**known.said, MAY: "other"})) == ["2026-07", "2026-05"]
    assert to_ask(asked, Days({MAY: "2 entries", JULY: "3"})) == ["2026-07", "2026-04"], "emptied"
    assert to_ask(asked, Days(known.said, frozenset({APRIL}))) == ["2026-07", "2026-04"]
    assert len(to_ask(asked, known, whole=True)) == 3


def test_rows_that_a_hand_took_have_their_month_asked_again() -> None:
    known = Days({APRIL: "1 entry", JULY: "3 entries"})
    asked = make_asked()
    april = Window(date(2026, 4, 1), APRIL)
    asked.note(april, known, 5)
    asked.present[april] = 5
    assert to_ask(asked, known) == ["2026-07"]
    asked.present[april] = 4
    assert to_ask(asked, known) == ["2026-07", "2026-04"]


def test_without_the_entries_every_span_is_asked_for() -> None:
    asked = make_asked()
    assert to_ask(asked, None) == ["2026-07", "2026-06", "2026-05", "2026-04"]
    assert to_ask(asked, None, begins=date(2026, 6, 9)) == ["2026-07", "2026-06"]


def test_another_period_and_another_token_forget_what_was_asked() -> None:
    asked = make_asked()
    asked.take_over({"period": "month", "sees": "", "spans": {"2026-04-01": "x.1"}})
    assert asked.kept
    for state in ({"period": "week", "sees": ""}, {"period": "month", "sees": "7 member"}):
        other = make_asked()
        other.take_over({**state, "spans": {"2026-04-01": "x.1"}})
        assert not other.kept
