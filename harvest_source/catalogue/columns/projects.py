"""Columns of projects, tasks and the assignments of tasks and users to projects."""

from __future__ import annotations

from harvest_source.catalogue.columns.shared import (
    ACCOUNT_ID,
    CLIENT,
    CLIENT_CURRENCY,
    PROJECT,
    STAMPS,
    TASK,
    TASK_ASSIGNMENT_VALUES,
    USER,
    USER_ASSIGNMENT_VALUES,
    USER_ID,
    date,
    decimal,
    flag,
    identity,
    text,
    whole,
)
from harvest_source.catalogue.columns.types import Field, NestedList

PROJECTS: tuple[Field, ...] = (
    ACCOUNT_ID,
    identity("project"),
    *CLIENT,
    CLIENT_CURRENCY,
    text("name", "Name of the project."),
    text("code", "Code of the project; null or empty where it has none."),
    flag("is_active", "False if the project is archived."),
    flag("is_billable", "False for projects that are not charged, such as internal ones."),
    flag("is_fixed_fee", "True if the client pays a fixed fee instead of hours; see fee."),
    text("bill_by", "Whose rate counts: `Project`, `Tasks`, `People` or `none`."),
    decimal("hourly_rate", "Billable rate per hour; counts only where bill_by is `Project`."),
    text(
        "budget_by",
        "`project` (hours), `project_cost` (money), `task`, `task_fees`, `person` or `none`.",
    ),
    flag("budget_is_monthly", "True if the budget starts again every month."),
    decimal(
        "budget",
        "Budget in hours; null without one, or when the budget is money (see cost_budget).",
    ),
    decimal(
        "cost_budget",
        "Budget in money; null without one, or when the budget is hours (see budget).",
    ),
    flag("cost_budget_include_expenses", "True if expenses count against cost_budget."),
    decimal("fee", "Fixed fee, in money; only for fixed-fee projects, else null."),
    flag(
        "notify_when_over_budget",
        "True if project managers are told when the budget reaches the percentage.",
    ),
    decimal(
        "over_budget_notification_percentage",
        "Share of the budget that triggers the notice, in percent (80 = 80 %).",
    ),
    date("over_budget_notification_date", "Day of the last budget notice; null: none yet."),
    flag("show_budget_to_all", "True if everyone on the project sees its budget."),
    text("notes", "Notes about the project; may be null."),
    date("starts_on", "First day of the project; null: not set."),
    date("ends_on", "Last day of the project; null: not set, common."),
    *STAMPS,
)

TASKS: tuple[Field, ...] = (
    ACCOUNT_ID,
    identity("task"),
    text("name", "Name of the task."),
    flag(
        "billable_by_default",
        "Whether time is billable when the task is put on a project; the assignment decides after that.",
    ),
    decimal(
        "default_hourly_rate",
        "Billable rate per hour when the task is put on a project; null: none.",
    ),
    flag("is_default", "True if the task is put on every new project."),
    flag("is_active", "False if the task is archived."),
    *STAMPS,
)

TASK_ASSIGNMENTS: tuple[Field, ...] = (
    ACCOUNT_ID,
    identity("assignment of task to project"),
    *PROJECT,
    *TASK,
    *TASK_ASSIGNMENT_VALUES,
    *STAMPS,
)

USER_ASSIGNMENTS: tuple[Field, ...] = (
    ACCOUNT_ID,
    identity("assignment of user to project"),
    *PROJECT,
    *USER,
    *USER_ASSIGNMENT_VALUES,
    *STAMPS,
)

PROJECT_ASSIGNMENTS: tuple[Field, ...] = (
    ACCOUNT_ID,
    USER_ID,
    whole(
        "id", "Harvest's id of the assignment; equals that of user_assignments.", "user_assignments"
    ),
    *PROJECT,
    flag(
        "project__is_billable",
        "True if the project is billable; sent by Harvest without being documented.",
    ),
    *CLIENT,
    CLIENT_CURRENCY,
    *USER_ASSIGNMENT_VALUES,
    *STAMPS,
    NestedList(
        "task_assignments",
        (
            whole("id", "Harvest's id; equals that of task_assignments.", "task_assignments"),
            *TASK,
            *TASK_ASSIGNMENT_VALUES,
            *STAMPS,
        ),
        "Tasks that the user may track time on in the project.",
    ),
)
