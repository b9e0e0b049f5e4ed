"""What a change in one table does to others, as Harvest documents it or was seen to do it."""

from __future__ import annotations

from typing import Any

from harvest_sandbox.blanks import PARENTS
from harvest_sandbox.clock import stamp
from harvest_sandbox.leave import fit_request
from harvest_sandbox.links import is_budgeted, link_user_assignment, price_entry
from harvest_sandbox.money import cents, exact, plain, rounded, running_hours, totals
from harvest_sandbox.rates import RATES, fit_rates
from harvest_sandbox.rows import Row, getter
from harvest_sandbox.tables import Tables

_STATES = {
    "invoice_messages": {"send": "open", "re-open": "open", "close": "closed", "draft": "draft"},
    "estimate_messages": {
        "send": "sent",
        "re-open": "sent",
        "accept": "accepted",
        "decline": "declined",
        "draft": "draft",
    },
}
_STATE_TIMES = {
    "open": "sent_at",
    "closed": "closed_at",
    "sent": "sent_at",
    "accepted": "accepted_at",
    "declined": "declined_at",
}
_NESTED_NAME = {
    "clients": "client",
    "projects": "project",
    "users": "user",
    "tasks": "task",
    "expense_categories": "expense_category",
    "pto_types": "pto_type",
}
_OWNED = {
    "clients": ("invoices", "estimates", "projects", "contacts"),
    "projects": ("time_entries", "expenses", "user_assignments", "task_assignments"),
    "users": ("time_entries", "expenses", "user_assignments", "pto_requests"),
    "tasks": ("time_entries", "task_assignments"),
    "expense_categories": ("expenses",),
    "pto_types": ("pto_requests",),
}
_TOTAL_INPUTS = frozenset({"line_items", "tax", "tax2", "discount"})


def after_insert(account: Tables, report: str, row: Row, given: set[str]) -> None:
    """Does what follows from a new row.

    Args:
        account: where it happens.
        report: the table.
        row: the new row.
        given: the fields that the caller set.
    """
    if report == "time_entries":
        _fit_entry(account, row, given)
        price_entry(account, row, given)
    elif report in {"invoices", "estimates"}:
        _fit_totals(account, report, row, given)
    elif report == "invoice_payments":
        _settle(account, account.parents[report][row["id"]], quiet=False)
    elif report in _STATES:
        _follow_message(account, report, row)
    elif report in RATES:
        fit_rates(account, report, account.parents[report][row["id"]], newest=row["id"])
    elif report == "pto_requests":
        fit_request(account, row, given)


def after_update(
    account: Tables, report: str, key: Any, before: Row, changed: set[str], *, quiet: bool
) -> None:
    """Does what follows from changed fields of a row."""
    row = account.rows[report][key]
    if report == "time_entries":
        _change_entry(account, row, before, changed)
    elif report == "expenses":
        _fit_billed(row, changed)
    elif report in {"invoices", "estimates"}:
        _fit_totals(account, report, row, changed)
    elif report == "invoice_payments":
        _settle(account, account.parents[report][key], quiet=quiet)
    elif report in RATES:
        fit_rates(account, report, account.parents[report][key], quiet=quiet)
    elif report == "pto_requests":
        fit_request(account, row, changed)
    elif report == "projects":
        _move_project(account, row, before)
    elif report == "roles":
        _rename_role(account, before["name"], [row["name"]], quiet=quiet)


def delete(account: Tables, report: str, key: Any, *, quiet: bool) -> None:
    """Removes a row and what goes with it."""
    row = account.rows[report][key]
    _before_delete(account, report, key, quiet=quiet)
    account.drop(report, key)
    _after_delete(account, report, row, quiet=quiet)
    parent = account.parents[report].pop(key, None) if report in PARENTS else None
    if parent is not None and key in account.children[report].get(parent, ()):
        account.children[report][parent].remove(key)
        _child_gone(account, report, parent, quiet=quiet)


def _before_delete(account: Tables, report: str, key: Any, *, quiet: bool) -> None:
    """Removes what goes together with a row.

    Harvest refuses to delete what is still in use (see `may_delete`); here it goes too, so that nothing dangles.
    """
    for child, parent_report in PARENTS.items():
        if parent_report == report:
            account.drop_children(child, key)
    field = _NESTED_NAME.get(report, "")
    for table in _OWNED.get(report, ()):
        for each in _keys_where(account, table, field, key):
            if report == "clients":
                delete(account, table, each, quiet=quiet)
            else:  # nothing hangs on these
                account.drop(table, each)
    if report == "users":
        for mate in [mate for mate in account.rows["teammates"] if mate[1] == key]:
            delete(account, "teammates", mate, quiet=quiet)
        for role in account.rows["roles"].values():
            role["user_ids"] = [user for user in role["user_ids"] if user != key]


def _after_delete(account: Tables, report: str, row: Row, *, quiet: bool) -> None:
    """Frees what pointed at a removed row."""
    if report in {"user_assignments", "task_assignments"}:
        field = report[:-1]
        for table in ("time_entries", "expenses"):
            for key in _keys_where(account, table, field, row["id"]):
                account.rows[table][key][field] = None
                account.touch(table, key, quiet=quiet)
    elif report == "invoices":
        for table in ("time_entries", "expenses"):
            for key in _keys_where(account, table, "invoice", row["id"]):
                charge = account.rows[table][key]
                charge.update(
                    invoice=None, is_billed=False, is_locked=charge["is_closed"], locked_reason=None
                )
                account.touch(table, key, quiet=quiet)
    elif report == "roles":
        _rename_role(account, row["name"], [], quiet=quiet)
    elif report == "estimates":
        for key in _keys_where(account, "invoices", "estimate", row["id"]):
            account.rows["invoices"][key]["estimate"] = None


