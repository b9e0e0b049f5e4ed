"""Why the sandbox, the examples and the columns are otherwise than a third party read in Harvest's documentation: data only."""

from __future__ import annotations

from typing import NamedTuple

from documented import Deviation

NOT_LOADED = {
    "InvoiceMessageSubjectAndBody": "what Harvest would write in a message that nobody has sent: no data"
}
PAID_TIME_OFF = "in Harvest's documentation since 2026, after the third party read it"
BEYOND = dict.fromkeys(
    (
        "/pto/types",
        "/pto/requests",
        "/pto/holiday_calendars",
        "/pto/work_schedules",
        "/pto/assignments",
        "/pto/allocations",
        "/pto/balances",
    ),
    PAID_TIME_OFF,
)
"""Paths of ours that the third party does not have, and why."""


class Reason(NamedTuple):
    """Why something is otherwise than documented."""

    place: str
    what: str
    where: frozenset[str]
    why: str


SANDBOX, EXAMPLE, COLUMN = frozenset({"sandbox"}), frozenset({"example"}), frozenset({"column"})
RECORDED = frozenset({"recorded"})  # Harvest itself answered so
MEMBER = frozenset({"member"})  # what the sandbox answers somebody who may not see rates
OURS = SANDBOX | EXAMPLE | COLUMN
EVERYWHERE = OURS | RECORDED
SENT = "sent in every recorded answer"
COPY = "recorded copies of an assignment are without what stands beside them"
WHOLE = "recorded as 1.0; documented examples have whole units only"
PRICE = "a number in the category itself, of which this is a copy; recorded as null only"
RATES = "sent only to who may see rates; to others not even the name"
NEWER = "newer than the recorded answers that lack it"
REASONS = [
    Reason("Company.currency", "not documented", EVERYWHERE, SENT),
    Reason("TimeEntry.client.currency", "not documented", EVERYWHERE, SENT),
    Reason("TimeEntry.project.code", "not documented", EVERYWHERE, SENT),
    Reason("ProjectAssignment.client.currency", "not documented", EVERYWHERE, SENT),
    Reason("ProjectAssignment.project.is_billable", "not documented", EVERYWHERE, SENT),
    Reason("User.calendar_integration_enabled", "not documented", EVERYWHERE, SENT),
    Reason("User.calendar_integration_source", "not documented", EVERYWHERE, SENT),
    Reason("User.can_create_projects", "not documented", EVERYWHERE, SENT),
    Reason("User.permissions_claims", "not documented", EVERYWHERE, SENT),
    Reason("User.permissions_profile", "not documented", COLUMN, "a client of 2026 has it"),
    Reason("User.saml_exempt", "not documented", COLUMN, "a client of 2026 has it"),
    Reason("TimeEntry.user_assignment.project", "missing", EVERYWHERE, COPY),
    Reason("TimeEntry.user_assignment.user", "missing", EVERYWHERE, COPY),
    Reason("TimeEntry.task_assignment.project", "missing", EVERYWHERE, COPY),
    Reason("TimeEntry.task_assignment.task", "missing", EVERYWHERE, COPY),
    Reason("Expense.user_assignment.project", "missing", EVERYWHERE, COPY),
    Reason("Expense.user_assignment.user", "missing", EVERYWHERE, COPY),
    Reason("ProjectAssignment.task_assignments[].project", "missing", EVERYWHERE, COPY),
    Reason("Expense.units", "number in place of integer", EVERYWHERE, WHOLE),
    Reason("Expense.expense_category.unit_price", "number in place of string", OURS, PRICE),
    Reason("Expense.expense_category.unit_price", "integer in place of string", SANDBOX, PRICE),
    Reason("Contact.email", "no email", SANDBOX, "a contact may have none, which is an empty text"),
    Reason("User.default_hourly_rate", "missing", MEMBER, RATES),
    Reason("User.cost_rate", "missing", MEMBER, RATES),
    Reason("TimeReportsResult.currency", "missing", MEMBER, RATES),
    Reason("TimeReportsResult.billable_amount", "missing", MEMBER, RATES),
    Reason("ExpenseReportsResult.currency", "missing", MEMBER, RATES),
    Reason("ExpenseReportsResult.billable_amount", "missing", MEMBER, RATES),
    Reason("TimeEntry.approval_status", "missing", RECORDED, NEWER),
    Reason("TimeEntry.hours_without_timer", "missing", RECORDED, NEWER),
    Reason("Expense.approval_status", "missing", RECORDED, NEWER),
    Reason("Invoice.payment_options", "missing", RECORDED, NEWER),
]


def reasons(where: frozenset[str]) -> set[Deviation]:
    """Returns the deviations of one place that have a reason."""
    return {Deviation(each.place, each.what) for each in REASONS if where <= each.where}
