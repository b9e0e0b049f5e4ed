"""Windows of a list's date: they cover every day once, and hold few enough rows where a day itself does."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_source.reading.windows import WINDOW_ROWS, Window, cut, day_of, plan_windows

DAYS = st.dates(min_value=date(1990, 1, 1), max_value=date(2999, 12, 30))
COUNTS = st.dictionaries(DAYS, st.integers(1, 3 * WINDOW_ROWS), max_size=40).map(Counter)


def holds(window: Window, day: date) -> bool:
    """Tells whether a day is asked for with a window's parameters."""
    params = window.params()
    return params.get("from", "0000") <= day.isoformat() <= params.get("to", "9999")


@given(days=COUNTS, others=st.lists(DAYS, max_size=10))
def test_every_day_is_in_exactly_one_window(days: Counter[date], others: list[date]) -> None:
    """Days with rows, and days on which a row may appear meanwhile: no gap and no overlap, open at both ends."""
    windows = plan_windows(days)
    for day in {*days, *others, date(1970, 1, 1), date(2999, 12, 31)}:
        assert sum(holds(window, day) for window in windows) == 1
    assert windows[0].start is None
    assert windows[-1].end is None
    for before, after in pairwise(windows):
        assert before.end is not None
        assert after.start == before.end + timedelta(days=1)


@given(days=COUNTS)
def test_windows_hold_few_rows_unless_one_day_has_more(days: Counter[date]) -> None:
    """A window fits into one answer with room to grow."""
    for window in plan_windows(days):
        inside = [rows for day, rows in days.items() if holds(window, day)]
        assert sum(inside) <= WINDOW_ROWS or len(inside) == 1


@given(days=COUNTS)
def test_windows_are_no_more_than_needed(days: Counter[date]) -> None:
    """Two neighbours would not fit into one: each window costs a request."""
    sums = [
        sum(rows for day, rows in days.items() if holds(window, day))
        for window in plan_windows(days)
    ]
    assert all(before + after > WINDOW_ROWS for before, after in pairwise(sums))


@given(start=DAYS, length=st.integers(0, 400), at=st.integers(0, 400))
def test_cut_windows_meet_and_make_up_the_whole(start: date, length: int, at: int) -> None:
    """Cut after a day, the halves hold each day of the whole once."""
    end = min(start + timedelta(days=length), date(2999, 12, 30))
    cut = min(start + timedelta(days=at), end)
    left, right = Window(start, end).cut_after(cut)
    assert (left.start, left.end, right.end) == (start, cut, end)
    assert right.start == cut + timedelta(days=1)
    assert right.holds_days == (cut < end)


def test_rows_without_a_day_are_in_no_window() -> None:
    """Drafts may have no date, and a date may be no date."""
    assert day_of({"issue_date": "2025-04-01"}, "issue_date") == date(2025, 4, 1)
    assert (
        day_of({"issue_date": None}, "issue_date")
        is day_of({}, "issue_date")
        is day_of({"issue_date": "soon"}, "issue_date")
        is None
    )


def test_a_window_is_asked_for_by_from_and_to() -> None:
    """Both inclusive, as the API takes them; an open end is not sent."""
    assert Window().params() == {}
    assert Window(date(2025, 1, 2), date(2025, 3, 4)).params() == {
        "from": "2025-01-02",
        "to": "2025-03-04",
    }
    assert Window(end=date(2025, 3, 4)).params() == {"to": "2025-03-04"}


FIRST, SECOND, THIRD = date(2025, 1, 1), date(2025, 1, 2), date(2025, 1, 3)
CUTS: dict[str, tuple[Window, list[date | None], list[Window]]] = {
    "in the middle of its rows": (
        Window(),
        [FIRST, SECOND, SECOND, THIRD],
        [Window(end=SECOND), Window(THIRD)],
    ),
    "before its last day": (
        Window(),
        [FIRST, THIRD, THIRD, THIRD],
        [Window(end=SECOND), Window(THIRD)],
    ),
    "around its only day": (
        Window(),
        [SECOND, None],
        [Window(end=FIRST), Window(SECOND, SECOND), Window(THIRD)],
    ),
    "after its first day": (
        Window(FIRST, SECOND),
        [FIRST],
        [Window(FIRST, FIRST), Window(SECOND, SECOND)],
    ),
    "one day": (Window(FIRST, FIRST), [FIRST, FIRST], [Window(FIRST, FIRST)]),
    "rows of other days": (Window(FIRST, FIRST), [THIRD, None], [Window(FIRST, FIRST)]),
}


@pytest.mark.parametrize(("window", "days", "parts"), CUTS.values(), ids=CUTS)
def test_window_whose_rows_do_not_fit_is_cut(
    window: Window, days: list[date | None], parts: list[Window]
) -> None:
    """Into parts with fewer rows, by those that came; where there is no such part, it stays itself."""
    assert cut(window, days) == parts
