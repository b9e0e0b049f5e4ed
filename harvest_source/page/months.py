"""This month and the twelve before it: hours, what they are worth, and what was invoiced."""

from __future__ import annotations

from harvest_source.figures.invoices import INVOICED
from harvest_source.figures.projects import BILLABLE_AMOUNT
from harvest_source.page.accounts import Account
from harvest_source.page.cells import Column, hours, money, month_of, percent
from harvest_source.page.tables import (
    FULL,
    LIGHT,
    Key,
    Note,
    Part,
    Rows,
    Table,
    drawn,
    groups,
    in_currency,
    line_of,
    matching,
)

HOURS = Column("Hours", BILLABLE_AMOUNT, "hours", hours)
BILLABLE = Column("Billable", BILLABLE_AMOUNT, "billable_hours", hours)
SHARE = Column("Share", BILLABLE_AMOUNT, "billable_hours", percent, by="hours", unknown="no hours")
WORTH = Column("Worth", BILLABLE_AMOUNT, "billable_amount", money)
WITHOUT_RATE = Column("Without a rate", BILLABLE_AMOUNT, "hours_without_rate", hours)
BILLED = Column("Invoiced", INVOICED, "invoiced", money)
PAID = Column("Paid", INVOICED, "paid", money)


def months(account: Account, rows: Rows) -> Part:
    """Returns a table of hours, and one of money for each currency."""
    shown = account.months_from(
        row["month"] for each in rows.values() for row in each if row["month"]
    )
    if not shown:
        return Part()
    within = {
        name: [row for row in each if row["month"] and shown[-1] <= row["month"] <= shown[0]]
        for name, each in rows.items()
    }

    def table(caption: str, columns: list[Column], bars: dict[int, str], key: Key) -> Table:
        columns = [column for column in columns if column.figure.name in rows]
        own = {"account_id": account.id, **key}
        meant = {name: matching(each, own) for name, each in within.items()}
        lines = [
            line_of(month_of(month), {**own, "month": month}, columns, meant) for month in shown
        ]
        together = line_of("Together", {**own, "month": (shown[-1], shown[0])}, columns, meant)
        heads = tuple(column.head for column in columns)
        return Table("Month", heads, drawn(lines, bars), caption, total=together, is_short=True)

    tables, notes = [], []
    if BILLABLE_AMOUNT.name in rows:
        tables.append(table("Hours", [HOURS, BILLABLE, SHARE], {0: LIGHT, 1: FULL}, {}))
        key = {"account_id": account.id, "month": (shown[-1], shown[0])}
        line = line_of("", key, [WITHOUT_RATE], within)
        notes = [Note("billable hours have no rate: they count as hours, and as no money.", line)]
    currencies = groups((row for each in within.values() for row in each), "currency")
    tables += [
        table(in_currency(currency), [WORTH, BILLED, PAID], {0: FULL}, {"currency": currency})
        for currency in currencies
    ]
    return Part(tables, [note for note in notes if note.line and note.line.cells[0].value])