def _child_gone(account: Tables, report: str, parent: int, *, quiet: bool) -> None:
    """Does what follows for the parent of a removed child row."""
    if report == "invoice_payments":
        _settle(account, parent, quiet=quiet)
    elif report in RATES:
        fit_rates(account, report, parent, quiet=quiet)


def may_delete(account: Tables, report: str, key: Any) -> bool:
    """Tells whether Harvest's documented rules allow to delete a row."""
    uses: dict[str, tuple[str, tuple[str, ...]]] = {
        "clients": ("client", ("projects", "invoices", "estimates")),
        "users": ("user", ("time_entries", "expenses")),
        "tasks": ("task", ("time_entries",)),
        "task_assignments": ("task_assignment", ("time_entries",)),
        "user_assignments": ("user_assignment", ("time_entries", "expenses")),
        "expense_categories": ("expense_category", ("expenses",)),
    }
    field, tables = uses.get(report, ("", ()))
    return not any(_keys_where(account, table, field, key) for table in tables)


def _keys_where(account: Tables, table: str, field: str, key: Any) -> list[Any]:
    rows = account.rows[table]
    value = getter(rows, field)
    return [each for each in rows if (value(each) or {}).get("id") == key]


def _change_entry(account: Tables, row: Row, before: Row, changed: set[str]) -> None:
    """Stops a timer, keeps the fields in step, follows a new project or user."""
    if before["is_running"] and not row["is_running"]:
        if "hours" not in changed:
            row["hours"] = plain(running_hours(before, account.now()))
        row["timer_started_at"] = None
        changed = changed | {"hours"}
    _fit_entry(account, row, changed)
    if {"project_id", "user_id", "project", "user"} & changed:
        link_user_assignment(account, row)
    if {"project_id", "project", "billable"} & changed and "budgeted" not in changed:
        project = account.rows["projects"][row["project"]["id"]]
        row["budgeted"] = is_budgeted(account, project, billable=row["billable"])


def _move_project(account: Tables, row: Row, before: Row) -> None:
    """Lets time and expenses follow a project to another client."""
    for table in ("time_entries", "expenses") if row["client"] is not before["client"] else ():
        for each in _keys_where(account, table, "project", row["id"]):
            account.rows[table][each]["client"] = row["client"]


def _rename_role(account: Tables, old: str, new: list[str], *, quiet: bool) -> None:
    for key, user in account.rows["users"].items():
        if old in user["roles"] and new != [old]:
            user["roles"] = [role for role in user["roles"] if role != old] + new
            account.touch("users", key, quiet=quiet)


def _fit_billed(row: Row, changed: set[str]) -> None:
    if changed & {"invoice", "invoice_id"} and "is_billed" not in changed:
        row["is_billed"] = row["is_locked"] = row["invoice"] is not None
        row["locked_reason"] = (
            "Item Invoiced and Locked for this Time Period" if row["is_billed"] else None
        )


def _fit_entry(account: Tables, row: Row, changed: set[str]) -> None:
    """Keeps the fields of a time entry in step that the caller did not set."""
    _fit_billed(row, changed)
    if row["is_running"] and row["timer_started_at"] is None:
        row["timer_started_at"] = stamp(account.now())
        row["hours_without_timer"] = row["hours"] if "hours" in changed else 0
        row["ended_time"] = None
    elif "hours" in changed and "hours_without_timer" not in changed:
        row["hours_without_timer"] = row["hours"]
    if "hours" in changed and "rounded_hours" not in changed:
        row["rounded_hours"] = plain(rounded(row["hours"]))


def _fit_totals(account: Tables, report: str, row: Row, changed: set[str]) -> None:
    if changed & _TOTAL_INPUTS and "amount" not in changed:
        row.update(totals(row))
    if report == "invoices" and "due_amount" not in changed:
        row["due_amount"] = _due(account, row)


def _due(account: Tables, invoice: Row) -> int | float:
    """Returns what is left of an invoice's amount after its payments."""
    payments = account.rows["invoice_payments"]
    paid = (
        exact(payments[key]["amount"])
        for key in account.children_of("invoice_payments", invoice["id"])
    )
    return plain(cents(exact(invoice["amount"]) - sum(paid)))


def _settle(account: Tables, invoice_id: int, *, quiet: bool) -> None:
    """Brings an invoice in line with its payments; it moves with them (seen once, to the second)."""
    invoice = account.rows["invoices"].get(invoice_id)
    if invoice is None:
        return
    due = invoice["due_amount"] = _due(account, invoice)
    keys = account.children_of("invoice_payments", invoice_id)
    if due <= 0 and keys and invoice["state"] == "open":
        last = account.rows["invoice_payments"][keys[-1]]
        invoice.update(state="paid", paid_at=last["paid_at"], paid_date=last["paid_date"])
    elif due > 0 and invoice["state"] == "paid":
        invoice.update(state="open", paid_at=None, paid_date=None)
    account.touch("invoices", invoice_id, quiet=quiet)


def _follow_message(account: Tables, report: str, message: Row) -> None:
    """Changes the state of a message's invoice or estimate; a mere reminder leaves it untouched."""
    parent_report, parent = PARENTS[report], account.parents[report][message["id"]]
    row, state = (
        account.rows[parent_report].get(parent),
        _STATES[report].get(message["event_type"] or ""),
    )
    if row is None or state is None:
        return
    row["state"] = state
    if state in _STATE_TIMES:
        row[_STATE_TIMES[state]] = message["created_at"]
    if state == "open":
        row["closed_at"] = None
    account.touch(parent_report, parent)
