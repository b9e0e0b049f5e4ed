"""The figures of budgets in plain Python: written from their meaning, not from their SQL."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from figures_books import ZERO, Books, ratio, total
from figures_tables import Row


def budget_burn(books: Books) -> list[Row]:
    """Returns a project with a budget a row, or a month of it."""
    found = []
    for project in books.live["projects"]:
        if project["budget_by"] in (None, "none"):
            continue
        budget, spending = _budget(books, project)
        money = project["budget_by"] in ("project_cost", "task_fees")
        this_month = books.as_of.replace(day=1)
        months: set[date | None] = {None}
        if project["budget_is_monthly"]:
            with_time = {row["month"] for row in books.of(books.entries, project["id"])}
            months = {this_month, *with_time, *(month for month, _ in spending)}
        for month in months:
            spent: Decimal | None = total(
                amount or ZERO for when, amount in spending if month in (None, when)
            )
            if money and not books.has_rates:
                spent = None
            known = budget is not None and spent is not None
            head = books.head(project)
            found.append(
                {
                    **head,
                    "is_active": project["is_active"],
                    "budget_by": project["budget_by"],
                    "currency": head["currency"] if money else None,
                    "month": month,
                    "is_current": month in (None, this_month),
                    "budget": budget,
                    "spent": spent,
                    "remaining": budget - spent if known else None,  # type: ignore[operator]
                    "burn": ratio(spent, budget),
                    "is_over": spent > budget if known else None,  # type: ignore[operator]
                    "as_of": books.as_of,
                }
            )
    return found


def _budget(books: Books, project: Row) -> tuple[Decimal | None, list[tuple[date, Decimal | None]]]:
    """Returns a project's budget, and what counts against it by month."""
    by, entries = project["budget_by"], books.of(books.entries, project["id"])
    if by == "project":
        return project["budget"], [
            (row["month"], row["rounded_hours"]) for row in entries if row["is_budgeted"]
        ]
    if by == "project_cost":
        spending = [(row["month"], row["amount"]) for row in entries]
        if project["cost_budget_include_expenses"]:
            expenses = books.of(books.expenses, project["id"])
            spending += [(row["month"], row["cost"]) for row in expenses]
        return project["cost_budget"], spending
    table, column, of_entry = (
        ("user_assignments", "user__id", "user_id")
        if by == "person"
        else ("task_assignments", "task__id", "task_id")
    )
    budgets = {
        row[column]: row["budget"]
        for row in books.live[table]
        if row["project__id"] == project["id"] and row["is_active"] and row["budget"] is not None
    }
    counted = "amount" if by == "task_fees" else "rounded_hours"
    return (
        total(budgets.values()) if budgets else None,
        [(row["month"], row[counted]) for row in entries if row[of_entry] in budgets],
    )


def over_budget_projects(books: Books) -> list[Row]:
    """Returns an active project that is over its budget now a row."""
    return [
        {
            **{
                name: row[name]
                for name in row
                if name not in ("is_active", "is_current", "remaining", "is_over")
            },
            "over_by": row["spent"] - row["budget"],
        }
        for row in budget_burn(books)
        if row["is_over"] and row["is_active"] and row["is_current"]
    ]
