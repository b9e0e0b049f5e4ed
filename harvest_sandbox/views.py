"""What each route answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harvest_sandbox import budgets, pto, reports
from harvest_sandbox.access import Access
from harvest_sandbox.account import Account
from harvest_sandbox.answers import (
    Answer,
    bad_token,
    no_route,
    not_allowed,
    not_found,
    ok,
    unprocessable,
)
from harvest_sandbox.calls import Call, IdCall
from harvest_sandbox.filters import select
from harvest_sandbox.lists import MY_PROJECT_ASSIGNMENTS, PROJECT_ASSIGNMENTS, ListSpec, Module
from harvest_sandbox.rows import Row, peek

FORBIDDEN = 403
_HIDDEN_FROM_MEMBERS = ("default_hourly_rate", "cost_rate")


def list_view(spec: ListSpec) -> Callable[[Call], Answer]:
    """Returns the view of a list."""

    def view(call: Call) -> Answer:
        allowed = _enter(call, spec)
        keys = select(call.account, spec, call.query, parent=call.parent, allowed=allowed)
        return _paged(call, spec, keys, lambda key: _delivered(call, spec.report, key))

    return view


def single_view(spec: ListSpec) -> Callable[[Call], Answer]:
    """Returns the view of one row of a list."""

    def view(call: Call) -> Answer:
        key = int(call.numbers["id"])
        allowed = _enter(call, spec)
        rows = call.account.rows[spec.report]
        if key not in rows or not _is_below(call, spec, key):
            raise not_found()
        if (
            allowed is not None
            and not allowed(key)
            and not (spec.report == "users" and key == call.access.user_id)
        ):
            raise not_allowed()
        return ok(_delivered(call, spec.report, key))

    return view


def company(call: Call) -> Answer:
    """Answers /company."""
    return ok(call.account.company)


def me(call: Call) -> Answer:
    """Answers /users/me; a member sees no rates, not even their names."""
    user = call.access.user
    if user is None:
        raise not_found()
    row = {**user, "access_roles": call.access.access_roles}
    if not (call.access.is_administrator or call.access.is_manager):
        row = {name: value for name, value in row.items() if name not in _HIDDEN_FROM_MEMBERS}
    return ok(row)


def project_assignments(call: Call) -> Answer:
    """Answers the active assignments of a user."""
    user_id = call.parent or 0
    if user_id not in call.account.rows["users"]:
        raise not_found()
    call.access.of_user("project_assignments", user_id)
    return _assignments(call, PROJECT_ASSIGNMENTS, user_id)


def my_project_assignments(call: Call) -> Answer:
    """Answers the caller's own active assignments."""
    return _assignments(call, MY_PROJECT_ASSIGNMENTS, call.access.user_id or 0)


def message_template(call: Call) -> Answer:
    """Answers the draft of a message; it is no data."""
    invoice = call.account.rows["invoices"].get(call.parent)
    if invoice is None:
        raise not_found()
    call.access.rule("invoice_messages")
    kind = {name: call.query.get(name) == "true" for name in ("thank_you", "reminder")}
    subject = f"Invoice #{invoice['number']} from {call.account.name}"
    return ok({"invoice_id": invoice["id"], "subject": subject, "body": "---\n", **kind})


def time_report(call: Call) -> Answer:
    """Answers a time report."""
    return _results(call, reports.time_report(call.access, call.numbers["subject"], call.query))


def expense_report(call: Call) -> Answer:
    """Answers an expense report."""
    _need(call, "expense_feature")
    return _results(call, reports.expense_report(call.access, call.numbers["subject"], call.query))


def uninvoiced_report(call: Call) -> Answer:
    """Answers the uninvoiced report."""
    _need(call, "invoice_feature")
    if not call.access.may_invoice():
        raise not_allowed()
    return _results(call, reports.uninvoiced_report(call.access, call.query))


def budget_report(call: Call) -> Answer:
    """Answers the project budget report."""
    return _results(call, budgets.budget_report(call.access, call.query))


def pto_assignments(call: Call) -> Answer:
    """Answers which calendar and schedule users have; all of them are one page."""
    _enter_pto(call)
    return ok({"pto_assignments": pto.assignments(call.account)})


def pto_allocations(call: Call) -> Answer:
    """Answers the days of users in a year, by default the present one."""
    _enter_pto(call)
    page = call.pager().by_page(pto.allocations(call.account, _year(call)))
    return ok({"pto_allocations": page.keys, **page.envelope}, len(page.keys))


