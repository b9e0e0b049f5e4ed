"""Windows in which a table and Harvest count different rows: tables of cases on plain data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import cast

import pytest
from fake_client import FakeClient

from harvest_source.api.client import HarvestClient
from harvest_source.catalogue.lookup import by_name
from harvest_source.reading import differing
from harvest_source.reading.differing import end_of_page, middle_of, read_differing
from harvest_source.reading.parts import PartStore
from harvest_source.reading.query import ListQuery
from harvest_source.reading.windows import ALL_DAYS, Window

PAGE = 10
Rows = Mapping[int, int]  # by day of January


def days(rows: Rows) -> dict[date, int]:
    """Returns rows by date."""
    return {date(2026, 1, number): count for number, count in rows.items()}


@pytest.fixture(autouse=True)
def _few_rows_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(differing, "PER_PAGE", PAGE)


@pytest.fixture
def store() -> Iterator[PartStore]:
    """Gives a store that goes with the test."""
    store = PartStore()
    yield store
    store.close()


@pytest.mark.parametrize(
    ("rows", "day"),
    [
        ({1: 5, 2: 5}, 1),
        ({1: 1, 2: 9}, 1),
        ({1: 9, 2: 1}, 1),
        ({1: 2, 2: 2, 3: 2}, 2),
        ({1: 1, 2: 1, 3: 9}, 2),
    ],
)
def test_a_window_is_cut_where_about_half_of_its_rows_are(rows: Rows, day: int) -> None:
    assert middle_of(days(rows)) == date(2026, 1, day)


@pytest.mark.parametrize(
    ("rows", "day"),
    [
        ({1: 5, 2: 6}, 1),
        ({1: 5, 2: 5, 3: 1}, 2),
        ({1: 5, 2: 6, 3: 1}, 1),
        ({1: 1, 2: 1, 3: 1}, 2),
        ({1: 99, 2: 1}, 1),
        ({1: 0, 2: 99, 3: 1}, 1),
    ],
)
def test_a_small_window_is_cut_where_an_answer_is_full(rows: Rows, day: int) -> None:
    """The newest day is always cut off, the oldest never."""
    assert end_of_page(days(rows)) == date(2026, 1, day)


def between(first: int | None, last: int | None) -> Window:
    """Returns a window of days of January, open where there is none."""
    start, end = (each and date(2026, 1, each) for each in (first, last))
    return Window(start or ALL_DAYS.start, end or ALL_DAYS.end)


MANY = dict.fromkeys(range(1, 17), 5)
# rows of the table, of Harvest: windows that are read, and with how many requests they are found and read
DIFFERING: dict[str, tuple[Rows, Rows, list[Window], int]] = {
    "equal": ({1: 5, 3: 5}, {1: 5, 3: 5}, [], 0),
    "one answer": ({1: 5}, {1: 5, 2: 1}, [ALL_DAYS], 1),
    "newer of two answers": ({1: 5, 2: 5, 3: 5}, {1: 5, 2: 5, 3: 6}, [between(3, None)], 1),
    "older of two answers": ({1: 5, 2: 5, 3: 5}, {1: 5, 2: 4, 3: 5}, [between(None, 2)], 2),
    "newer of three answers": (
        {1: 10, 2: 10, 3: 10},
        {1: 10, 2: 9, 3: 10},
        [between(2, None)],
        2,
    ),
    "two that make up for each other": ({1: 9, 3: 9}, {1: 8, 3: 10}, [], 0),
    "one day with many rows": ({2: 50}, {2: 51}, [ALL_DAYS], 6),
    "newer of two days with many rows": ({1: 50, 2: 20}, {1: 50, 2: 19}, [between(2, None)], 2),
    "older of two days with many rows": ({1: 20, 2: 50}, {1: 19, 2: 50}, [between(None, 1)], 3),
    "nothing here": ({}, {1: 3}, [ALL_DAYS], 1),
    "many answers": (MANY, {**MANY, 5: 4}, [between(5, 6)], 4),
    "several windows": (
        MANY,
        {**MANY, 1: 4, 16: 7},
        [between(None, 2), between(15, None)],
        7,
    ),
}


@pytest.mark.parametrize(
    ("here", "there", "windows", "requests"), DIFFERING.values(), ids=DIFFERING
)
def test_windows_are_narrowed_until_one_differs_and_is_read(
    store: PartStore, here: Rows, there: Rows, windows: list[Window], requests: int
) -> None:
    """By counts, and by few rows that turn out to be equal: of others none is asked for."""
    entries = [
        {"id": 100 * day.day + number, "spent_date": str(day)}
        for day, count in sorted(days(there).items(), reverse=True)
        for number in range(count)
    ]
    client = FakeClient({"time_entries": entries}, page_rows=PAGE)
    query = ListQuery(cast("HarvestClient", client), store, by_name("time_entries"), 7)
    found = read_differing(query, days(here), len(entries))
    assert sorted(map(str, found.windows)) == sorted(map(str, windows))
    inside = {each["id"] for each in entries if any(
        window.holds(date.fromisoformat(str(each["spent_date"]))) for window in windows
    )}  # fmt: skip
    assert {key[0] for key in found.draft.keys} == inside
    assert len(client.asked) == requests
    assert not found.shifted
