"""Columns of time entries, expenses and expense categories."""

from __future__ import annotations

from harvest_source.catalogue.columns.shared import (
    ACCOUNT_ID,
    APPROVAL,
    CLIENT,
    CLIENT_CURRENCY,
    INVOICE,
    PROJECT,
    STAMPS,
    TASK,
    TASK_ASSIGNMENT_COPY,
    USER,
    USER_ASSIGNMENT_COPY,
    date,
    decimal,
    flag,
    identity,
    instant,
    named,
    text,
    whole,
)
from harvest_source.catalogue.columns.types import Field, under

IS_BILLED = flag(
    "is_billed",
    "True once it is marked as invoiced; says nothing about payment, nor whether it is billable.",
)

TIME_ENTRIES: tuple[Field, ...] = (
    ACCOUNT_ID,
    identity("time entry"),
    date("spent_date", "Day the work was done, local to the user; can be changed later."),
    *USER,
    *CLIENT,
    CLIENT_CURRENCY,
    *PROJECT,
    *TASK,
    decimal(
        "hours",
        "Hours as tracked, decimal (1.5 = 90 minutes); includes the running timer as of the last read.",
    ),
    decimal("hours_without_timer", "Hours stored before the timer was last started."),
    decimal(
        "rounded_hours",
        "Hours rounded by the account's setting: what Harvest's reports and invoices use.",
    ),
    text("notes", "What was done; may be null."),
    *APPROVAL,
    flag(
        "billable",
        "True if the time may be charged to the client; whether it has been is is_billed.",
    ),
    IS_BILLED,
    *INVOICE,
    flag("budgeted", "True if the hours count against the project's budget."),
    decimal(
        "billable_rate",
        "Rate per hour fixed on the entry; null for time that is not billable or without permission.",
    ),
    decimal(
        "cost_rate",
        "Cost per hour fixed on the entry; null: none, or the caller may not see costs.",
    ),
    flag("is_running", "True while the timer runs; hours then grow without updated_at moving."),
    instant("timer_started_at", "When the running timer was started, UTC; null unless it runs."),
    text(
        "started_time",
        "Start, local time of day as `3:00pm` or `15:00` by the company's clock; null for durations.",
    ),
    text(
        "ended_time",
        "End, local time of day as `3:00pm` or `15:00` by the company's clock; null for durations.",
    ),
    *USER_ASSIGNMENT_COPY,
    *TASK_ASSIGNMENT_COPY,
    *under(
        "external_reference",
        text(
            "id",
            "Id in the foreign system, a text; several time entries can share it. Null: not linked.",
        ),
        text("group_id", "Group, such as a project, in the foreign system; a text."),
        text(
            "account_id", "Account in the foreign system; a text, unrelated to the Harvest account."
        ),
        text("permalink", "Address of the foreign record."),
        text("service", "Name of the foreign system."),
        text("service_icon_url", "Address of the foreign system's icon."),
    ),
    *STAMPS,
)

EXPENSES: tuple[Field, ...] = (
    ACCOUNT_ID,
    identity("expense"),
    date("spent_date", "Day the money was spent; can be changed later."),
    *USER,
    *CLIENT,
    CLIENT_CURRENCY,
    *PROJECT,
    *named("expense_category", "expense category", "expense_categories"),
    decimal(
        "expense_category__unit_price",
        "Price of one unit of the category, such as a kilometre; null: no unit price.",
    ),
    text("expense_category__unit_name", "Unit of the category, such as mile; null: no unit."),
    decimal("units", "Number of units; documented as whole, delivered with decimals."),
    decimal("total_cost", "Money spent, all units together."),
    text("notes", "What it was for; may be null."),
    *APPROVAL,
    flag(
        "billable",
        "True if the expense may be charged to the client; whether it has been is is_billed.",
    ),
    IS_BILLED,
    *INVOICE,
    *under(
        "receipt",
        text(
            "url", "Address of the receipt, opens only with a login at Harvest; null: no receipt."
        ),
        text("file_name", "File name of the receipt."),
        whole("file_size", "Size of the receipt, in bytes."),
        text("content_type", "Media type of the receipt, such as image/png."),
    ),
    *USER_ASSIGNMENT_COPY,
    *STAMPS,
)

EXPENSE_CATEGORIES: tuple[Field, ...] = (
    ACCOUNT_ID,
    identity("expense category"),
    text("name", "Name of the category."),
    text("unit_name", "Unit that is counted, such as mile; null: plain amounts."),
    decimal("unit_price", "Price of one unit; three decimals occur (0.535). Null: plain amounts."),
    flag("is_active", "False if the category is archived."),
    *STAMPS,
)
