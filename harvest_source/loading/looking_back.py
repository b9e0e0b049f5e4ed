"""Looks back on lists of which only counts were compared: equal counts are not equal rows.

A row that was committed late, or hidden at first, lies below the bookmark and is never asked for; with a deletion beside it
the counts stay equal, and where it is a new version of a row, they never differ. So every run compares the rows of the last
day before its bookmark, and once a day the whole list, or, where that takes many requests, counts since instants long ago.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from harvest_source.catalogue.report import AccountReport
from harvest_source.loading.compare import Comparison, Finding

LATE = timedelta(days=1)  # so late a row may come and be found by the next run
# so long after the last look comes the next: a daily run takes one each day, be it early or late
LOOK_HOURS = 20
WHOLE_ROWS = 10_000  # a list of up to so many rows is read whole, with five requests
MOST_REQUESTS = 7  # for one list, but where something is found
INSTANTS = 6  # since so many a longer one is counted
STEP, TURN = (
    4.0,
    0.618,
)  # each so many times as far back as the one before, on each day somewhere else in between


def is_due(looked_hour: int, now_hour: int) -> bool:
    """Returns whether the last look at a whole list is a day ago, or lies in the future, since a clock was ahead."""
    return not 0 <= now_hour - looked_hour < LOOK_HOURS


def look_back(
    comparison: Comparison, pair: AccountReport, since: datetime | None, *, whole: bool
) -> Finding | None:
    """Returns how a list compares where it differs in spite of its count, `None` where no difference was seen.

    Args:
        comparison: of the run, which compared the count.
        pair: account and list.
        since: from when on the run read it; `None` where it read nothing of it.
        whole: whether a look at the whole list is due.

    Raises:
        ApiError: Harvest could not be asked.
    """
    if whole and comparison.here(pair) <= WHOLE_ROWS:
        return _told(comparison.read_all(pair))
    if since is None:
        return None
    finding = _last_day(comparison, pair, since - LATE)
    if finding or not whole:
        return finding
    for instant in _instants(since, comparison.lists.reader.client.clock.hour()):
        if _count_differs(
            comparison, pair, instant, comparison.lists.ask(pair, instant, rows=False).total
        ):
            return comparison.read_all(pair)
    return None


def _told(finding: Finding) -> Finding | None:
    return None if finding.equal else finding


def _last_day(comparison: Comparison, pair: AccountReport, since: datetime) -> Finding | None:
    asked = comparison.lists.ask(pair, since, rows=True)
    if asked.reading is None:
        return (
            comparison.read_all(pair)
            if _count_differs(comparison, pair, since, asked.total)
            else None
        )
    finding = comparison.against(asked.reading, since)
    if finding.equal:
        return None
    if finding.gone or not comparison.holds(asked.reading):
        # the count was equal: what makes up for it lies elsewhere
        return _told(comparison.read_all(pair))
    return Finding(comparison.here(pair), reading=finding.reading)


def _count_differs(
    comparison: Comparison, pair: AccountReport, since: datetime, total: int | None
) -> bool:
    """Returns whether Harvest counts another number of rows changed since than the table has; not while rows change."""
    if total is None or comparison.matches(pair, total, since):
        return False
    began = comparison.lists.began
    changed_now = comparison.lists.ask(pair, began, rows=False).total if began else None
    return changed_now is None or comparison.matches(pair, changed_now, began)


def _instants(since: datetime, now_hour: int) -> Iterator[datetime]:
    """Yields instants from a day to some years ago, each day others: between two of them rows make up for each other unseen."""
    turn = now_hour // 24 * TURN % 1
    for place in range(INSTANTS):
        yield since - LATE * STEP ** (place + turn)
