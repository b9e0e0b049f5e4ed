"""How much of their capacity people track: this month, and in the twelve months before it."""

from __future__ import annotations

from decimal import Decimal

from harvest_source.figures.time import UTILISATION
from harvest_source.page.accounts import Account, earlier
from harvest_source.page.cells import Column, hours, percent
from harvest_source.page.tables import (
    FULL,
    LIGHT,
    MOST_LINES,
    Key,
    Line,
    Part,
    Rows,
    Table,
    drawn,
    groups,
    matching,
    named,
)

NO_CAPACITY = "no capacity"
TRACKED = Column(
    "Tracked", UTILISATION, "hours", percent, "capacity_hours", "utilisation", NO_CAPACITY
)
BILLABLE = Column(
    "Billable",
    UTILISATION,
    "billable_hours",
    percent,
    "capacity_hours",
    "billable_utilisation",
    NO_CAPACITY,
)
HOURS = Column("Hours", UTILISATION, "hours", hours)
CAPACITY = Column("Capacity", UTILISATION, "capacity_hours", hours)
AVAILABLE = Column("Available", UTILISATION, "available_hours", hours)
OF_AVAILABLE = Column(
    "Of available",
    UTILISATION,
    "hours",
    percent,
    "available_hours",
    "available_utilisation",
    "none available",
)


def utilisation(account: Account, rows: Rows) -> Part:
    """Returns a table of people for this month, and one for the twelve before it."""
    before = (account.first_month, earlier(account.month, 1))
    tables = [
        _people(account, rows, "This month", account.month),
        _people(account, rows, "The twelve months before", before),
    ]
    return Part([table for table in tables if table.lines])


def _people(account: Account, rows: Rows, caption: str, month: object) -> Table:
    key: Key = {"account_id": account.id, "month": month}
    meant = matching(rows[UTILISATION.name], key)
    # an account without paid time off has no such hours
    has_leave = any(row["available_hours"] is not None for row in meant)
    leave = (AVAILABLE, OF_AVAILABLE) if has_leave else ()
    columns = (TRACKED, BILLABLE, HOURS, CAPACITY, *leave)
    lines = [
        Line(
            named(own[-1]["user_name"], "person"),
            {**key, "user_id": user_id},
            tuple(column.cell(own) for column in columns),
        )
        for user_id, own in groups(meant, "user_id").items()
    ]
    lines.sort(key=_largest_first)
    shown = drawn(lines[:MOST_LINES], {0: LIGHT, 1: FULL}, Decimal(1))
    heads = tuple(column.head for column in columns)
    return Table("Person", heads, shown, caption, left_out=len(lines) - len(shown))


def _largest_first(line: Line) -> tuple[bool, object]:
    tracked = line.cells[0].value
    return tracked is None, -tracked if isinstance(tracked, (Decimal, int)) else 0
