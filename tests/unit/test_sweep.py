"""Whose children are read again although nothing tells a change: tables of cases, and many days one after another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from math import floor, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_source.reading.sweep import (
    ALIKE,
    MOST_DOUBTFUL,
    ROUNDING,
    due_for_doubt,
    plan_sweep,
    wait_of,
)

HOUR = 500_000
DAY = 24
SWEEP_DAYS = 7


def days_ago(days: float, hour: int = HOUR) -> datetime:
    """Returns an instant so many days before an hour."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=hour) - timedelta(days=days)


# changed, sweep_days: wait in days
WAITS: dict[str, tuple[datetime | None, int, float]] = {
    "changed just now": (days_ago(0), 7, 7),
    "changed 90 days ago": (days_ago(90), 7, 7),
    "changed longer ago": (days_ago(91), 7, 9.1),
    "a year": (days_ago(365), 7, 36.5),
    "five years": (days_ago(5 * 365), 7, 180),
    "before there was a Harvest": (datetime.min.replace(tzinfo=UTC), 7, 180),
    "nobody knows": (None, 7, 7),
    "a time to come": (days_ago(-400), 7, 7),
    "another setting, lately": (days_ago(20), 30, 30),
    "another setting, longer ago": (days_ago(100), 30, 10),
    "every run, lately": (days_ago(20), 0, 0),
    "every run, longer ago": (days_ago(2000), 0, 0),
}


@pytest.mark.parametrize(("changed_at", "sweep_days", "days"), WAITS.values(), ids=WAITS)
def test_wait_follows_the_time_since_the_parent_changed(
    changed_at: datetime | None, sweep_days: int, days: float
) -> None:
    assert wait_of(changed_at, HOUR, sweep_days) == pytest.approx(days * DAY)


def read_ago(*hours: int) -> dict[str, list[int]]:
    """Returns parents 0, 1, 2 ... that were read so many hours ago."""
    read: dict[str, list[int]] = defaultdict(list)
    for parent_id, each in enumerate(hours):
        read[str(HOUR - each)].append(parent_id)
    return dict(read)


WEEK = 7 * DAY
# hours since each was read, hours since the run before, sweep_days: due, waiting; all changed lately
TURNS: dict[str, tuple[Iterable[int], int, int, tuple[int, ...], tuple[int, ...]]] = {
    "nobody": ([], DAY, 7, (), ()),
    "one, just read": ([0], DAY, 7, (), ()),
    "one, this morning": ([11], DAY, 7, (), ()),
    "one, half a day ago": ([12], DAY, 7, (), (0,)),
    "one, with a day to go": ([WEEK - DAY - 1], DAY, 7, (), (0,)),
    "one that may not wait for another day": ([WEEK - DAY], DAY, 7, (0,), ()),
    "one, long ago": ([9 * WEEK], DAY, 7, (0,), ()),
    "one long ago, and others today": ([9 * WEEK, 12, 12], DAY, 7, (0,), (1, 2)),
    "in an hour to come": ([-1, 0], DAY, 7, (0,), ()),
    "all in hours to come": ([-1, -400], DAY, 7, (0, 1), ()),
    "six read a day ago": ([DAY] * 6, DAY, 7, (0,), (1, 2, 3, 4, 5)),
    "six read two days ago": ([2 * DAY] * 6, DAY, 7, (0, 1), (2, 3, 4, 5)),
    "six, each on a day of its own": ([DAY * each for each in range(1, 7)], DAY, 7, (5,), (4, 3, 2, 1, 0)),
    "six, of which one was read today": ([0, *[DAY] * 5], DAY, 7, (), (1, 2, 3, 4, 5)),
    "six, run twice a day": ([12] * 6, 12, 7, (), (0, 1, 2, 3, 4, 5)),
    "six, run a second time in the hour": ([DAY] * 6, 0, 7, (0,), ()),
    "six, after a week without runs": ([8 * DAY + DAY * each for each in range(6)], WEEK, 7, (5, 4, 3, 2, 1, 0), ()),
    "runs every three days": ([3 * DAY, 3 * DAY], 3 * DAY, 7, (0,), (1,)),
    "runs every four days": ([4 * DAY, 4 * DAY], 4 * DAY, 7, (0, 1), ()),
    "every day": ([DAY, DAY], DAY, 1, (0, 1), ()),
    "every day, an hour ago": ([1, 1], DAY, 1, (), ()),
    "every run": ([0, 5], DAY, 0, (0, 1), ()),
}  # fmt: skip


