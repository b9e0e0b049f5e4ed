"""The project budget report: what is left of each project's budget at this moment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from harvest_sandbox.access import Access
from harvest_sandbox.account import Account
from harvest_sandbox.filters import read_flag
from harvest_sandbox.money import cents, exact
from harvest_sandbox.rows import Row, getter, peek

_MONEY = frozenset({"project_cost", "task_fees"})
# budget_by -> where the budget of a whole project stands
_WHOLE = {"project": "budget", "project_cost": "cost_budget"}
# budget_by -> the table in which a budget stands for each part of a project, and what the parts are
_PARTS = {
    "person": ("user_assignments", "user"),
    "task": ("task_assignments", "task"),
    "task_fees": ("task_assignments", "task"),
}
# project id -> id of a user or task -> budget
Parts = dict[int, dict[int, Decimal]]


def budget_report(access: Access, query: Mapping[str, str]) -> list[Row]:
    """Returns the rows of /reports/project_budget: only projects with a budget."""
    account, visible = access.account, _visible(access)
    wanted = read_flag(query["is_active"], "is_active") if query.get("is_active") else None
    parts = _parts(account)
    spent = _spent(account, parts)
    rows = []
    for key, project in account.rows["projects"].items():
        if project["budget_by"] == "none" or (visible is not None and key not in visible):
            continue
        if wanted is not None and project["is_active"] != wanted:
            continue
        budget, used = _budget(project, parts), spent[key]
        hidden = project["budget_by"] in _MONEY and not access.sees_rates
        rows.append(
            {
                "client_id": project["client"]["id"],
                "client_name": project["client"]["name"],
                "project_id": key,
                "project_name": project["name"],
                "budget_is_monthly": project["budget_is_monthly"],
                "budget_by": project["budget_by"],
                "is_active": project["is_active"],
                "budget": None if hidden or budget is None else cents(budget),
                "budget_spent": None if hidden else cents(used),
                "budget_remaining": None if hidden or budget is None else cents(budget - used),
            }
        )
    return sorted(rows, key=lambda row: (row["project_name"], row["project_id"]))


def _visible(access: Access) -> set[int] | None:
    """Returns the projects whose budget the caller may see; None for all."""
    if access.is_administrator:
        return None
    projects = access.account.rows["projects"]
    opened = {
        key
        for key in access.assigned_projects()
        if key in projects and projects[key]["show_budget_to_all"]
    }
    return opened | (access.managed_projects() if access.is_manager else set())


def _parts(account: Account) -> Parts:
    """Returns the budgets of tasks and people. One left blank is none; 0 is one.

    Whether budgets of archived assignments count is not known; here they do not, nor does what was used of them.
    """
    parts: Parts = defaultdict(dict)
    projects = account.rows["projects"]
    for report, field in set(_PARTS.values()):
        for row in account.rows[report].values():
            project = projects[row["project"]["id"]]
            asked = _PARTS.get(project["budget_by"], ("", ""))[0] == report
            if asked and row["is_active"] and row["budget"] is not None:
                parts[project["id"]][row[field]["id"]] = exact(row["budget"])
    return parts


def _budget(project: Row, parts: Parts) -> Decimal | None:
    """Returns a project's budget, from where its budget_by says; None where it was left blank."""
    if project["budget_by"] in _WHOLE:
        budget = project[_WHOLE[project["budget_by"]]]
        return None if budget is None else exact(budget)
    each = parts.get(project["id"])
    return sum(each.values(), Decimal(0)) if each else None


def _spent(account: Account, parts: Parts) -> dict[int, Decimal]:
    """Returns what is used of each project's budget, in hours or in money."""
    used: dict[int, Decimal] = defaultdict(Decimal)
    watched = _watched(account)
    _add_time(account, parts, watched, used)
    for expense in account.rows["expenses"].values():
        project, month = watched.get(expense["project"]["id"], (None, ""))
        if (
            project is not None
            and project["budget_by"] == "project_cost"
            and project["cost_budget_include_expenses"]
            and expense["spent_date"].startswith(month)
        ):
            used[project["id"]] += exact(expense["total_cost"])
    return used


def _watched(account: Account) -> dict[int, tuple[Row, str]]:
    """Returns the projects with a budget, each with the month that counts: "" where all do."""
    month = account.now().date().isoformat()[: len("YYYY-MM")]
    return {
        key: (project, month if project["budget_is_monthly"] else "")
        for key, project in account.rows["projects"].items()
        if project["budget_by"] != "none"
    }


def _add_time(
    account: Account,
    parts: Parts,
    watched: Mapping[int, tuple[Row, str]],
    used: dict[int, Decimal],
) -> None:
    """Adds the hours, or what they are worth, to what is used of each project's budget."""
    entries, timers = account.rows["time_entries"], account.preferences.reports_count_timers
    names = ("project", "spent_date", "rounded_hours", "is_running", "billable", "billable_rate")
    project_of, day_of, hours_of, is_running, billable, rate_of = (
        getter(entries, name) for name in names
    )
    counted_by: dict[str, Any] = {way: getter(entries, field) for way, (_, field) in _PARTS.items()}
    budgeted = getter(entries, "budgeted")
    for key in entries:
        project, month = watched.get(project_of(key)["id"], (None, ""))
        if project is None or not day_of(key).startswith(month):
            continue
        way, hours = project["budget_by"], hours_of(key)
        if is_running(key):
            if not timers:
                continue
            hours = account.deliver("time_entries", peek(entries, key))["rounded_hours"]
        if way == "project" and budgeted(key) is False:
            continue
        if way in _PARTS and counted_by[way](key)["id"] not in parts.get(project["id"], ()):
            continue
        worth = exact(rate_of(key) if billable(key) else 0) if way in _MONEY else 1
        used[project["id"]] += exact(hours) * worth
