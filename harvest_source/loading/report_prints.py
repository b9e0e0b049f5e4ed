"""Fingerprints of spans of days: what the loaded tables say of them, so short that dlt's state keeps one for each span.

A span that is over is asked for again where its fingerprint is another one: an entry in it changed, came, went or moved. A change
moves `updated_at` of an entry, and so the newest one of its day; what goes or moves changes the number and the sum of ids.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from hashlib import sha256
from typing import Any

from harvest_source.destinations.scope import LIVE
from harvest_source.destinations.warehouse import Warehouse
from harvest_source.reading.harvest_reports import EXPENSES, SPENT_DATE, TIME
from harvest_source.reading.windows import Window

PROJECTS = "projects"
LETTERS = 8  # of a fingerprint: two that differ are the same once in four billion times

_OF_ENTRIES = ("id", "project__id", "task__id", "user__id", "client__id", "billable_rate")
_OF_EXPENSES = ("id", "project__id", "expense_category__id", "user__id", "client__id")
SUMS: Mapping[str, tuple[str, ...]] = {
    TIME: (
        "sum(hours)",
        "sum(rounded_hours)",
        *(f"sum(rounded_hours * {name})" for name in _OF_ENTRIES),
    ),
    EXPENSES: ("sum(total_cost)", *(f"sum(total_cost * {name})" for name in _OF_EXPENSES)),
}


@dataclass(frozen=True)
class Days:
    """What the loaded tables say of the days of an account."""

    said: Mapping[date, str]  # of each day on which there is a row
    # with time of a fixed-fee project, whose worth changes with what is outside of them
    unsettled: frozenset[date] = frozenset()

    @cached_property
    def _days(self) -> list[date]:
        return sorted(self.said)

    @property
    def ends(self) -> tuple[date, date] | None:
        """Returns the first and the last day, `None` where there is none."""
        return (self._days[0], self._days[-1]) if self._days else None

    def within(self, span: Window) -> list[date]:
        """Returns the days of a span on which there is a row."""
        first = bisect_left(self._days, span.start or date.min)
        return self._days[first : bisect_right(self._days, span.end or date.max)]

    def print_of(self, span: Window) -> str | None:
        """Returns the fingerprint of a span; `None` where none tells whether a report of it has changed."""
        days = self.within(span)
        if not self.unsettled.isdisjoint(days):
            return None
        text = "\n".join(f"{day} {self.said[day]}" for day in days)
        return sha256(text.encode()).hexdigest()[:LETTERS]


def days_of(warehouse: Warehouse, tables: Collection[str], account_id: int) -> Days:
    """Returns what tables say of the days of an account, with a query each.

    Args:
        warehouse: with the tables.
        tables: `time_entries`, `expenses` or both.
        account_id: whose rows.
    """
    said: dict[date, str] = {}
    for table in tables:
        what = ("count(*)", "sum(id)", "max(updated_at)", *SUMS[table])
        for (day,), values in warehouse.aggregates_by(table, (SPENT_DATE,), what, account_id):
            if day is not None:
                said[day] = f"{said.get(day, '')} {table} {_text_of(values)}"
    unsettled = _fixed_fee_days(warehouse, account_id) if TIME in tables else frozenset()
    return Days(said, unsettled)


def _text_of(values: Iterable[Any]) -> str:
    """Returns values in a text that is the same whenever they are equal."""
    return " ".join(
        f"{value.normalize():f}" if isinstance(value, Decimal) else str(value) for value in values
    )


def _fixed_fee_days(warehouse: Warehouse, account_id: int) -> frozenset[date]:
    """Returns the days with time of fixed-fee projects."""
    flags = warehouse.aggregates_by(PROJECTS, ("id", "is_fixed_fee"), (), account_id)
    projects = [row_id for (row_id, is_fixed_fee), _ in flags if is_fixed_fee]
    if not projects:
        return frozenset()
    scope = LIVE.where("project__id", "in", projects)
    return frozenset(day for day in warehouse.count_by(TIME, SPENT_DATE, account_id, scope) if day)
