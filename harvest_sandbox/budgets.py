"""The project budget report: what is left of each project's budget at this moment."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from harvest_sandbox.access import Access
from harvest_sandbox.account import Account
from harvest_sandbox.filters import read_flag
from harvest_sandbox.rows import Row, getter, peek

_MONEY = frozenset({"project_cost", "task_fees"})


def budget_report(access: Access, query: Mapping[str, str]) -> list[Row]:
    """Returns the rows of /reports/project_budget: only projects with a budget."""
    account, visible = access.account, _visible(access)
    wanted = read_flag(query["is_active"], "is_active") if query.get("is_active") else None
    spent = _spent(account)
    rows = []
    for key, project in account.rows["projects"].items():
        if project["budget_by"] == "none" or (visible is not None and key not in visible):
            continue
        if wanted is not None and project["is_active"] != wanted:
            continue
        budget, used = _budget(account, project), round(spent.get(key, 0.0), 2)
        left = None if budget is None else round(float(budget) - used, 2)
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
                "budget": None if hidden else budget,
                "budget_spent": None if hidden else used,
                "budget_remaining": None if hidden else left,
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


def _budget(account: Account, project: Row) -> Any:
    """Returns a project's budget, from where its budget_by says."""
    if project["budget_by"] in {"project", "project_cost"}:
        return project["budget"] if project["budget_by"] == "project" else project["cost_budget"]
    report = "user_assignments" if project["budget_by"] == "person" else "task_assignments"
    parts = [
        float(row["budget"])
        for row in account.rows[report].values()
        if row["project"]["id"] == project["id"] and row["is_active"] and row["budget"] is not None
    ]
    return math.fsum(parts) if parts else None


def _spent(account: Account) -> dict[int, float]:
    """Returns what is used of each project's budget, in hours or in money."""
    month = account.now().date().isoformat()[:7]
    projects, used = account.rows["projects"], dict[int, float]()
    entries, expenses = account.rows["time_entries"], account.rows["expenses"]
    project_of, day_of, rate_of = (
        getter(entries, field) for field in ("project", "spent_date", "billable_rate")
    )
    hours_of, is_running = getter(entries, "rounded_hours"), getter(entries, "is_running")
    for key in entries:
        project = projects[project_of(key)["id"]]
        if project["budget_is_monthly"] and day_of(key)[:7] != month:
            continue
        hours = (
            account.deliver("time_entries", peek(entries, key))["rounded_hours"]
            if is_running(key)
            else hours_of(key)
        )
        rate = rate_of(key) or 0 if project["budget_by"] in _MONEY else 1
        used[project["id"]] = used.get(project["id"], 0.0) + float(hours) * float(rate)
    for expense in expenses.values():
        project = projects[expense["project"]["id"]]
        this_month = not project["budget_is_monthly"] or expense["spent_date"][:7] == month
        if (
            project["budget_by"] == "project_cost"
            and project["cost_budget_include_expenses"]
            and this_month
        ):
            used[project["id"]] = used.get(project["id"], 0.0) + float(expense["total_cost"])
    return used
