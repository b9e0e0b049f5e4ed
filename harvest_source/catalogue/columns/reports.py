"""Columns of Harvest's own reports: sums of a span of days, whose first and last day the answer does not repeat."""

from __future__ import annotations

from harvest_source.catalogue.columns.shared import ACCOUNT_ID, date, decimal, flag, text, whole
from harvest_source.catalogue.columns.types import Column

FROM_DATE = date(
    "from_date",
    "First day that the row sums up; not in Harvest's answer, taken from the request.",
)
TO_DATE = date("to_date", "Last day that the row sums up; the same.")
OF_SPAN = (ACCOUNT_ID, FROM_DATE, TO_DATE)

CURRENCY = text(
    "currency",
    "ISO 4217 code of the row's amounts: a subject has a row for each currency. Null where the token may not see rates.",
)


def _subject(of: str, refers_to: str, as_named: str = "") -> tuple[Column, ...]:
    """Declares id and name of what a row sums up."""
    words = of.replace("_", " ")
    return (
        whole(f"{of}_id", f"Id of the {words}; join on it.", refers_to),
        text(f"{of}_name", f"Name of the {words} when the row was read{as_named}."),
    )


CLIENT = _subject("client", "clients")
PROJECT = _subject("project", "projects")
PROJECT_WITH_CODE = _subject("project", "projects", ", as `[CODE] Name` where it has a code")
TASK = _subject("task", "tasks")
CATEGORY = _subject("expense_category", "expense_categories")
USER = (
    *_subject("user", "users"),
    flag("is_contractor", "True if the user is a contractor."),
)

TIME = (
    decimal("total_hours", "Hours, each entry rounded by the account's setting."),
    decimal("billable_hours", "Those of them that are billable."),
    CURRENCY,
    decimal(
        "billable_amount",
        "What the billable hours are worth, fixed-fee projects too. Null where the token may not see rates.",
    ),
)
EXPENSES = (
    decimal("total_amount", "Cost of the expenses."),
    decimal(
        "billable_amount",
        "That of the billable ones. Null where the token may not see rates.",
    ),
    CURRENCY,
)

TIME_CLIENTS = (*OF_SPAN, *CLIENT, *TIME)
TIME_PROJECTS = (*OF_SPAN, *PROJECT_WITH_CODE, *CLIENT, *TIME)
TIME_TASKS = (*OF_SPAN, *TASK, *TIME)
TIME_TEAM = (
    *OF_SPAN,
    *USER,
    whole("weekly_capacity", "Seconds that the user has for work in a week."),
    text("avatar_url", "Address of the user's picture."),
    *TIME,
)
EXPENSES_CLIENTS = (*OF_SPAN, *CLIENT, *EXPENSES)
EXPENSES_PROJECTS = (*OF_SPAN, *CLIENT, *PROJECT_WITH_CODE, *EXPENSES)
EXPENSES_CATEGORIES = (*OF_SPAN, *CATEGORY, *EXPENSES)
EXPENSES_TEAM = (*OF_SPAN, *USER, *EXPENSES)

UNINVOICED = (
    *OF_SPAN,
    *CLIENT,
    *PROJECT,
    CURRENCY,
    decimal("total_hours", "Hours of the year, each entry rounded by the account's setting."),
    decimal("uninvoiced_hours", "Billable hours of the year that are on no invoice."),
    decimal("uninvoiced_expenses", "Billable expenses of the year that are on no invoice."),
    decimal(
        "uninvoiced_amount",
        "To be invoiced; may be negative. What is left of a fixed fee stands in every year that reaches the project's start: "
        "never add it up over years.",
    ),
)
PROJECT_BUDGET = (
    ACCOUNT_ID,
    *PROJECT,
    *CLIENT,
    flag(
        "budget_is_monthly",
        "True if the budget begins anew every month: what is spent is this month's.",
    ),
    text(
        "budget_by",
        "What the budget is in: hours of the `project`, each `task` or each `person`; or money, `project_cost` or `task_fees`.",
    ),
    flag("is_active", "False once the project is archived."),
    decimal("budget", "The budget, in hours or money."),
    decimal("budget_spent", "What is used of it."),
    decimal("budget_remaining", "What is left of it; may be negative."),
)
