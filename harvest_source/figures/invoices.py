"""What is known of the figures of invoices."""

from __future__ import annotations

from harvest_source.catalogue.columns.shared import ACCOUNT_ID, date, decimal, text, whole
from harvest_source.figures.columns import AS_OF, CLIENT, OF_INVOICE, WITHOUT_RATE
from harvest_source.figures.figure import Figure

_CURRENCY = text("currency", "Currency of the invoice: the money of the row is in it.")
_MONTH = date("month", "First day of the month of issue.")

REALISATION = Figure(
    name="realisation",
    question="How much of the worth of the time on an invoice was charged?",
    row="An invoice with time on it; drafts are left out.",
    key=("account_id", "invoice_id"),
    columns=(
        *OF_INVOICE,
        _MONTH,
        _CURRENCY,
        decimal("hours", "Rounded hours of the billable entries on the invoice."),
        decimal("worked_amount", "Their amount by their rates."),
        decimal(
            "charged_amount",
            "Lines of the invoice but expenses, each less its share of the discount, before tax.",
        ),
        decimal(
            "realisation", "Charged by worked (1 is all of it); null where worked_amount is 0."
        ),
        WITHOUT_RATE,
    ),
    differs=(
        "A line of an invoice does not name the entries that it bills, so a whole invoice is compared.",
        "A line is an expense if its kind names an item category of expenses: once that is renamed, old lines count as time.",
    ),
)

INVOICED = Figure(
    name="invoiced",
    question="What was invoiced each month, what of it was paid, and how soon?",
    row="A client, a month of issue and a currency; drafts are left out.",
    key=("account_id", "client_id", "month", "currency"),
    columns=(
        ACCOUNT_ID,
        *CLIENT,
        _MONTH,
        _CURRENCY,
        whole("invoices", "Number of invoices."),
        decimal("invoiced", "Their amounts, with tax."),
        decimal("tax", "Both taxes, already in invoiced."),
        decimal("net", "Invoiced less tax."),
        decimal("paid", "Payments recorded for these invoices, whenever they came."),
        decimal("written_off", "Amount less payments of closed invoices."),
        decimal("due", "What is still to be paid: invoiced less paid and written_off."),
        decimal("collection", "Paid by invoiced; null where nothing was invoiced."),
        whole("paid_invoices", "Number of invoices in the state paid, with both dates."),
        decimal("days_to_pay_total", "Days from issue to the day they were paid, added up."),
        decimal("days_to_pay", "Their mean; null where none is paid."),
        decimal(
            "on_retainer",
            "Of invoiced, amounts of invoices that belong to a retainer. A deposit and the invoice that draws on it count both: "
            "take it off where that is not meant.",
        ),
    ),
    differs=(
        "Written-off invoices are part of invoiced, so that invoiced is always paid, written_off and due together.",
    ),
)

RECEIVABLES = Figure(
    name="receivables",
    question="Who owes how much, and for how long?",
    row="An open invoice with an amount due.",
    key=("account_id", "invoice_id"),
    columns=(
        *OF_INVOICE,
        _CURRENCY,
        decimal("amount", "Total of the invoice, with tax."),
        decimal("paid", "What was paid of it."),
        decimal("due_amount", "What is still to be paid."),
        date("issue_date", "Day of the invoice."),
        date("due_date", "Day the payment is due; may be null."),
        whole("days_overdue", "Days since due_date; 0 on that day, before it, and without one."),
        text("age", "`not due`, `1-30`, `31-60`, `61-90` or `over 90` days."),
        AS_OF,
    ),
    differs=(
        "Drafts are not receivables, though Harvest's app calls them open: nobody has been asked to pay them.",
        "The age counts from the due date, not from the day of issue.",
    ),
)
