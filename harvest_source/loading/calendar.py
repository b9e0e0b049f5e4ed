"""The table `calendar`: one row per day, so that SQL need not compute weeks, months and working days, each database in its way.

It reaches from the earliest to the latest date in any table of the dataset: a row with another date would be lost in a join.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import dlt
from dlt.common.schema.typing import TTableSchemaColumns

from harvest_source.catalogue.columns.types import Kind
from harvest_source.catalogue.report import Row
from harvest_source.catalogue.tables import all_tables
from harvest_source.destinations.scope import EVERY_ROW, Condition, Scope
from harvest_source.destinations.warehouse import Dates, Warehouse
from harvest_source.loading.figure_history import HISTORIES
from harvest_source.loading.history import ACCOUNTS_TABLE, AS_OF, MERGE

TABLE, DAY = "calendar", "day"
COLUMNS: TTableSchemaColumns = {
    DAY: {"data_type": "date", "nullable": False, "description": "The day."},
    "number": {
        "data_type": "bigint",
        "description": "Running number: the numbers of two days differ by the days between them.",
    },
    "week": {"data_type": "date", "description": "Monday of the day's week."},
    "month": {"data_type": "date", "description": "First day of the day's month."},
    "is_working_day": {"data_type": "bool", "description": "True from Monday to Friday."},
}
CALENDAR_HINTS: dict[str, Any] = {
    "name": TABLE,
    "primary_key": (DAY,),
    "columns": COLUMNS,
    "file_format": "parquet",
}
FIRST, LAST = date(1990, 1, 1), date(2100, 12, 31)  # a mistyped year would else be many rows
ONE_DAY, SATURDAY = timedelta(days=1), 5
# a column that a hand took away was made anew, without values
WHOLE = Scope(tuple(Condition(name, "<>", None) for name in COLUMNS))
DAYS = (TABLE, DAY)

Place = tuple[str, str]
"""A table and a column in it."""


PLACES: tuple[Place, ...] = (
    *(
        (table.name, column.name)
        for table in all_tables()
        for column in table.columns
        if column.kind is Kind.DATE
    ),
    *(
        (history.name, column.name)
        for history in HISTORIES
        for column in history.columns
        if column.kind is Kind.DATE
    ),
    (ACCOUNTS_TABLE, AS_OF),
)
"""Where there are dates."""


@dataclass(frozen=True)
class Missing:
    """What a table of days lacks."""

    rows: list[Row]  # to load
    outside: Counter[str]  # table: dates that no calendar has, before `FIRST` or after `LAST`

    def notes(self) -> list[str]:
        """Returns what the summary says."""
        if not self.outside:
            return []
        listed = ", ".join(f"{table} {number:,}" for table, number in sorted(self.outside.items()))
        return [f"dates before {FIRST} or after {LAST}, which calendar does not have: {listed}"]


def missing_days(warehouse: Warehouse, day: date, *, whole: bool) -> Missing:
    """Returns the rows that `calendar` lacks; it never becomes shorter.

    Args:
        warehouse: with the tables.
        day: of the run, which is always in it.
        whole: whether all rows are written where one is missing.
    """
    found, outside = _dates(warehouse)
    first = min((day, *(each.earliest for each in found.values())))
    last = max((day, *(each.latest for each in found.values())))
    present = _present(found.get(DAYS))
    lacking = [each for each in _days(first, last) if each not in present]
    return Missing(_rows(_days(first, last) if lacking and whole else lacking), outside)


def _dates(warehouse: Warehouse) -> tuple[dict[Place, Dates], Counter[str]]:
    """Returns the dates that a calendar may have, by place, and how many others there are, by table."""
    scopes = {**dict.fromkeys(PLACES, EVERY_ROW), DAYS: _within(WHOLE, DAY)}
    found = warehouse.dates(scopes)
    beyond = [
        place for place, dates in found.items() if dates.earliest < FIRST or dates.latest > LAST
    ]
    inside = warehouse.dates({place: _within(EVERY_ROW, place[1]) for place in beyond})
    outside = Counter[str]()
    for place in beyond:
        number = inside[place].number if place in inside else 0
        outside[place[0]] += found.pop(place).number - number
    return found | inside, outside


def _within(scope: Scope, column: str) -> Scope:
    return scope.where(column, ">=", FIRST).where(column, "<=", LAST)


def _present(there: Dates | None) -> set[date]:
    """Returns the days that the table has; none where one is missing between them or stands twice."""
    days = set(_days(there.earliest, there.latest)) if there else set()
    return days if there and len(days) == there.number else set()


def _days(first: date, last: date) -> Iterator[date]:
    return (first + n * ONE_DAY for n in range((last - first).days + 1))


def _rows(days: Iterable[date]) -> list[Row]:
    return [
        {
            DAY: day,
            "number": day.toordinal(),
            "week": day - day.weekday() * ONE_DAY,
            "month": day.replace(day=1),
            "is_working_day": day.weekday() < SATURDAY,
        }
        for day in days
    ]


def calendar_resource(rows: list[Row], *, whole: bool = False) -> Any:
    """Returns the dlt resource of the table `calendar`.

    Args:
        rows: of days.
        whole: whether they are all that the table is to have, since the destination cannot merge.
    """
    disposition: Any = "replace" if whole else MERGE
    return dlt.resource([rows], **CALENDAR_HINTS, write_disposition=disposition)
