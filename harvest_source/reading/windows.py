"""Windows of a list's date, each of which fits into one answer: what covers all days, what a window is cut into.

One answer is one moment: nothing can shift within it. A row that moves between windows has a new `updated_at`, and the
bookmark does not pass the moment the reading began, so the next run asks for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from harvest_source.api.client import Params
from harvest_source.reading.reading import Record

WINDOW_ROWS = 1500  # a window may grow by a third before it no longer fits into one answer of 2,000
ALL_DAYS_FROM, ALL_DAYS_TO = date(1900, 1, 1), date(2999, 12, 31)


@dataclass(frozen=True)
class Window:
    """Days from `start` to `end`, both included; `None` where it is open."""

    start: date | None = None
    end: date | None = None

    def params(self) -> Params:
        """Returns the window as the API's filter (`from`, `to`, both inclusive)."""
        named = {"from": self.start, "to": self.end}
        return {name: day.isoformat() for name, day in named.items() if day}

    @property
    def holds_days(self) -> bool:
        """Returns whether there is a day in the window."""
        return self.start is None or self.end is None or self.start <= self.end

    def holds(self, day: date) -> bool:
        """Returns whether a day is in the window."""
        return (self.start is None or self.start <= day) and (self.end is None or day <= self.end)

    def cut_after(self, day: date) -> tuple[Window, Window]:
        """Returns the two windows that meet after a day."""
        return Window(self.start, day), Window(day + timedelta(days=1), self.end)

    def __str__(self) -> str:
        return f"{self.start or ''}..{self.end or ''}"

    @classmethod
    def parse(cls, text: str) -> Window:
        """Returns the window of which `str` made a text."""
        start, _, end = text.partition("..")
        return cls(*(date.fromisoformat(day) if day else None for day in (start, end)))


ALL_DAYS = Window(ALL_DAYS_FROM, ALL_DAYS_TO)


def plan_windows(days: Counter[date]) -> list[Window]:
    """Returns windows that cover all days, each with few enough rows by the given counts per day."""
    windows: list[Window] = []
    rest, rows = Window(), 0
    for day in sorted(days):
        if rows and rows + days[day] > WINDOW_ROWS:
            before, rest = rest.cut_after(day - timedelta(days=1))
            windows.append(before)
            rows = 0
        rows += days[day]
    return [*windows, rest]


def between(windows: Iterable[Window]) -> list[Window]:
    """Returns what makes up all days together with windows that have no day in common; the newest days first."""
    gaps: list[Window] = []
    end: date | None = None
    for window in sorted(windows, key=lambda each: each.start or date.min, reverse=True):
        if window.end and window.end != end:
            gaps.append(Window(window.end + timedelta(days=1), end))
        if window.start is None:
            return gaps
        end = window.start - timedelta(days=1)
    return [*gaps, Window(None, end)]


def day_of(record: Record, date_column: str) -> date | None:
    """Returns the day of a record, `None` where it has none that a window can have."""
    text = record.get(date_column)
    try:
        day = date.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return day and within_all_days(day)


def within_all_days(day: date) -> date | None:
    """Returns a day, `None` where no window can have it."""
    return day if ALL_DAYS_FROM <= day <= ALL_DAYS_TO else None


def cut(window: Window, days: Iterable[date | None]) -> list[Window]:
    """Returns smaller windows that make up one whose rows do not fit into one answer; itself where it cannot be cut.

    Args:
        window: what was asked for.
        days: of the rows that came, as many as fitted.
    """
    inside = sorted(day for day in days if day and window.holds(day))
    if not inside:
        return [window]
    middle = inside[len(inside) // 2]
    before, rest = window.cut_after(middle - timedelta(days=1))
    only, after = rest.cut_after(middle)
    if inside[0] == inside[-1]:
        return [part for part in (before, only, after) if part.holds_days]
    return list(window.cut_after(middle)) if middle < inside[-1] else [before, rest]
