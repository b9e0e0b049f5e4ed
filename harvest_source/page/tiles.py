"""The numbers at the top of an account: those of this month, and what is open on the day of its data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harvest_source.figures.projects import BUDGET_BURN
from harvest_source.page.accounts import Account
from harvest_source.page.cells import ROWS, Column, count
from harvest_source.page.months import BILLED, HOURS, SHARE, WORTH
from harvest_source.page.projects import OPEN_AMOUNT
from harvest_source.page.receivables import DUE, LATE
from harvest_source.page.tables import BAD, Line, Rows, Tile, groups, line_of, matching

SMALL = "small"
BUDGETS = Column("Budgets", BUDGET_BURN, ROWS, count)
CURRENT: dict[str, Any] = {"is_active": True, "is_current": True}


def tiles(account: Account, rows: Rows) -> list[Tile]:
    """Returns the tiles of figures that could be asked for."""
    own: dict[str, Any] = {"account_id": account.id}
    now = {**own, "month": account.month}
    made = [
        (HOURS, Tile("Hours this month", list(_hours(now, rows)))),
        (WORTH, Tile("Worth of this month", list(_money(now, WORTH, rows)))),
        (BILLED, Tile("Invoiced this month", list(_money(now, BILLED, rows)))),
        (OPEN_AMOUNT, Tile("Not invoiced yet", list(_money(own, OPEN_AMOUNT, rows)))),
        (DUE, Tile("Owed by clients", list(_money(own, DUE, rows, late=LATE)))),
        (BUDGETS, Tile("Over budget", list(_budgets(own, rows)))),
    ]
    return [tile for column, tile in made if column.figure.name in rows]


def _hours(key: dict[str, Any], rows: Rows) -> Iterator[Line]:
    if HOURS.figure.name in rows:
        yield line_of("", key, [HOURS], rows)
        yield line_of("billable", key, [SHARE], rows, tone=SMALL)


def _money(
    key: dict[str, Any], column: Column, rows: Rows, late: dict[str, Any] | None = None
) -> Iterator[Line]:
    """Yields a line for each currency, and one of what is late of it."""
    for currency in groups(matching(rows.get(column.figure.name, ()), key), "currency"):
        of_it = {**key, "currency": currency}
        yield line_of(currency or "", of_it, [column], rows)
        if late and matching(rows[column.figure.name], {**of_it, **late}):
            yield line_of("of it late", {**of_it, **late}, [column], rows, tone=f"{SMALL} {BAD}")


def _budgets(own: dict[str, Any], rows: Rows) -> Iterator[Line]:
    if BUDGET_BURN.name in rows:
        over = line_of("", {**own, **CURRENT, "is_over": True}, [BUDGETS], rows)
        yield over
        yield line_of("with a budget", {**own, **CURRENT}, [BUDGETS], rows, tone=SMALL)
