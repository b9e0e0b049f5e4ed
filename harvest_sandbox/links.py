"""What a new row hangs on when its maker did not say: an active client, project, user or invoice of the account."""

from __future__ import annotations

import secrets
from typing import Any

from harvest_sandbox.blanks import PARENTS
from harvest_sandbox.nested import FIELDS, SHAPES, full_name
from harvest_sandbox.rows import Row
from harvest_sandbox.tables import Tables

_DATED = {
    "time_entries": "spent_date",
    "expenses": "spent_date",
    "invoices": "issue_date",
    "pto_requests": "start_date",
}
_OPTIONAL = frozenset({"invoice", "estimate", "user_assignment", "task_assignment", "reviewer"})


def link_new(account: Tables, report: str, row: Row, parent: int | None) -> int | None:
    """Gives a new row the links and dates it lacks; returns its parent's id."""
    dated = _DATED.get(report)
    if dated and row[dated] is None:
        row[dated] = account.now().date().isoformat()
    if report in {"time_entries", "expenses"}:
        link_charge(account, report, row)
    for field, shape in FIELDS.get(report, {}).items():
        if row.get(field) is None and field not in _OPTIONAL:
            row[field] = _first(account, shape)
    _name(account, report, row)
    if report == "teammates" and "id" not in row:
        row |= _new_teammate(account, parent)
    if report in PARENTS and parent is None:
        parent = next(iter(account.rows[PARENTS[report]]), None)
    return parent


def _name(account: Tables, report: str, row: Row) -> None:
    """Gives a new row the keys, numbers and names that Harvest makes up itself."""
    if report in {"invoices", "estimates"}:
        row["client_key"] = row["client_key"] or secrets.token_hex(20)
        row["number"] = row["number"] or str(len(account.rows[report]) + 1)
        row["currency"] = (
            account.rows["clients"].get(row["client"]["id"], row)["currency"]
            if row["client"]
            else row["currency"]
        )
    elif report == "clients":
        row["statement_key"] = row["statement_key"] or secrets.token_hex(16)
    elif report in {"invoice_messages", "estimate_messages"}:
        _sign(account, row, "sent_by", "sent_from")
    elif report == "invoice_payments":
        _sign(account, row, "recorded_by")
        row["paid_date"] = row["paid_date"] or account.now().date().isoformat()
        row["paid_at"] = row["paid_at"] or f"{row['paid_date']}T00:00:00Z"


def link_charge(account: Tables, report: str, row: Row) -> None:
    """Gives a time entry or expense a project, and the client, user and task that go with it."""
    assignments = account.rows["user_assignments"]
    for assignment in assignments.values():
        fits = all(
            row[field] is None or row[field]["id"] == assignment[field]["id"]
            for field in ("project", "user")
        )
        if fits and (assignment["is_active"] or row["user"]):
            row["project"], row["user"] = assignment["project"], assignment["user"]
            break
    project = account.rows["projects"].get(row["project"]["id"]) if row["project"] else None
    if project and row["client"] is None:
        row["client"] = project["client"]
    if report == "time_entries" and project:
        for assignment in account.rows["task_assignments"].values():
            if assignment["project"]["id"] == project["id"] and row["task"] in (
                None,
                assignment["task"],
            ):
                row["task"] = assignment["task"]
                row["task_assignment"] = account.copies.get("task_assignment", assignment["id"])
                break
    link_user_assignment(account, row)


def link_user_assignment(account: Tables, row: Row) -> None:
    """Sets the copies of the assignments, and the client, that belong to a charge's user, project and task."""
    if row["project"] is None or row["user"] is None:
        return
    row["user_assignment"] = None
    for assignment in account.rows["user_assignments"].values():
        if (
            assignment["project"]["id"] == row["project"]["id"]
            and assignment["user"]["id"] == row["user"]["id"]
        ):
            row["user_assignment"] = account.copies.get("user_assignment", assignment["id"])
    project = account.rows["projects"].get(row["project"]["id"])
    if project:
        row["client"] = project["client"]


def price_entry(account: Tables, row: Row, given: set[str]) -> None:
    """Takes the snapshot of rates that a new time entry carries."""
    project = account.rows["projects"].get(row["project"]["id"]) if row["project"] else None
    user = account.rows["users"].get(row["user"]["id"]) if row["user"] else None
    if project is None or user is None:
        return
    task, assignment = row["task_assignment"] or {}, row["user_assignment"] or {}
    if "billable" not in given:
        row["billable"] = bool(project["is_billable"] and task.get("billable", True))
    if "budgeted" not in given:
        row["budgeted"] = is_budgeted(account, project, billable=row["billable"])
    if "billable_rate" not in given and row["billable"]:
        row["billable_rate"] = rate_of(project, task, assignment, user["default_hourly_rate"])
    if "cost_rate" not in given:
        row["cost_rate"] = user["cost_rate"]


def is_budgeted(account: Tables, project: Row, *, billable: bool) -> bool:
    """Tells whether time counts towards the budget of its project."""
    only_billable = account.preferences.budgets_count_billable_only
    return project["budget_by"] != "none" and (billable or not only_billable)


def rate_of(project: Row, task: Row, assignment: Row, user_rate: Any) -> Any:
    """Returns the hourly rate of billable time, from where the project's bill_by says."""
    if project["bill_by"] == "Project":
        return project["hourly_rate"]
    if project["bill_by"] == "Tasks":
        return task.get("hourly_rate")
    if project["bill_by"] == "People":
        return user_rate if assignment.get("use_default_rates", True) else assignment["hourly_rate"]
    return None


def _first(account: Tables, shape: str) -> Row | None:
    rows = account.rows[SHAPES[shape][0]]
    for key, row in rows.items():
        if row.get("is_active", True):
            return account.copies.get(shape, key)
    return None


def _sign(account: Tables, row: Row, *fields: str) -> None:
    """Names the first active user as the one who sent or recorded something."""
    user = next((user for user in account.rows["users"].values() if user["is_active"]), None)
    for field in fields:
        if user and not row[field]:
            row[field], row[f"{field}_email"] = full_name(user), user["email"]


def _new_teammate(account: Tables, parent: int | None) -> Row:
    """Returns the teammate made of a user whom the manager does not have yet."""
    for key, user in account.rows["users"].items():
        if key != parent and (parent, key) not in account.rows["teammates"]:
            return {
                "id": key,
                **{name: user[name] for name in ("first_name", "last_name", "email")},
            }
    message = "every user is a teammate already"
    raise ValueError(message)
