"""What differs between a table and a list of Harvest, and what of it may go: tables of cases on plain data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from compared import ENTRIES, MAY, Row, record, sides
from fake_client import NOON

from harvest_source.loading import compare
from harvest_source.loading.compare import Finding, Versions, have_differences
from harvest_source.reading import differing, windows
from harvest_source.reading.reader import Choice

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


@pytest.fixture
def few_rows_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has a list of five rows be a long one."""
    for module in (compare, differing):
        monkeypatch.setattr(module, "PER_PAGE", 4)
    monkeypatch.setattr(windows, "WINDOW_ROWS", 3)


def told(finding: Finding) -> dict[str, Any]:
    """Returns what a finding says, with the ids of what is loaded again."""
    again = sorted(key[0] for key in finding.reading.keys) if finding.reading else []
    gone = sorted(key[0] for key in finding.gone)
    return {"count": finding.at_harvest, "equal": finding.equal, "gone": gone, "again": again}


SIX = [record(number, day=number) for number in range(1, 7)]
EDITED = record(1, MAY + timedelta(days=1))


@pytest.mark.parametrize(
    ("there", "here", "known_gone", "count", "gone", "again"),
    [
        (SIX[:3], SIX[:3], set(), 3, [], []),
        (SIX[:3], SIX[:4], set(), 3, [4], []),
        (SIX[:3], SIX[:4], {4}, 3, [], []),
        (SIX[:3], SIX[:2], set(), 3, [], [1, 2, 3]),
        ([EDITED, *SIX[1:3]], SIX[:3], set(), 3, [], [1, 2, 3]),
        ([record(9, NOON)], [], set(), 1, [], [9]),
        ([], [], set(), 0, [], []),
    ],
)
def test_list_that_fits_an_answer_is_compared_row_by_row(
    there: list[Row], here: list[Row], known_gone: set[int], count: int, gone: list[int], again: list[int]
) -> None:  # fmt: skip
    with sides(there, here) as both:
        both.gone[ENTRIES] = {(row_id,) for row_id in known_gone}
        found = told(both.comparison.compare(ENTRIES, None))
    assert found == {"count": count, "equal": not gone and not again, "gone": gone, "again": again}


UNDATED = [record(number, day=None) for number in (7, 8)]


@pytest.mark.usefixtures("few_rows_an_answer")
@pytest.mark.parametrize(
    ("there", "here", "known_gone", "gone", "again"),
    [
        (SIX, SIX, set(), [], []),
        (SIX[:5], SIX, {6}, [], []),
        (SIX, SIX[:5], set(), [], [5, 6]),  # of its window alone
        (SIX, [*SIX[1:], record(9, day=6)], {9}, [], [1, 2, 3, 4]),
        ([*SIX[:3], *SIX[4:]], SIX, set(), [4], [1, 2, 3]),
        ([*SIX, *UNDATED], [*SIX, UNDATED[0]], set(), [], [1, 2, 3, 4, 5, 6, 7, 8]),  # in no window
        ([*SIX[:4], UNDATED[0]], [*SIX[:4], *UNDATED], set(), [8], []),
    ],
)
def test_of_a_longer_list_that_differs_the_windows_that_differ_are_read(
    there: list[Row], here: list[Row], known_gone: set[int], gone: list[int], again: list[int]
) -> None:
    with sides(there, here) as both:
        both.client.page_rows = 4
        both.gone[ENTRIES] = {(row_id,) for row_id in known_gone}
        found = told(both.comparison.compare(ENTRIES, None))
    assert (found["gone"], found["again"]) == (gone, again)


@pytest.mark.usefixtures("few_rows_an_answer")
@pytest.mark.parametrize("counts_of_windows_alone", [False, True])
def test_longer_list_without_a_count_is_read_whole(*, counts_of_windows_alone: bool) -> None:
    """Also where Harvest counts the whole list and not the part of it that has a date."""
    with sides(SIX, SIX[:5]) as both:
        both.client.counts = False

        def count_the_whole(_number: int) -> None:
            both.client.counts = counts_of_windows_alone and "from" not in both.client.asked[-1][1]

        both.client.before = count_the_whole
        found = told(both.comparison.compare(ENTRIES, None))
    assert found == {"count": 6, "equal": False, "gone": [], "again": [1, 2, 3, 4, 5, 6]}


@pytest.mark.usefixtures("few_rows_an_answer")
@pytest.mark.parametrize(
    ("flickers", "gone", "again"),
    [(1, [9, 10], True), (99, [], False)],  # it never stands still: nothing is believed
)
def test_count_that_changes_between_two_looks_is_looked_at_again(
    flickers: int, gone: list[int], *, again: bool
) -> None:
    """A row goes before the whole list is counted once more, and comes back before the next count."""
    row, counts = record(100, NOON, day=9), iter(range(flickers + 1))

    with sides([*SIX, row], [*SIX, record(9), record(10)]) as both:
        entries = both.client.tables["time_entries"]

        def flicker(_number: int) -> None:
            params = both.client.asked[-1][1]
            if "from" not in params and params.get("per_page") == "1" and next(counts, None):
                entries.remove(row) if row in entries else entries.append(row)

        both.client.before = flicker
        both.client.page_rows = 4
        finding = both.comparison.compare(ENTRIES, None)
        assert told(finding)["gone"] == gone
        assert bool(finding.reading) == again
        assert not finding.equal
        # where nothing is believed the run says that the table does not meet the count
        assert finding.at_harvest is not None
        assert not both.comparison.matches(ENTRIES, finding.at_harvest)


@pytest.mark.usefixtures("few_rows_an_answer")
def test_deletion_on_a_day_that_changes_while_its_pages_are_read_is_found_by_the_next_look() -> (
    None
):
    """Of several pages none is believed while rows of theirs change."""
    day = [record(number, day=1) for number in range(1, 9)]
    with sides(day[1:], day) as both:
        entries, edited = both.client.tables["time_entries"], list[int]()

        def edit_between_pages(number: int) -> None:
            both.client.now = NOON + timedelta(seconds=number)
            if "first" in both.client.asked[-1][1] and not edited:
                edited.append(number)
                entries[-1] = record(8, both.client.now, day=1)

        both.client.before = edit_between_pages
        both.client.page_rows = 4
        finding = both.comparison.compare(ENTRIES, None)
        assert edited
        assert told(finding)["gone"] == [1]


def test_rows_of_a_list_are_held_whatever_their_version() -> None:
    with sides([EDITED, SIX[1]], SIX[:2]) as both:
        reading = both.comparison.lists.read(ENTRIES)
        assert both.comparison.holds(reading)
        both.store.tables["time_entries"].pop((7, 2))
        assert not both.comparison.holds(reading)


@pytest.mark.parametrize("microseconds", [0, 700_000])
def test_row_that_changed_in_the_second_of_a_date_is_compared_as_harvest_counts_it(
    microseconds: int,
) -> None:
    """Which is asked for whole seconds."""
    choice = Choice(since=MAY + timedelta(microseconds=microseconds))
    with sides([record(1)], [record(1)], choice) as both:
        found = both.comparison.compare(ENTRIES, None)
        assert found.equal
        assert both.comparison.matches(ENTRIES, 1)
