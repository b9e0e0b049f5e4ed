"""Sets budgets and fixed fees to fit the work that was done: most projects keep within them, some do not.

A budget that a project was given as null stays null. Of the people or tasks that work goes on with, the one with the least
work has no budget, and the next one 0.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from harvest_sandbox.build.context import Context
from harvest_sandbox.rows import Row, getter

_RATIOS = (1.25, 0.92, 1.6, 1.1, 2.3)  # of the budget to the work, one project after the other
_MONTHS = 14
_PARTS = {
    "person": ("user_assignments", "user"),
    "task": ("task_assignments", "task"),
    "task_fees": ("task_assignments", "task"),
}
Spent = dict[Any, list[float]]


def build_targets(context: Context) -> None:
    """Sets the budgets of all projects that have work."""
    spent = _spent(context)
    for number, project in enumerate(context.rows("projects")):
        hours, money = spent[project["id"]]
        if hours:
            _set_budget(context, project, spent, _RATIOS[number % len(_RATIOS)])
        if money and project["is_fixed_fee"]:
            project["fee"] = context.number(_neat(money * 0.95))


def _spent(context: Context) -> Spent:
    """Returns hours and money by project, by project and user, by project and task."""
    rows = context.account.rows["time_entries"]
    fields = [
        getter(rows, name) for name in ("project", "user", "task", "rounded_hours", "billable_rate")
    ]
    sums: Spent = defaultdict(lambda: [0.0, 0.0])
    for key in rows:
        project, user, task, hours, rate = (field(key) for field in fields)
        slot = sums[project["id"], user["id"], task["id"]]
        slot[0] += hours
        slot[1] += hours * (rate or 0)
    spent: Spent = defaultdict(lambda: [0.0, 0.0])
    for (project_id, user_id, task_id), (hours, money) in sums.items():
        for group in (project_id, (project_id, "user", user_id), (project_id, "task", task_id)):
            spent[group][0] += hours
            spent[group][1] += money
    return spent


def _set_budget(context: Context, project: Row, spent: Spent, ratio: float) -> None:
    """Sets the budget of a project, where its `budget_by` says it stands."""
    way = project["budget_by"]
    hours, money = spent[project["id"]]
    ratio = ratio / _MONTHS if project["budget_is_monthly"] else ratio
    if way == "project" and project["budget"] is not None:
        project["budget"] = context.number(max(round(hours * ratio / 2.5), 1) * 2.5)
    elif way == "project_cost":
        project["cost_budget"] = context.number(_neat(money * ratio))
    elif way in _PARTS:
        _set_parts(context, project, spent, ratio)


def _set_parts(context: Context, project: Row, spent: Spent, ratio: float) -> None:
    """Sets the budgets of the people or tasks of a project that have work."""
    report, field = _PARTS[project["budget_by"]]
    in_money = project["budget_by"] == "task_fees"
    parts = [
        (spent[project["id"], field, part[field]["id"]][in_money], part)
        for part in context.rows(report)
        if part["project"]["id"] == project["id"]
    ]
    odd = sorted((used, part["id"]) for used, part in parts if used and part["is_active"])[:2]
    for used, part in parts:
        budget = _neat(used * ratio) if used else None
        if len(parts) > len(odd) and (used, part["id"]) in odd:
            budget = (None, 0)[odd.index((used, part["id"]))]
        part["budget"] = None if budget is None else context.number(budget)
        context.account.copies.refresh(report, part)


def _neat(value: float) -> float:
    """Returns a number of two figures, as people set budgets."""
    return float(f"{value:.2g}")
