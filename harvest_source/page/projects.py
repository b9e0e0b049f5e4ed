"""What of projects stands on the page: budgets, work that is not invoiced, and what an hour brings."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from harvest_source.figures.projects import BUDGET_BURN, EFFECTIVE_RATE, UNINVOICED_WORK
from harvest_source.page.accounts import Account
from harvest_source.page.cells import Column, Row, day, hours, money, percent, with_unit
from harvest_source.page.tables import (
    BAD,
    FULL,
    Line,
    Note,
    Part,
    Rows,
    Table,
    drawn,
    first_ones,
    groups,
    in_currency,
    line_of,
    named,
)

NO_CLIENT = "client not known"

BUDGET = Column("Budget", BUDGET_BURN, "budget", with_unit, unknown="not set")
SPENT = Column("Spent", BUDGET_BURN, "spent", with_unit)
REMAINING = Column("Left", BUDGET_BURN, "remaining", with_unit)
BURN = Column("Used", BUDGET_BURN, "burn", percent)
OF_BUDGET = (BUDGET, SPENT, REMAINING, BURN)
WITHOUT_BUDGET = (
    BUDGET,
    SPENT,
    *(replace(column, unknown="no budget") for column in (REMAINING, BURN)),
)

OPEN_HOURS = Column("Hours", UNINVOICED_WORK, "uninvoiced_hours", hours)
OPEN_AMOUNT = Column("Amount", UNINVOICED_WORK, "uninvoiced_amount", money)
OLDEST = Column("Oldest day", UNINVOICED_WORK, "oldest_day", day, unknown="no day")
ON_DRAFTS = Column("On drafts", UNINVOICED_WORK, "on_drafts", money)
OPEN_WITHOUT_RATE = Column("Without a rate", UNINVOICED_WORK, "hours_without_rate", hours)
AGES = {
    "up to 30 days": "days_0_30",
    "31 to 60 days": "days_31_60",
    "61 to 90 days": "days_61_90",
    "over 90 days": "days_over_90",
}

RATE_HOURS = Column("Hours", EFFECTIVE_RATE, "hours", hours)
REVENUE = Column("Revenue", EFFECTIVE_RATE, "work_revenue", money)
RATE = Column("An hour", EFFECTIVE_RATE, "effective_rate", money)


def project_line(
    row: Row, columns: tuple[Column, ...], *, under: str = "", tone: str = "", **key: Any
) -> Line:
    """Returns the line of a project."""
    below = " · ".join(each for each in (row["client_name"] or NO_CLIENT, under) if each)
    cells = tuple(column.cell([row], row["currency"]) for column in columns)
    key = {"account_id": row["account_id"], "project_id": row["project_id"], **key}
    return Line(named(row["project_name"], "project"), key, cells, below, tone=tone)


def heads(columns: tuple[Column, ...]) -> tuple[str, ...]:
    """Returns what stands above columns."""
    return tuple(column.head for column in columns)


def budgets(_account: Account, rows: Rows) -> Part:
    """Returns a table of the budgets that count now, of active projects."""
    current = [row for row in rows[BUDGET_BURN.name] if row["is_current"] and row["is_active"]]
    if not current:
        return Part()
    shown, left_out = first_ones(current, _worst_budget)
    lines = [
        project_line(
            row,
            OF_BUDGET if row["budget"] else WITHOUT_BUDGET,
            under="this month" if row["month"] else "",
            tone=BAD if row["is_over"] else "",
            month=row["month"],
        )
        for row in shown
    ]
    lines = drawn(lines, {3: FULL}, Decimal(1))
    return Part([Table("Project", heads(OF_BUDGET), lines, left_out=left_out)])


def _worst_budget(row: Row) -> tuple[int, Decimal]:
    """Returns by what budgets are put in order: the most used first, before them a budget of 0 that is over."""
    if row["burn"] is None:
        return (0, Decimal(0)) if row["is_over"] else (2, Decimal(0))
    return 1, -Decimal(row["burn"])


def uninvoiced(account: Account, rows: Rows) -> Part:
    """Returns for each currency a table of ages, and one of projects."""
    tables, notes = [], []
    for currency, own in groups(rows[UNINVOICED_WORK.name], "currency").items():
        started = [row for row in own if _is_open(row)]
        key = {"account_id": account.id, "currency": currency}
        drafts = line_of("", key, [ON_DRAFTS], rows, currency)
        if started:
            tables += [_ages(key, rows, currency), _open_projects(started, currency)]
        if drafts.cells[0].value:
            notes.append(
                Note(
                    f"{in_currency(currency)} stand on drafts: no longer here, and not yet owed.",
                    drafts,
                )
            )
    without = line_of("", {"account_id": account.id}, [OPEN_WITHOUT_RATE], rows)
    if without.cells[0].value:
        notes.append(Note("of these hours have no rate: they count as no money.", without))
    return Part(tables, notes)


def _is_open(row: Row) -> bool:
    """Returns whether something is left to be invoiced, or may be."""
    amount = row["uninvoiced_amount"]
    return (
        bool(row["uninvoiced_hours"] or row["uninvoiced_expenses"])
        if amount is None
        else bool(amount)
    )


def _ages(key: dict[str, Any], rows: Rows, currency: str | None) -> Table:
    by_time = {**key, "is_fixed_fee": False}
    lines = [
        line_of(name, by_time, [Column("Amount", UNINVOICED_WORK, column, money)], rows, currency)
        for name, column in AGES.items()
    ]
    lines.append(
        line_of("left of fixed fees", {**key, "is_fixed_fee": True}, [OPEN_AMOUNT], rows, currency)
    )
    total = line_of("Together", key, [OPEN_AMOUNT], rows, currency)
    lines = drawn(lines, {0: FULL})
    caption = in_currency(currency)
    return Table("Age", ("Amount",), lines, caption, total=total, is_short=True)


def _open_projects(started: list[Row], currency: str | None) -> Table:
    columns = (OPEN_AMOUNT, OPEN_HOURS, OLDEST)
    shown, left_out = first_ones(started, lambda row: _largest_first(row["uninvoiced_amount"]))
    lines = [
        project_line(row, columns, under="fixed fee" if row["is_fixed_fee"] else "")
        for row in shown
    ]
    caption = f"{in_currency(currency)}, by project"
    return Table("Project", heads(columns), drawn(lines, {0: FULL}), caption, left_out)


def _largest_first(amount: Decimal | None) -> tuple[bool, Decimal]:
    return amount is None, -Decimal(amount or 0)


def rates(_account: Account, rows: Rows) -> Part:
    """Returns for each currency a table of projects, of which the lowest rate stands first."""
    columns = (RATE, RATE_HOURS, REVENUE)
    tables = []
    worked = [row for row in rows[EFFECTIVE_RATE.name] if row["hours"]]
    for currency, own in groups(worked, "currency").items():
        shown, left_out = first_ones(
            own, lambda row: (row["effective_rate"] is None, Decimal(row["effective_rate"] or 0))
        )
        lines = drawn([project_line(row, columns) for row in shown], {0: FULL})
        tables.append(Table("Project", heads(columns), lines, in_currency(currency), left_out))
    return Part(tables)
