"""Finds by counts in which windows of its date a list and a table differ, and reads these windows alone.

Windows are halved by counts, which cost Harvest little. Of one that is a few answers large a part is read instead: an answer
tells its count as well, and where that differs, its rows are there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import accumulate, chain

from harvest_source.api.answers import total_of
from harvest_source.reading.by_windows import SLOW_TRIES, add_pages
from harvest_source.reading.query import ListQuery
from harvest_source.reading.reading import Draft
from harvest_source.reading.windows import ALL_DAYS, Window
from harvest_source.settings import PER_PAGE

# windows of no more are not counted any further: two requests read the answer, or the part of two answers, that differs
FEW_ANSWERS = 3
FEW_DAYS = 2  # nor these, whatever they hold


@dataclass
class Differing:
    """What was read of a list since a table differs there."""

    draft: Draft
    windows: list[Window] = field(default_factory=list)
    # whether rows shifted while a window was paged, so that it was read anew, and a row that is there may lack
    shifted: bool = False


def read_differing(query: ListQuery, days: Mapping[date, int], there: int) -> Differing:
    """Returns the windows in which a table and Harvest count different rows, and Harvest's rows of them.

    Args:
        query: of the list.
        days: rows of the table by day.
        there: how many rows with a date Harvest has.

    Raises:
        ApiError: an answer could not be read.
    """
    found = Differing(query.draft())
    _Search(query, days, found).look_into(ALL_DAYS, there)
    return found


def middle_of(rows_by_day: Mapping[date, int]) -> date:
    """Returns the day after which about half of the rows come; there are two days at least, and the last is not it."""
    half, rows = sum(rows_by_day.values()) / 2, 0
    *days, _last = sorted(rows_by_day)
    for day in days:
        rows += rows_by_day[day]
        if rows >= half:
            return day
    return days[-1]


def end_of_page(rows_by_day: Mapping[date, int]) -> date:
    """Returns the last day up to which an answer holds the rows, the first where it holds not even those of that day.

    There are two days at least, and the last is not it.
    """
    *days, _last = sorted(rows_by_day)
    sums = accumulate(rows_by_day[day] for day in days)
    return max(
        (day for day, rows in zip(days, sums, strict=True) if rows <= PER_PAGE), default=days[0]
    )


@dataclass(frozen=True)
class _Search:
    query: ListQuery
    days: Mapping[date, int]
    found: Differing

    def look_into(self, window: Window, there: int | None) -> None:
        """Reads the parts of a window in which the counts differ.

        Args:
            window: to be looked into.
            there: how many rows Harvest has in it; `None` where it does not say, so that all are read.
        """
        inside = self._inside(window)
        here = sum(inside.values())
        if there == here:
            return
        if there is None or max(here, there) <= PER_PAGE or len(inside) <= 1:
            self._read(window)
        elif max(here, there) <= FEW_ANSWERS * PER_PAGE or len(inside) <= FEW_DAYS:
            older, newer = window.cut_after(end_of_page(inside))
            there_newer = self._read(newer, unless=sum(self._inside(newer).values()))
            self.look_into(older, None if there_newer is None else there - there_newer)
        else:
            older, newer = window.cut_after(middle_of(inside))
            there_older = self.query.within(older).total()
            self.look_into(older, there_older)
            self.look_into(newer, None if there_older is None else there - there_older)

    def _inside(self, window: Window) -> dict[date, int]:
        return {day: rows for day, rows in self.days.items() if window.holds(day)}

    def _read(self, window: Window, unless: int | None = None) -> int | None:
        """Reads a window, of one with a given number of rows no more than the first answer; returns Harvest's count."""
        answers = self.query.within(window).answers(slow_tries=SLOW_TRIES)
        first = next(answers)
        total = total_of(first.data)
        if total is None or total != unless:
            draft = self.query.draft()
            read = add_pages(self.query, window, chain([first], answers), draft)
            self.found.shifted |= read is not draft
            self.found.draft.merge(read)
            self.found.windows.append(window)
        return total
