"""What clients owe, by age and by invoice."""

from __future__ import annotations

from harvest_source.figures.invoices import RECEIVABLES
from harvest_source.page.accounts import Account
from harvest_source.page.cells import ROWS, Column, Row, count, day, money
from harvest_source.page.tables import (
    BAD,
    FULL,
    Line,
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

INVOICES = Column("Invoices", RECEIVABLES, ROWS, count)
DUE = Column("Owed", RECEIVABLES, "due_amount", money)
DUE_DATE = Column("Due", RECEIVABLES, "due_date", day, unknown="no day set")
OVERDUE = Column("Days late", RECEIVABLES, "days_overdue", count)
AGES = {
    "not due": "not due",
    "1 to 30 days late": "1-30",
    "31 to 60 days late": "31-60",
    "61 to 90 days late": "61-90",
    "over 90 days late": "over 90",
}
LATE = {"days_overdue": (1, None)}


def receivables(account: Account, rows: Rows) -> Part:
    """Returns for each currency a table of ages, and one of invoices."""
    tables = []
    for currency, own in groups(rows[RECEIVABLES.name], "currency").items():
        key = {"account_id": account.id, "currency": currency}
        columns = (DUE, INVOICES)
        lines = [
            line_of(name, {**key, "age": age}, columns, rows, currency)
            for name, age in AGES.items()
        ]
        total = line_of("Together", key, columns, rows, currency)
        heads = tuple(column.head for column in columns)
        caption = in_currency(currency)
        lines = drawn(lines, {0: FULL})
        tables.append(Table("Age", heads, lines, caption, total=total, is_short=True))
        tables.append(_invoices(own, currency))
    return Part(tables)


def _invoices(own: list[Row], currency: str | None) -> Table:
    columns = (DUE, DUE_DATE, OVERDUE)
    shown, left_out = first_ones(own, lambda row: (-row["days_overdue"], -row["due_amount"]))
    lines = [
        Line(
            named(row["client_name"], "client"),
            {"account_id": row["account_id"], "invoice_id": row["invoice_id"]},
            tuple(column.cell([row], currency) for column in columns),
            f"invoice {row['invoice_number']}" if row["invoice_number"] else "",
            tone=BAD if row["days_overdue"] else "",
        )
        for row in shown
    ]
    heads = tuple(column.head for column in columns)
    caption = f"{in_currency(currency)}, by invoice"
    return Table("Client", heads, drawn(lines, {0: FULL}), caption, left_out)
