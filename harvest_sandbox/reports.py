"""The reports: hours and money of a range of days, summed by subject and currency."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from harvest_sandbox.access import Access
from harvest_sandbox.account import Account
from harvest_sandbox.answers import too_long, unprocessable
from harvest_sandbox.filters import dated_keys, read_date, read_flag
from harvest_sandbox.money import cents, exact
from harvest_sandbox.rows import Row, peek

_LONGEST_DAYS = 365  # to minus from
_SUBJECTS = {
    "clients": "client",
    "projects": "project",
    "tasks": "task",
    "team": "user",
    "categories": "expense_category",
}


def charges(access: Access, report: str, query: Mapping[str, str]) -> Iterable[Row]:
    """Yields the time entries or expenses of a range that the caller may see, timers running."""
    first, last = _range(query)
    account, allowed = access.account, access.rule(report)
    keys, days = dated_keys(account, report, "spent_date")
    rows, timers = account.rows[report], account.preferences.reports_count_timers
    for key in keys[bisect_left(days, first) : bisect_right(days, last)]:
        if allowed is None or allowed(key):
            row = peek(rows, key)
            if timers or not row.get("is_running"):
                yield account.deliver(report, row)


def time_report(access: Access, subject: str, query: Mapping[str, str]) -> list[Row]:
    """Returns the rows of /reports/time/SUBJECT."""
    fixed_fee = read_flag(query.get("include_fixed_fee") or "false", "include_fixed_fee")
    free = set() if fixed_fee else _fixed_fee(access.account)
    field = _SUBJECTS[subject]
    sums: dict[Any, list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 3)
    client_of: dict[Any, Row] = {}
    for entry in charges(access, "time_entries", query):
        group = (entry[field]["id"], entry["client"]["currency"])
        client_of[group] = entry["client"]
        slot, hours = sums[group], exact(entry["rounded_hours"])
        slot[0] += hours
        if entry["billable"]:
            slot[1] += hours
            if entry["project"]["id"] not in free:
                slot[2] += hours * exact(entry["billable_rate"])
    rows = []
    for group, (total, billable, money) in sums.items():
        row = _subject(access.account, subject, group[0], client_of[group])
        row |= {"total_hours": cents(total), "billable_hours": cents(billable)}
        if access.sees_rates:
            row |= {"currency": group[1], "billable_amount": cents(money)}
        rows.append(row)
    return _by_name(rows, subject)


def expense_report(access: Access, subject: str, query: Mapping[str, str]) -> list[Row]:
    """Returns the rows of /reports/expenses/SUBJECT."""
    field = _SUBJECTS[subject]
    sums: dict[Any, list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 2)
    client_of: dict[Any, Row] = {}
    for expense in charges(access, "expenses", query):
        group = (expense[field]["id"], expense["client"]["currency"])
        client_of[group] = expense["client"]
        slot, cost = sums[group], exact(expense["total_cost"])
        slot[0] += cost
        if expense["billable"]:
            slot[1] += cost
    rows = []
    for group, (total, billable) in sums.items():
        row = _subject(access.account, subject, group[0], client_of[group])
        for name in ("weekly_capacity", "avatar_url"):
            row.pop(name, None)
        row["total_amount"] = cents(total)
        if access.sees_rates:
            row |= {"billable_amount": cents(billable), "currency": group[1]}
        rows.append(row)
    return _by_name(rows, subject)


def uninvoiced_report(access: Access, query: Mapping[str, str]) -> list[Row]:
    """Returns the rows of /reports/uninvoiced: every billable project, even without hours."""
    account = access.account
    _, last = _range(query)
    fixed_fee = read_flag(query.get("include_fixed_fee") or "true", "include_fixed_fee")
    visible = None if access.is_administrator else access.managed_projects()
    sums: dict[int, list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 4)
    for entry in charges(access, "time_entries", query):
        slot, hours = sums[entry["project"]["id"]], exact(entry["rounded_hours"])
        slot[0] += hours
        if entry["billable"] and not entry["is_billed"]:
            slot[1] += hours
            slot[3] += hours * exact(entry["billable_rate"])
    for expense in charges(access, "expenses", query):
        if expense["billable"] and not expense["is_billed"]:
            sums[expense["project"]["id"]][2] += exact(expense["total_cost"])
    invoiced = _invoiced(account)
    rows = []
    for project in account.rows["projects"].values():
        hidden = visible is not None and project["id"] not in visible
        if hidden or not project["is_billable"] or (project["is_fixed_fee"] and not fixed_fee):
            continue
        total, open_hours, expenses, amount = sums[project["id"]]
        amount = (
            _open_fee(account, project, invoiced[project["id"]], last)
            if project["is_fixed_fee"]
            else amount + expenses
        )
        row = _subject(account, "projects", project["id"], project["client"])
        row |= {
            "project_name": project["name"],
            "currency": project["client"]["currency"],
            "total_hours": cents(total),
            "uninvoiced_hours": cents(open_hours),
            "uninvoiced_expenses": cents(expenses),
            "uninvoiced_amount": cents(amount),
        }
        rows.append(row)
    return _by_name(rows, "projects")


def _open_fee(account: Account, project: Row, invoiced: Decimal, last: str) -> Decimal:
    """Returns what of a fixed fee is not invoiced yet, once the project has begun by the last day of the range."""
    begun = project["starts_on"] or project["created_at"][: len("YYYY-MM-DD")]
    if begun > last:
        return Decimal(0)
    left = exact(project["fee"]) - invoiced
    return left if account.preferences.uninvoiced_below_zero else max(left, Decimal(0))


def _range(query: Mapping[str, str]) -> tuple[str, str]:
    """Returns the days of `from` and `to`; both must be there."""
    for name in ("from", "to"):
        if not query.get(name):
            raise unprocessable(f"The {name} parameter is required")
    first, last = read_date(query["from"], "from"), read_date(query["to"], "to")
    if (date.fromisoformat(last) - date.fromisoformat(first)).days > _LONGEST_DAYS:
        raise too_long()
    return first, last


def _subject(account: Account, subject: str, key: int, client: Row) -> Row:
    """Returns the fields that name the subject of a row."""
    named = {"client_id": client["id"], "client_name": client["name"]}
    if subject == "clients":
        return named
    if subject == "projects":
        project = account.rows["projects"][key]
        name = f"[{project['code']}] {project['name']}" if project["code"] else project["name"]
        return {**named, "project_id": key, "project_name": name}
    if subject == "tasks":
        return {"task_id": key, "task_name": account.rows["tasks"][key]["name"]}
    if subject == "categories":
        return {
            "expense_category_id": key,
            "expense_category_name": account.rows["expense_categories"][key]["name"],
        }
    user = account.rows["users"][key]
    return {
        "user_id": key,
        "user_name": account.copies.get("user", key)["name"],
        "weekly_capacity": user["weekly_capacity"],
        "is_contractor": user["is_contractor"],
        "avatar_url": user["avatar_url"],
    }


def _by_name(rows: list[Row], subject: str) -> list[Row]:
    field = f"{_SUBJECTS[subject]}_name"
    return sorted(rows, key=lambda row: (row[field], row.get("currency") or "", str(row)))


def _fixed_fee(account: Account) -> set[int]:
    return {key for key, project in account.rows["projects"].items() if project["is_fixed_fee"]}


def _invoiced(account: Account) -> dict[int, Decimal]:
    """Returns what the lines of invoices, drafts left out, have billed for each project."""
    sums: dict[int, Decimal] = defaultdict(Decimal)
    for invoice in account.rows["invoices"].values():
        for line in invoice["line_items"] if invoice["state"] != "draft" else ():
            if line["project"]:
                sums[line["project"]["id"]] += exact(line["amount"])
    return sums


__all__ = ["expense_report", "time_report", "uninvoiced_report"]
