"""What is known of the figures of time and people."""

from __future__ import annotations

from harvest_source.catalogue.columns.shared import ACCOUNT_ID, date, decimal, flag, text, whole
from harvest_source.figures.columns import (
    AS_OF,
    CLIENT,
    CURRENCY,
    MONTH,
    OF_USER,
    PROJECT,
    USER,
    WITHOUT_COST,
    WITHOUT_RATE,
)
from harvest_source.figures.figure import Figure

_CAPACITY = decimal(
    "capacity_hours",
    "A fifth of the weekly capacity for each Monday to Friday; the company's where the user has none.",
)
_SPAN = (
    "Capacity counts from the user's first entry to the day of the data, and for archived users to their last entry. Harvest "
    "knows no day of joining or leaving; its own report counts the whole chosen period, so also days before and days to come."
)

TRACKED_TIME = Figure(
    name="tracked_time",
    question="Which hours were tracked, by whom and for whom, and what are they worth?",
    row="A time entry; running timers are left out.",
    key=("account_id", "time_entry_id"),
    columns=(
        ACCOUNT_ID,
        whole("time_entry_id", "Id of the time entry; joins time_entries."),
        date("day", "Day the work was done."),
        date("week", "Monday of the week."),
        MONTH,
        *USER,
        *CLIENT,
        *PROJECT,
        whole("task_id", "Id of the task; joins tasks."),
        text("task_name", "Name of the task, as it is now."),
        decimal("hours", "Hours as tracked."),
        decimal("rounded_hours", "Hours as the account rounds them."),
        decimal("billable_hours", "Rounded hours, if the entry is billable, else 0."),
        CURRENCY,
        decimal("amount", "Rounded hours times the billable rate, if the entry is billable."),
        text("cost_currency", "Currency of the account: the cost is in it."),
        decimal("cost", "Hours as tracked times the cost rate."),
        flag("is_billable", "True if the entry may be charged to the client."),
        flag("is_billed", "True once it is marked as invoiced, also on a draft or by hand."),
        flag("is_budgeted", "False if the hours do not count against a budget of hours."),
        whole("invoice_id", "Id of the invoice that bills the entry; null: none."),
        whole("days_old", "Days from the day of the work to the day of the data."),
        WITHOUT_RATE,
        WITHOUT_COST,
        AS_OF,
    ),
)

UTILISATION = Figure(
    name="utilisation",
    question="How much of each user's capacity is tracked, and how much of it is billable?",
    row="A user and a month, from the month of the user's first entry on.",
    key=("account_id", "user_id", "month"),
    counts_to_date=True,
    columns=(
        *OF_USER,
        MONTH,
        decimal(
            "hours", "Hours as tracked, not rounded; entries after the day of the data left out."
        ),
        decimal("billable_hours", "Those of billable entries."),
        _CAPACITY,
        decimal("utilisation", "Hours by capacity (0.8 is 80 %); null without capacity."),
        decimal("billable_utilisation", "Billable hours by capacity; null without capacity."),
        AS_OF,
        decimal(
            "holiday_hours",
            "Capacity of days that are holidays in the user's holiday calendar. Null, as the next four, for an account without a "
            "type, a request or an assignment of paid time off.",
        ),
        decimal(
            "leave_hours",
            "Approved leave: of each day its hours, else its part of the capacity; at most the capacity, and none on a holiday.",
        ),
        decimal("available_hours", "Capacity less both."),
        decimal(
            "available_utilisation", "Hours by available hours; null where none are available."
        ),
        decimal(
            "available_billable_utilisation",
            "Billable hours by available hours; null where none are available.",
        ),
    ),
    differs=(
        _SPAN,
        "Public holidays and time off are taken off `available_hours` only: Harvest's own report counts the whole capacity.",
        "A user without an assignment to a holiday calendar has no holidays here; requests count by the days that they name.",
    ),
)

TIMESHEET_GAPS = Figure(
    name="timesheet_gaps",
    question="Who has working days without time?",
    row="A user and a week, Monday to Sunday, with a Monday to Friday on which the user tracked nothing.",
    key=("account_id", "user_id", "week"),
    counts_to_date=True,
    columns=(
        *OF_USER,
        date("week", "Monday of the week."),
        decimal("hours", "Hours as tracked in the week."),
        _CAPACITY,
        decimal("missing_hours", "Capacity less hours, never below 0."),
        whole("empty_days", "Days from Monday to Friday without time."),
        AS_OF,
    ),
    differs=(_SPAN, "Users without capacity have no row: nothing is expected of them."),
)
