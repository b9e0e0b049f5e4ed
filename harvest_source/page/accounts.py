"""An account on the page: its name, the day of its data, and the months that this day has before it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

MONTHS_BEFORE = 12
MONTHS_A_YEAR = 12


@dataclass(frozen=True)
class Account:
    """An account that was loaded."""

    id: int
    name: str
    as_of: date  # the day of its data

    @property
    def month(self) -> date:
        """Returns the first day of the month that its data ends in."""
        return self.as_of.replace(day=1)

    @property
    def first_month(self) -> date:
        """Returns the first day of the month a year before that."""
        return earlier(self.month, MONTHS_BEFORE)

    def months_from(self, days: Iterable[date]) -> list[date]:
        """Returns this month and those of the last twelve that are not before the first day of some, newest first."""
        known = [each for each in days if self.first_month <= each <= self.as_of]
        months = [earlier(self.month, number) for number in range(MONTHS_BEFORE + 1)]
        return [month for month in months if month >= min(known, default=date.max).replace(day=1)]


def earlier(month: date, number: int) -> date:
    """Returns the first day of a month so many months before another's."""
    years, rest = divmod(month.year * MONTHS_A_YEAR + month.month - 1 - number, MONTHS_A_YEAR)
    return date(years, rest + 1, 1)
