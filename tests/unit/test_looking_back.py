"""What a look back finds of lists whose counts are equal: tables of cases on lists and tables in memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from clocks import SteppedClock
from compared import ENTRIES, Row, record, sides
from fake_client import NOON

from harvest_source.loading import compare, looking_back
from harvest_source.loading.looking_back import INSTANTS, LOOK_HOURS, is_due, look_back

OLD = datetime(2026, 2, 1, tzinfo=UTC)
SINCE = NOON - timedelta(minutes=5)  # from when the run read
MORNING = NOON - timedelta(hours=4)
HOUR = 500_000
LONG_AGO = [record(number, OLD) for number in range(10, 17)]
Answer = tuple[list[int], list[int]] | None  # gone, loaded again


@pytest.fixture(autouse=True)
def _few_rows_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has a list of seven rows be a long one."""
    assert looking_back.WHOLE_ROWS == 10_000
    monkeypatch.setattr(looking_back, "WHOLE_ROWS", 6)
    monkeypatch.setattr(compare, "PER_PAGE", 4)


def looked(
    there: list[Row], here: list[Row], *, whole: bool, since: datetime | None = SINCE, **options: bool
) -> tuple[Answer, int]:  # fmt: skip
    """Returns what a look back finds, and how many requests it took.

    Args:
        there: rows at Harvest.
        here: rows of the table.
        whole: whether a look at the whole list is due.
        since: from when on the run read.
        options: `counts`: whether Harvest counts; `read`: whether the run read lists.
    """
    with sides(there, here) as both:
        both.client.page_rows = 4
        both.client.clock = SteppedClock()
        both.client.counts = options.get("counts", True)
        if options.get("read", True):
            both.read(ENTRIES)
        before = len(both.client.asked)
        found = look_back(both.comparison, ENTRIES, since, whole=whole)
        asked = len(both.client.asked) - before
        if found is None:
            return None, asked
        again = sorted(key[0] for key in found.reading.keys) if found.reading else []
        return (sorted(key[0] for key in found.gone), again), asked


NEW = [record(1, MORNING), record(2, MORNING)]
EDITED = [record(1, MORNING + timedelta(hours=1)), NEW[1]]
WAS_OLD = record(10, MORNING)


@pytest.mark.parametrize(
    ("there", "here", "since", "found"),
    [
        (NEW, NEW, SINCE, None),
        (NEW, NEW, None, None),
        (EDITED, NEW, SINCE, ([], [1, 2])),
        (NEW, NEW[:1], SINCE, ([], [1, 2])),
        (NEW[:1], NEW, SINCE, ([2], [])),
        (NEW[:1], NEW, None, ([2], [])),  # nothing of it was read in this run
    ],
)
def test_short_list_is_read_whole_once_a_day(
    there: list[Row], here: list[Row], since: datetime | None, found: Answer
) -> None:
    assert looked(there, here, since=since, whole=True)[0] == found


LAST_DAY: dict[str, tuple[list[Row], list[Row], Answer]] = {
    "equal": ([*LONG_AGO, *NEW], [*LONG_AGO, *NEW], None),
    "one that came late": (
        [*LONG_AGO[1:], WAS_OLD, *NEW],
        [*LONG_AGO, *NEW],
        ([], [1, 2, 10]),
    ),
    "another version": ([*LONG_AGO, *EDITED], [*LONG_AGO, *NEW], ([], [1, 2])),
    "one that came late beside a deletion of the day": (
        [*LONG_AGO, NEW[0], record(3, MORNING)],
        [*LONG_AGO, *NEW],
        ([2], [1, 3, *range(10, 17)]),
    ),
    "one that came late beside a deletion long ago": (
        [*LONG_AGO[1:], *NEW, record(3, MORNING)],
        [*LONG_AGO, *NEW],
        ([10], [1, 2, 3, *range(11, 17)]),
    ),
    "one that changed later than the table's version": (
        [*LONG_AGO, NEW[0], record(2, OLD)],
        [*LONG_AGO, *NEW],
        ([], [1, 2, *range(10, 17)]),
    ),
}


@pytest.mark.parametrize(("there", "here", "found"), LAST_DAY.values(), ids=LAST_DAY)
def test_rows_of_the_last_day_are_compared_in_every_run(
    there: list[Row], here: list[Row], found: Answer
) -> None:
    assert looked(there, here, whole=False)[0] == found


MANY = [record(number, MORNING) for number in range(1, 7)]  # more than one answer holds
LATE_AND_GONE = ([*LONG_AGO[1:], *MANY, record(9, MORNING)], [*LONG_AGO, *MANY])
WHOLE: Answer = ([10], [1, 2, 3, 4, 5, 6, 9, *range(11, 17)])


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({}, WHOLE),
        ({"counts": False}, None),  # the count is all that such a day is compared by
        ({"read": False}, WHOLE),
    ],
)
def test_day_that_takes_several_answers_is_counted(options: dict[str, Any], found: Answer) -> None:
    there, here = LATE_AND_GONE
    assert looked(there, here, whole=False, **options)[0] == found
    assert looked(there, there, whole=False, **options) == (None, 1)


def test_rows_that_change_while_they_are_counted_are_the_next_runs() -> None:
    """A count that differs says nothing while rows change; else a row that changed before is missing."""
    there, here = [*LONG_AGO, *MANY], [*LONG_AGO, *MANY[1:]]
    assert looked([*there, record(9, NOON)], [*here, record(9, NOON)], whole=False)[0] is not None
    assert looked([*there[:-1], record(6, NOON)], here, whole=False)[0] is None


@pytest.mark.parametrize(
    ("there", "found"),
    [
        ([*LONG_AGO, *NEW], None),
        # a deletion long ago, and a row that came as late as then
        ([record(17, OLD + timedelta(days=90)), *LONG_AGO[1:], *NEW], True),
    ],
)
def test_longer_list_is_counted_since_instants_long_ago_once_a_day(
    there: list[Row], found: object
) -> None:
    here = [*LONG_AGO, *NEW]
    assert looked(there, here, whole=False)[0] is None
    whole, asked = looked(there, here, whole=True)
    if found:
        assert whole == ([10], [1, 2, *range(11, 18)])
    else:
        assert (whole, asked) == (None, 1 + INSTANTS)


@pytest.mark.parametrize(
    ("hours_ago", "due"),
    [(0, False), (LOOK_HOURS - 1, False), (LOOK_HOURS, True), (-1, True), (None, True)],
)
def test_look_at_the_whole_list_is_due_once_a_day(hours_ago: int | None, *, due: bool) -> None:
    assert is_due(0 if hours_ago is None else HOUR - hours_ago, HOUR) == due
