"""The figures of invoices in plain Python: written from their meaning, not from their SQL."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

from figures_books import ZERO, Books, ratio, total
from figures_tables import Row

AGES = ((0, "not due"), (30, "1-30"), (60, "31-60"), (90, "61-90"))


def _sent(books: Books) -> list[Row]:
    return [row for row in books.live["invoices"] if row["state"] != "draft"]


def realisation(books: Books) -> list[Row]:
    """Returns an invoice with time on it a row."""
    expense_kinds = {
        row["name"] for row in books.live["invoice_item_categories"] if row["use_as_expense"]
    }
    found = []
    for invoice in _sent(books):
        entries = [row for row in books.entries if row["invoice_id"] == invoice["id"]]
        if not entries:
            continue
        worked = total(row["amount"] for row in entries) if books.has_rates else None
        charged = total(
            line["net"]
            for line in books.lines
            if line["invoice"] is invoice and line["kind"] not in expense_kinds
        )
        issued = invoice["issue_date"]
        found.append(
            {
                "account_id": books.account_id,
                **books.client(invoice["client__id"]),
                "invoice_id": invoice["id"],
                "invoice_number": invoice["number"],
                "month": issued and issued.replace(day=1),
                "currency": invoice["currency"],
                "hours": total(row["billable_hours"] for row in entries),
                "worked_amount": worked,
                "charged_amount": charged,
                "realisation": ratio(charged, worked),
                "hours_without_rate": total(row["hours_without_rate"] for row in entries),
            }
        )
    return found


def invoiced(books: Books) -> list[Row]:
    """Returns a client, month of issue and currency a row."""
    paid: dict[int, Decimal] = defaultdict(Decimal)
    for row in books.live["invoice_payments"]:
        paid[row["invoice_id"]] += row["amount"]
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in _sent(books):
        issued = row["issue_date"]
        groups[row["client__id"], issued and issued.replace(day=1), row["currency"]].append(row)
    found = []
    for (client_id, month, currency), rows in groups.items():
        amount = total(row["amount"] for row in rows)
        tax = total((row["tax_amount"] or ZERO) + (row["tax2_amount"] or ZERO) for row in rows)
        payments = total(paid[row["id"]] for row in rows)
        lost = total(row["amount"] - paid[row["id"]] for row in rows if row["state"] == "closed")
        days = [
            (row["paid_date"] - row["issue_date"]).days
            for row in rows
            if row["state"] == "paid" and row["paid_date"] and row["issue_date"]
        ]
        found.append(
            {
                "account_id": books.account_id,
                **books.client(client_id),
                "month": month,
                "currency": currency,
                "invoices": len(rows),
                "invoiced": amount,
                "tax": tax,
                "net": amount - tax,
                "paid": payments,
                "written_off": lost,
                "due": amount - payments - lost,
                "collection": ratio(payments, amount),
                "paid_invoices": len(days),
                "days_to_pay_total": Decimal(sum(days)),
                "days_to_pay": ratio(Decimal(sum(days)), Decimal(len(days))),
                "on_retainer": total(
                    row["amount"] for row in rows if row["retainer__id"] is not None
                ),
            }
        )
    return found


def receivables(books: Books) -> list[Row]:
    """Returns an open invoice with an amount due a row."""
    found = []
    for row in books.live["invoices"]:
        if row["state"] != "open" or row["due_amount"] <= 0:
            continue
        late = max((books.as_of - (row["due_date"] or books.as_of)).days, 0)
        found.append(
            {
                "account_id": books.account_id,
                **books.client(row["client__id"]),
                "invoice_id": row["id"],
                "invoice_number": row["number"],
                "currency": row["currency"],
                "amount": row["amount"],
                "paid": row["amount"] - row["due_amount"],
                "due_amount": row["due_amount"],
                "issue_date": row["issue_date"],
                "due_date": row["due_date"],
                "days_overdue": late,
                "age": next((age for most, age in AGES if late <= most), "over 90"),
                "as_of": books.as_of,
            }
        )
    return found
