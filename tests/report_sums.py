"""What Harvest's reports hold, worked out row by row in fractions: slow, plain, and by nothing of the sandbox but its rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

from harvest_sandbox import Account

Row = dict[str, Any]
Shown = tuple[float | None, ...]
SUBJECTS = {
    "clients": "client",
    "projects": "project",
    "tasks": "task",
    "team": "user",
    "categories": "expense_category",
}


def shown(value: Fraction) -> float:
    """Return a number with two decimals, a half away from zero."""
    hundredths = math.floor(abs(value) * 100 + Fraction(1, 2))
    return float(Fraction(-hundredths if value < 0 else hundredths, 100))


def time_sums(
    account: Account, subject: str, first: str, last: str, *, fixed_fee: bool
) -> dict[Any, Shown]:
    """Return hours, billable hours and their amount by subject and currency."""

    def amount(entry: Row) -> Fraction:
        is_free = not fixed_fee and project_of(account, entry)["is_fixed_fee"]
        return Fraction(0) if is_free else worth(entry)

    return by_group(
        counted(account, "time_entries", first, last),
        lambda row: (row[SUBJECTS[subject]]["id"], row["client"]["currency"]),
        hours,
        lambda row: hours(row) * row["billable"],
        amount,
    )


def expense_sums(account: Account, subject: str, first: str, last: str) -> dict[Any, Shown]:
    """Return costs and billable costs by subject and currency."""
    return by_group(
        counted(account, "expenses", first, last),
        lambda row: (row[SUBJECTS[subject]]["id"], row["client"]["currency"]),
        cost,
        lambda row: cost(row) * row["billable"],
    )


def uninvoiced_sums(
    account: Account, first: str, last: str, *, fixed_fee: bool
) -> dict[Any, Shown]:
    """Return hours, uninvoiced hours, expenses and amount of each billable project."""
    found: dict[Any, Shown] = {}
    for key, project in account.rows["projects"].items():
        if not project["is_billable"] or (project["is_fixed_fee"] and not fixed_fee):
            continue
        entries = of_project(counted(account, "time_entries", first, last), key)
        expenses = of_project(counted(account, "expenses", first, last), key)
        open_entries = [row for row in entries if row["billable"] and not row["is_billed"]]
        open_expenses = sum(
            (cost(row) for row in expenses if row["billable"] and not row["is_billed"]), Fraction(0)
        )
        amount = sum(map(worth, open_entries), Fraction(0)) + open_expenses
        if project["is_fixed_fee"]:
            amount = open_fee(account, project, last)
        totals = (sum(map(hours, rows), Fraction(0)) for rows in (entries, open_entries))
        found[key] = tuple(map(shown, (*totals, open_expenses, amount)))
    return found


def budget_sums(account: Account) -> dict[Any, Shown]:
    """Return budget, what is used of it and what is left, of each project that has one."""
    found: dict[Any, Shown] = {}
    for key, project in account.rows["projects"].items():
        way = project["budget_by"]
        if way == "none":
            continue
        first = f"{account.now():%Y-%m}-01" if project["budget_is_monthly"] else "0000-00-00"
        last = f"{account.now():%Y-%m}-31" if project["budget_is_monthly"] else "9999-99-99"
        entries = of_project(counted(account, "time_entries", first, last), key)
        expenses = of_project(counted(account, "expenses", first, last), key)
        budget, counts = budget_of(account, project)
        value = worth if way in {"project_cost", "task_fees"} else hours
        used = sum((value(row) for row in entries if counts(row)), Fraction(0))
        if way == "project_cost" and project["cost_budget_include_expenses"]:
            used += sum(map(cost, expenses))
        left = None if budget is None else shown(budget - used)
        found[key] = (None if budget is None else shown(budget), shown(used), left)
    return found


def budget_of(account: Account, project: Row) -> tuple[Fraction | None, Callable[[Row], bool]]:
    """Return a project's budget, and which entries count towards it."""
    if project["budget_by"] in {"project", "project_cost"}:
        by_hours = project["budget_by"] == "project"
        budget = project["budget" if by_hours else "cost_budget"]
        return (
            None if budget is None else number(budget),
            lambda entry: not by_hours or entry["budgeted"] is not False,
        )
    field = "user" if project["budget_by"] == "person" else "task"
    budgets = {
        row[field]["id"]: number(row["budget"])
        for row in account.rows[f"{field}_assignments"].values()
        if row["project"]["id"] == project["id"] and row["is_active"] and row["budget"] is not None
    }
    total = sum(budgets.values(), Fraction(0)) if budgets else None
    return total, lambda entry: entry[field]["id"] in budgets


def open_fee(account: Account, project: Row, last: str) -> Fraction:
    """Return what of a fixed fee is on no invoice but drafts, from the day on which the project begins."""
    if last < (project["starts_on"] or project["created_at"][:10]):
        return Fraction(0)
    left = number(project["fee"])
    for invoice in account.rows["invoices"].values():
        for line in invoice["line_items"]:
            if invoice["state"] != "draft" and line["project"]:
                left -= number(line["amount"]) * (line["project"]["id"] == project["id"])
    return left if account.preferences.uninvoiced_below_zero else max(left, Fraction(0))


def counted(account: Account, report: str, first: str, last: str) -> list[Row]:
    """Return the charges of some days that reports count."""
    return [
        row
        for row in account.delivered(report)
        if first <= row["spent_date"] <= last
        and (account.preferences.reports_count_timers or not row.get("is_running"))
    ]


def by_group(
    rows: Iterable[Row], group_of: Callable[[Row], Any], *values: Callable[[Row], Fraction]
) -> dict[Any, Shown]:
    """Return the sums of some values by group."""
    sums: dict[Any, list[Fraction]] = {}
    for row in rows:
        slot = sums.setdefault(group_of(row), [Fraction(0)] * len(values))
        for position, value in enumerate(values):
            slot[position] += value(row)
    return {group: tuple(map(shown, slot)) for group, slot in sums.items()}


def of_project(rows: list[Row], key: int) -> list[Row]:
    """Return the rows of a project."""
    return [row for row in rows if row["project"]["id"] == key]


def project_of(account: Account, row: Row) -> Row:
    """Return the project of a charge."""
    return account.rows["projects"][row["project"]["id"]]


def number(value: Any) -> Fraction:
    """Return a number as it is written; null as 0."""
    return Fraction(str(value or 0))


def hours(entry: Row) -> Fraction:
    """Return the rounded hours of an entry."""
    return number(entry["rounded_hours"])


def worth(entry: Row) -> Fraction:
    """Return the amount of an entry."""
    return hours(entry) * number(entry["billable_rate"] if entry["billable"] else 0)


def cost(expense: Row) -> Fraction:
    """Return the cost of an expense."""
    return number(expense["total_cost"])
