"""What differs between a table and a list of Harvest, and what of it may go: tables of cases on plain data."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from harvest_source.loading.compare import Versions, have_differences, middle_of

T1, T2, T3 = (datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 3))


@pytest.mark.parametrize(
    ("present", "there", "began", "differ"),
    [
        ({}, {}, None, False),
        ({(1,): T1}, {(1,): T1}, None, False),
        ({}, {(1,): T1}, None, True),
        ({}, {(1,): T1}, T1, True),
        ({(1,): T1}, {}, None, False),
        ({(1,): T1}, {(1,): T2}, None, True),
        ({(1,): T1}, {(1,): T2}, T3, True),
        ({(1,): T1}, {(1,): T2}, T2, False),
        ({(1,): T1}, {(1,): T3}, T2, False),
        ({(1,): T1}, {(1,): None}, T2, True),
        ({(1,): None}, {(1,): None}, T2, False),
    ],
)
def test_rows_that_the_next_run_asks_for_are_no_difference(
    present: Versions, there: Versions, began: datetime | None, *, differ: bool
) -> None:
    assert have_differences(present, there, began) == differ


@pytest.mark.parametrize(
    ("rows", "day"),
    [
        ({}, None),
        ({1: 5}, None),
        ({1: 5, 2: 5}, 1),
        ({1: 1, 2: 9}, 1),
        ({1: 9, 2: 1}, 1),
        ({1: 2, 2: 2, 3: 2}, 2),
        ({1: 1, 2: 1, 3: 9}, 2),
    ],
)
def test_a_window_is_cut_where_about_half_of_its_rows_are(
    rows: dict[int, int], day: int | None
) -> None:
    days = {date(2026, 1, number): count for number, count in rows.items()}
    assert middle_of(days) == (None if day is None else date(2026, 1, day))
