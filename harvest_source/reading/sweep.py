"""Spreads over the days what is read again although nothing tells a change: pure functions on plain data.

A payment, a message or a rate may change and leave its parent as it was. So the children of every parent are read again in
their turn: soon where the parent changed lately, more rarely where it has been still for long.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from math import floor, log
from typing import NamedTuple

from harvest_source.settings import FREE_REQUESTS

DAY_HOURS = 24
LATELY = timedelta(days=90)  # a parent that changed since then is read again within `sweep_days`
STILL_HOURS = 10  # an older one within one hour for each so many hours that it has been still
LONGEST_WAIT_HOURS = 180 * DAY_HOURS
# children read so recently are not read again: a second run on one day costs nothing
REST_HOURS = 12
MOST_DOUBTFUL = 20  # of one report are read in a run before their turn
ALIKE = 1.25  # parents take turns with those whose waits are at most so many times theirs
ROUNDING = 1e-9
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Sweep(NamedTuple):
    """Parents whose children are read again, the longest unread for their wait first."""

    due: tuple[int, ...]  # in this run
    waiting: tuple[int, ...]  # in this run, as far as it has requests left, or in a later one


class _Turn(NamedTuple):
    """A parent among those that take turns."""

    unread: float  # hours since its children were read, as parts of `hours`
    parent_id: int
    unread_hours: int
    hours: float  # after which it is due, whatever the others do


def wait_of(changed_at: datetime | None, read_hour: int, sweep_days: int) -> float:
    """Returns within how many hours the children of a parent are read again.

    Args:
        changed_at: when the parent changed last; `None` where nobody knows, which counts as lately.
        read_hour: in which they were read, since 1970: what changes later is then found within the time that holds there.
        sweep_days: as the setting; with 0 all children are read in every run.
    """
    still = EPOCH + timedelta(hours=read_hour) - changed_at if changed_at else timedelta()
    if still <= LATELY or not sweep_days:
        return sweep_days * DAY_HOURS
    return min(still / timedelta(hours=STILL_HOURS), LONGEST_WAIT_HOURS)


def plan_sweep(
    read: Mapping[str, Iterable[int]],
    changed: Mapping[int, datetime | None],
    swept_hour: int | None,
    now_hour: int,
    sweep_days: int,
) -> Sweep:
    """Returns whose children a run reads again although nothing tells a change.

    No children stay unread for longer than their parent's wait if the next run comes within a day, or as soon as this one came.
    Parents of like waits take turns, so that each day has its even share of them, even if all were read in one hour.

    Args:
        read: hour since 1970: parents whose children were read then.
        changed: parent id: when it changed last, as far as that is known.
        swept_hour: of the run before; `None` where nobody knows, which counts as that of the newest reading.
        now_hour: since 1970.
        sweep_days: as the setting.
    """
    # the hours to come are of a clock that was ahead: nobody knows when it was
    unknown = [
        each for hour in sorted(read, key=int) if int(hour) > now_hour for each in read[hour]
    ]
    hours = [int(hour) for hour in read if int(hour) <= now_hour]
    if swept_hour is None or swept_hour > now_hour:
        swept_hour = max(hours, default=now_hour)
    since_last = now_hour - swept_hour
    circles: dict[int, list[_Turn]] = defaultdict(list)
    for hour in hours:
        for parent_id in read[str(hour)]:
            wait_hours = wait_of(changed.get(parent_id), hour, sweep_days)
            # who is left out now must be able to wait for the next run
            limit = wait_hours - min(max(since_last, DAY_HOURS), wait_hours / 2)
            unread = (now_hour - hour) / limit if limit else 1.0
            turn = _Turn(unread, parent_id, now_hour - hour, limit)
            # as if read now: so those that changed together stay together
            circles[_circle_of(wait_of(changed.get(parent_id), now_hour, sweep_days))].append(turn)
    due, waiting = list[_Turn](), list[_Turn]()
    for turns in circles.values():
        turns.sort(key=_longest_unread)
        count = _due_among(turns)
        for place, turn in enumerate(turns):
            if turn.unread_hours >= min(REST_HOURS, turn.hours):
                (due if place < count else waiting).append(turn)
    # several runs a day have no more requests left than one
    left = max(FREE_REQUESTS * since_last // DAY_HOURS - len(due), 0)
    return Sweep(
        (*unknown, *(each.parent_id for each in sorted(due, key=_longest_unread))),
        tuple(each.parent_id for each in sorted(waiting, key=_longest_unread)[:left]),
    )


def due_for_doubt(
    read: Mapping[str, Iterable[int]], doubtful: Collection[int], now_hour: int
) -> list[int]:
    """Returns those of some parents that a run reads before their turn, the longest unread first; few, and none twice a day.

    With some of them all will never be well, and they must not cost the account many requests for ever.

    Args:
        read: as `plan_sweep` takes it.
        doubtful: parents whose children may be others than those that stand in the table.
        now_hour: since 1970.
    """
    hours = sorted(int(hour) for hour in read if int(hour) <= now_hour - REST_HOURS)
    found = [each for hour in hours for each in read[str(hour)] if each in doubtful]
    return found[:MOST_DOUBTFUL]


def _circle_of(wait_hours: float) -> int:
    return floor(log(wait_hours, ALIKE)) if wait_hours else 0


def _longest_unread(turn: _Turn) -> tuple[float, int]:
    return -turn.unread, turn.parent_id


def _due_among(turns: list[_Turn]) -> int:
    """Returns how many of some that take turns, the longest unread first, are due, so that the others can follow evenly.

    Of n of them no more than n x (1 - u) may be unread for the part u of their time, and none for all of it. That is how they
    stand if every day takes the same number.
    """
    count = len(turns)
    parts = (place - count * (1 - min(turn.unread, 1)) for place, turn in enumerate(turns, 1))
    return max(0, *(floor(each + ROUNDING) for each in parts))