@pytest.mark.parametrize(
    ("hours", "since_last", "sweep_days", "due", "waiting"), TURNS.values(), ids=TURNS
)
def test_turns(
    hours: Iterable[int],
    since_last: int,
    sweep_days: int,
    due: tuple[int, ...],
    waiting: tuple[int, ...],
) -> None:
    sweep = plan_sweep(read_ago(*hours), {}, HOUR - since_last, HOUR, sweep_days)
    assert (sweep.due, sweep.waiting) == (due, waiting)


@pytest.mark.parametrize("swept_hour", [None, HOUR + 1], ids=["not kept", "of a clock ahead"])
def test_run_before_that_is_not_known_was_that_of_the_newest_reading(
    swept_hour: int | None,
) -> None:
    """So it is with a state that older code kept."""
    read = read_ago(*[4 * DAY] * 6)
    assert plan_sweep(read, {}, swept_hour, HOUR, SWEEP_DAYS).due == tuple(range(6))
    assert plan_sweep(read_ago(-1), {}, swept_hour, HOUR, SWEEP_DAYS).due == (0,)


def test_those_of_like_waits_take_turns() -> None:
    """A day's share of those that changed lately, and none yet of as many old ones; all were read in one hour."""
    changed = {each: days_ago(3000) for each in range(30, 60)}
    read = {str(HOUR - DAY): list(range(60))}
    sweep = plan_sweep(read, changed, HOUR - DAY, HOUR, SWEEP_DAYS)
    assert sweep.due == tuple(range(5))
    assert sweep.waiting == tuple(range(5, 60))  # for their wait, the young are unread for longer
    read = {str(HOUR - 6 * DAY): list(range(60))}
    later = plan_sweep(read, changed, HOUR - DAY, HOUR, SWEEP_DAYS)
    assert set(later.due) == {*range(31)}


def test_no_more_than_a_days_free_requests_wait() -> None:
    """However many runs there are in a day."""
    old = dict.fromkeys(range(500), days_ago(3000))
    read = {str(HOUR - DAY): list(old)}
    for hours, most in ((24, 100), (12, 50), (48, 200), (0, 2)):
        sweep = plan_sweep(read, old, HOUR - hours, HOUR, SWEEP_DAYS)
        assert len(sweep.due) == 2
        assert len(sweep.due + sweep.waiting) == most


# hours since each was read: those that are read before their turn
DOUBTFUL: dict[str, tuple[list[int], list[int]]] = {
    "none read": ([], []),
    "this morning": ([0, 11], []),
    "half a day ago": ([12], [0]),
    "the longest unread first": ([12, 30, 11, 400], [3, 1, 0]),
    "in an hour to come": ([-1], []),  # it is due anyway
    "many": ([12] * 30 + [20], [30, *range(MOST_DOUBTFUL - 1)]),
}


@pytest.mark.parametrize(("hours", "due"), DOUBTFUL.values(), ids=DOUBTFUL)
def test_parents_in_doubt_are_read_before_their_turn(hours: list[int], due: list[int]) -> None:
    read, doubtful = read_ago(*hours), set(range(len(hours)))
    assert due_for_doubt(read, doubtful, HOUR) == due
    assert due_for_doubt(read, doubtful & {0}, HOUR) == [each for each in due if each == 0]


class Days:
    """Runs one after another, of which each reads whose turn it is."""

    def __init__(self, changed: Mapping[int, datetime], read_hours: Mapping[int, int]) -> None:
        self.changed = changed
        self.read_hours = dict(read_hours)
        self.hour = HOUR
        self.longest = 0.0  # that any parent was unread, as a part of its wait

    def run_after(self, hours: int) -> int:
        """Runs so many hours later; returns how many parents it read."""
        self.hour += hours
        read: dict[str, list[int]] = defaultdict(list)
        for parent_id, hour in self.read_hours.items():
            read[str(hour)].append(parent_id)
        due = plan_sweep(read, self.changed, self.hour - hours, self.hour, SWEEP_DAYS).due
        assert len(set(due)) == len(due)
        for parent_id in due:
            self._note(parent_id)
            self.read_hours[parent_id] = self.hour
        return len(due)

    def wait_of(self, parent_id: int) -> float:
        """Returns within how many hours a parent must be read again."""
        return wait_of(self.changed[parent_id], self.read_hours[parent_id], SWEEP_DAYS)

    def _note(self, parent_id: int) -> None:
        unread_hours = self.hour - self.read_hours[parent_id]
        wait_hours = self.wait_of(parent_id)
        self.longest = max(self.longest, unread_hours / wait_hours)

    def end(self) -> None:
        """Counts those unread at the end as well."""
        for parent_id in self.read_hours:
            self._note(parent_id)

    def shares(self) -> tuple[float, int]:
        """Returns how many parents a day takes on average, if every reading leaves a day to spare, and how many circles."""
        waits = [wait_of(at, self.hour, SWEEP_DAYS) for at in self.changed.values()]
        share = sum(DAY / (self.wait_of(each) - DAY) for each in self.changed)
        return share, len({floor(log(each, ALIKE)) for each in waits})


