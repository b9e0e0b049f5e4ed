"""Columns of invoices, their payments and messages, and the categories of their lines."""

from __future__ import annotations

from harvest_source.catalogue.columns.shared import (
    ACCOUNT_ID,
    CLIENT,
    CREATOR,
    DOCUMENT_AMOUNTS,
    DOCUMENT_TEXTS,
    INVOICE_ID,
    LINE_ITEM,
    MESSAGE,
    PROJECT,
    RECIPIENTS,
    STAMPS,
    date,
    decimal,
    flag,
    identity,
    instant,
    secret,
    text,
    values,
    whole,
)
from harvest_source.catalogue.columns.types import Field, NestedList, under

INVOICES: tuple[Field, ...] = (
    ACCOUNT_ID,
    identity("invoice"),
    *CLIENT,
    secret(
        "client_key",
        "Part of the invoice's public address: opens it without login, treat as a secret.",
    ),
    *DOCUMENT_TEXTS,
    text(
        "state", "`draft`, `open`, `paid` or `closed`; late is no state: open with due_date passed."
    ),
    *DOCUMENT_AMOUNTS,
    decimal("due_amount", "What is still to be paid of amount; payments occur on drafts too."),
    date("period_start", "First day of the time and expenses billed; null if none were imported."),
    date("period_end", "Last day of the time and expenses billed; null if none were imported."),
    date("issue_date", "Day of the invoice; can be changed later, may be null."),
    date("due_date", "Day the payment is due; may be null."),
    text("payment_term", "`upon receipt`, `net 15`, `net 30`, `net 45`, `net 60` or `custom`."),
    instant("sent_at", "When it was sent, UTC; null: not sent."),
    instant(
        "paid_at", "When it was paid, UTC; midnight where only a day was entered, use paid_date."
    ),
    date("paid_date", "Day it was paid; null: not paid."),
    instant("closed_at", "When it was closed (written off), UTC; null: not closed."),
    whole(
        "recurring_invoice_id",
        "Id of the recurring invoice that produced it; null: none. No table to join.",
    ),
    whole("estimate__id", "Id of the estimate it was made from; null: none.", "estimates"),
    whole("retainer__id", "Id of the retainer it belongs to; null: none. No table to join."),
    *CREATOR,
    *STAMPS,
    NestedList(
        "line_items", (*LINE_ITEM, *PROJECT), "Lines of the invoice, the full current list."
    ),
    values(
        "payment_options",
        "Ways the client may pay online; none in older answers.",
        text("value", "`ach`, `credit_card` or `paypal`."),
    ),
)

INVOICE_MESSAGES: tuple[Field, ...] = (
    ACCOUNT_ID,
    INVOICE_ID,
    identity("invoice message"),
    text(
        "event_type",
        "`send`, `close`, `draft`, `re-open` or `view`: a change of state; null: an e-mail was sent.",
    ),
    *MESSAGE,
    flag("attach_pdf", "True if the invoice was attached as PDF."),
    flag(
        "include_link_to_client_invoice",
        "True if the e-mail links to the public invoice; deprecated by Harvest.",
    ),
    flag("thank_you", "True for a thank-you message."),
    flag("reminder", "True for a reminder."),
    date("send_reminder_on", "Day a reminder is to be sent; null: none planned."),
    *STAMPS,
    RECIPIENTS,
)

INVOICE_PAYMENTS: tuple[Field, ...] = (
    ACCOUNT_ID,
    INVOICE_ID,
    identity("invoice payment"),
    decimal("amount", "Money paid, in the invoice's currency; may be negative."),
    instant(
        "paid_at", "When it was paid, UTC; midnight where only a day was entered, use paid_date."
    ),
    date("paid_date", "Day it was paid."),
    text("recorded_by", "Name of the user who recorded the payment."),
    text("recorded_by_email", "E-mail address of the user who recorded the payment."),
    text("notes", "Notes; may be null or empty."),
    text("transaction_id", "Id at the payment service; null for payments entered by hand."),
    *under(
        "payment_gateway",
        whole("id", "Id of the payment service in Harvest; null for payments entered by hand."),
        text("name", "Name of the payment service; null for payments entered by hand."),
    ),
    *STAMPS,
)

INVOICE_ITEM_CATEGORIES: tuple[Field, ...] = (
    ACCOUNT_ID,
    identity("invoice item category"),
    text("name", "Name of the category; stands as kind on the lines."),
    flag("use_as_service", "True if hours are billed under it."),
    flag("use_as_expense", "True if expenses are billed under it."),
    *STAMPS,
)