def pto_balances(call: Call) -> Answer:
    """Answers what a user has left, by default the caller: one object."""
    _enter_pto(call)
    user = int(call.query.get("user_id") or call.access.user_id or 0)
    if user not in call.account.rows["users"]:
        raise not_found()
    return ok(pto.balances(call.account, user, _year(call)), 1)


def _enter_pto(call: Call) -> None:
    _need(call, "pto")
    call.access.rule("pto_types")


def _year(call: Call) -> int:
    return int(call.query.get("year") or call.account.now().year)


def accounts(call: IdCall) -> Answer:
    """Answers the list of accounts that a token reaches, of both products."""
    caller = call.oauth.who(call.headers.get("Authorization", "").removeprefix("Bearer "))
    if caller is None:
        raise bad_token()
    reached = [
        account
        for account in call.accounts
        if caller.accounts is None or account.id in caller.accounts
    ]
    user: Row = {}
    for account in reached:
        user = user or Access(account, caller).user or {}
    listed = [{"id": account.id, "name": account.name, "product": "harvest"} for account in reached]
    if call.forecast_id is not None:
        listed.append({"id": call.forecast_id, "name": "Forecast", "product": "forecast"})
    fields = ("id", "first_name", "last_name", "email")
    return ok({"user": {name: user.get(name) for name in fields}, "accounts": listed})


def _need(call: Call, module: Module | None) -> None:
    if module == "pto":
        refused = call.account.pto.refused
        if refused is not None:
            raise not_allowed() if refused == FORBIDDEN else no_route()
    elif module is not None and not call.account.company[module]:
        raise not_allowed()


def _enter(call: Call, spec: ListSpec) -> Callable[[Any], bool] | None:
    """Checks the module, the parent and the caller; returns which rows may be seen."""
    _need(call, spec.module)
    parent_report = spec.path.split("/")[0] if call.parent is not None else None
    if parent_report is None:
        return call.access.rule(spec.report)
    if parent_report == "users":
        call.access.rule(spec.report)
    allowed = None if parent_report == "users" else call.access.rule(spec.report)
    parent = call.account.rows[parent_report].get(call.parent)
    if parent is None:
        raise not_found()
    if parent_report == "users":
        call.access.of_user(spec.report, parent["id"])
    if spec.report == "teammates" and "manager" not in parent["access_roles"]:
        raise unprocessable("User is not a manager")
    return allowed


def _is_below(call: Call, spec: ListSpec, key: int) -> bool:
    """Tells whether a row belongs to the parent that the path names."""
    if call.parent is None:
        return True
    if spec.under is not None:
        return bool(call.account.rows[spec.report][key][spec.under]["id"] == call.parent)
    return call.account.parent_of(spec.report, key) == call.parent


def _delivered(call: Call, report: str, key: Any) -> Row:
    return call.account.deliver(report, peek(call.account.rows[report], key))


def _assignments(call: Call, spec: ListSpec, user_id: int) -> Answer:
    rows = call.account.rows["user_assignments"]
    keys = select(
        call.account,
        spec,
        call.query,
        parent=None,
        allowed=lambda key: rows[key]["is_active"] and rows[key]["user"]["id"] == user_id,
    )
    return _paged(call, spec, keys, lambda key: project_assignment(call.account, key))


def project_assignment(account: Account, key: int) -> Row:
    """Returns an assignment of a user as a project assignment: with client and tasks, without the user."""
    row = {
        name: value
        for name, value in account.rows["user_assignments"][key].items()
        if name != "user"
    }
    project = account.rows["projects"][row["project"]["id"]]
    tasks = [
        {name: value for name, value in task.items() if name != "project"}
        for task in account.rows["task_assignments"].values()
        if task["project"]["id"] == project["id"] and task["is_active"]
    ]
    row["project"] = account.copies.get("project_billable", project["id"])
    return {**row, "client": project["client"], "task_assignments": tasks}


def _paged(call: Call, spec: ListSpec, keys: Any, deliver: Callable[[Any], Row]) -> Answer:
    pager = call.pager(spec.per_page)
    if spec.paging == "page":
        page = pager.by_page(keys)
    elif spec.sort == "start_date":
        rates = call.account.rows[spec.report]
        page = pager.by_cursor(keys, lambda key: [rates[key]["start_date"] or "", key])
    elif spec.report == "teammates":
        page = pager.by_cursor(keys, lambda key: [-key[1]])
    else:
        page = pager.by_cursor(keys, lambda key: [-key])
    rows = [deliver(key) for key in page.keys]
    return ok({spec.rows_key: rows, **page.envelope}, len(rows))


def _results(call: Call, rows: list[Row]) -> Answer:
    page = call.pager().by_page(rows)
    return ok({"results": page.keys, **page.envelope}, len(page.keys))