AGES = st.one_of(
    st.lists(st.integers(0, 4000), min_size=1, max_size=120),
    st.tuples(st.integers(0, 4000), st.integers(1, 400)).map(lambda pair: [pair[0]] * pair[1]),
)


def days_of(ages: list[int]) -> Days:
    """Returns days that begin with parents that changed so many days ago, all read in the first hour."""
    changed = {each: days_ago(age) for each, age in enumerate(ages)}
    return Days(changed, dict.fromkeys(changed, HOUR))


@given(AGES, st.lists(st.integers(0, DAY), min_size=1, max_size=60))
def test_nobody_is_unread_for_longer_than_the_wait(ages: list[int], spacings: list[int]) -> None:
    """However the runs are spaced, as long as there is one a day."""
    days = days_of(ages)
    for hours in spacings:
        days.run_after(hours)
    days.end()
    assert days.longest <= 1


@given(AGES, st.integers(1, 60), st.integers(1, 20))
def test_rare_runs_keep_the_wait_where_they_can(ages: list[int], every: int, runs: int) -> None:
    """Runs every so many days read within the wait, or in every run where the wait is shorter than that."""
    days = days_of(ages)
    for _ in range(runs):
        days.run_after(every * DAY)
        unread = [days.hour - hour for hour in days.read_hours.values()]
        waits = [days.wait_of(each) for each in days.read_hours]
        assert all(
            age == 0 or age + every * DAY <= wait for age, wait in zip(unread, waits, strict=True)
        )


@given(
    AGES,
    st.lists(st.integers(0, 3000), min_size=1, max_size=20),
    st.lists(st.integers(0, 500), min_size=1, max_size=10),
)
def test_what_is_overdue_is_read_by_the_next_run(
    ages: list[int], unread: list[int], spacings: list[int]
) -> None:
    """Whatever was read when, and after however long a time without runs."""
    days = days_of(ages)
    for parent_id, hours in zip(days.read_hours, unread, strict=False):
        days.read_hours[parent_id] = HOUR - hours
    for hours in spacings:
        days.run_after(hours)
        for parent_id, hour in days.read_hours.items():
            assert days.hour - hour < days.wait_of(parent_id)


@given(AGES)
def test_days_are_even_though_all_were_read_in_one_hour(ages: list[int]) -> None:
    """Each day takes its share, to a few for each circle: no day brings together what others left undone."""
    days = days_of(ages)
    most, _ = days.shares()
    for _ in range(40):
        count = days.run_after(DAY)
        share, circles = days.shares()
        most = max(most, share)  # it falls while the parents grow older
        assert count <= ALIKE * most + 2 * circles


@given(st.integers(1, 600), st.lists(st.integers(0, DAY), min_size=1, max_size=30))
def test_runs_close_to_each_other_take_no_more_in_all(count: int, spacings: list[int]) -> None:
    """Of parents of one wait all runs together take at most the part of them that has passed of it."""
    days, passed, taken = days_of([0] * count), 0, 0
    for hours in spacings:
        passed += hours
        taken += days.run_after(hours)
        assert taken <= count * passed / (WEEK - DAY) + ROUNDING


@given(st.integers(1, 200), st.integers(1, 20))
def test_each_day_takes_its_part_to_less_than_one(count: int, passed_days: int) -> None:
    days = days_of([0] * count)
    taken = sum(days.run_after(DAY) for _ in range(passed_days))
    assert taken == count * passed_days // 6
