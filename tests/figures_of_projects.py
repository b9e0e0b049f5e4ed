"""The figures of projects in plain Python: written from their meaning, not from their SQL."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from figures_books import ZERO, Books, ratio, total
from figures_tables import Row


def billable_amount(books: Books) -> list[Row]:
    """Returns a project, month and currency a row."""
    groups: dict[tuple[Any, ...], tuple[list[Row], list[Row]]] = defaultdict(lambda: ([], []))
    names = (
        "account_id",
        "client_id",
        "client_name",
        "project_id",
        "project_name",
        "month",
        "currency",
    )
    for row in books.entries:
        groups[tuple(row[name] for name in names)][0].append(row)
    for row in books.expenses:
        if row["is_billable"]:
            groups[tuple(row[name] for name in names)][1].append(row)
    found = []
    for group, (entries, expenses) in groups.items():
        hours = total(row["rounded_hours"] for row in entries)
        billable = total(row["billable_hours"] for row in entries)
        time = total(row["amount"] for row in entries) if books.has_rates else None
        spent = total(row["billable"] for row in expenses)
        found.append(
            {
                **dict(zip(names, group, strict=True)),
                "hours": hours,
                "billable_hours": billable,
                "billable_ratio": ratio(billable, hours),
                "time_amount": time,
                "expense_amount": spent,
                "billable_amount": None if time is None else time + spent,
                "hours_without_rate": total(row["hours_without_rate"] for row in entries),
            }
        )
    return found


def uninvoiced_work(books: Books) -> list[Row]:
    """Returns a billable project a row."""
    return [
        _uninvoiced(books, project) for project in books.live["projects"] if project["is_billable"]
    ]


def _uninvoiced(books: Books, project: Row) -> Row:
    entries = [
        row
        for row in books.of(books.entries, project["id"])
        if row["is_billable"] and not row["is_billed"]
    ]
    expenses = [row for row in books.of(books.expenses, project["id"]) if row["is_open"]]
    lines = books.of(books.lines, project["id"])
    fixed = project["is_fixed_fee"]
    ages: dict[str, Decimal | None] = dict.fromkeys(
        ("days_0_30", "days_31_60", "days_61_90", "days_over_90"), None if fixed else ZERO
    )
    if fixed:
        amount = _left_of_fee(books, project, lines)
    elif books.has_rates:
        amount = ZERO
        parts = [(row["days_old"], row["amount"]) for row in entries]
        for days, money in (*parts, *((row["days_old"], row["cost"]) for row in expenses)):
            name = next(
                (
                    name
                    for most, name in (
                        (30, "days_0_30"),
                        (60, "days_31_60"),
                        (90, "days_61_90"),
                    )
                    if days <= most
                ),
                "days_over_90",
            )
            ages[name] = (ages[name] or ZERO) + money
            amount += money
    else:
        amount, ages = None, dict.fromkeys(ages)
    days_of_work = [row["day"] for row in (*entries, *expenses)]
    return {
        **books.head(project),
        "is_fixed_fee": fixed,
        "uninvoiced_hours": total(row["rounded_hours"] for row in entries),
        "uninvoiced_expenses": total(row["cost"] for row in expenses),
        "uninvoiced_amount": amount,
        "on_drafts": total(line["amount"] for line in lines if line["invoice"]["state"] == "draft"),
        **ages,
        "oldest_day": None if fixed else min(days_of_work, default=None),
        "hours_without_rate": ZERO
        if fixed
        else total(row["hours_without_rate"] for row in entries),
        "as_of": books.as_of,
    }


def _left_of_fee(books: Books, project: Row, lines: list[Row]) -> Decimal | None:
    fee: Decimal | None = project["fee"]
    if fee is None:
        return ZERO if books.has_rates else None
    if books.as_of < (project["starts_on"] or project["created_at"].date()):
        return ZERO
    invoiced = total(line["amount"] for line in lines if line["invoice"]["state"] != "draft")
    return max(fee - invoiced, ZERO)


def project_margin(books: Books) -> list[Row]:
    """Returns a project and month a row."""
    found: list[Row] = []
    for project in books.live["projects"]:
        entries = books.of(books.entries, project["id"])
        expenses = books.of(books.expenses, project["id"])
        shares = _shares_of_fee(books, project)
        months = {row["month"] for row in (*entries, *expenses)} | set(shares or {})
        found.extend(
            _margin(
                books,
                project,
                month,
                [row for row in entries if row["month"] == month],
                [row for row in expenses if row["month"] == month],
                shares,
            )
            for month in months
        )
    return found


def _shares_of_fee(books: Books, project: Row) -> dict[date, Decimal] | None:
    """Returns what each month earns of a fixed fee; null where there is none, or fee or dates lack."""
    fee, first, last = project["fee"], project["starts_on"], project["ends_on"]
    if not (project["is_billable"] and project["is_fixed_fee"]):
        return None
    if None in (fee, first, last) or last < first:
        return None
    invoiced = total(
        line["net"]
        for line in books.of(books.lines, project["id"])
        if line["invoice"]["state"] in ("open", "paid")
    )
    days = (last - first).days + 1
    a_day = max(fee, invoiced) / days
    shares: dict[date, Decimal] = defaultdict(Decimal)
    for n in range(days):
        day = first + timedelta(days=n)
        if day <= books.as_of:
            shares[day.replace(day=1)] += a_day
    return dict(shares)


def _margin(
    books: Books,
    project: Row,
    month: date,
    entries: list[Row],
    expenses: list[Row],
    shares: dict[date, Decimal] | None,
) -> Row:
    head = books.head(project)
    by_time = project["is_billable"] and not project["is_fixed_fee"]
    fixed = project["is_billable"] and project["is_fixed_fee"]
    work: Decimal | None = ZERO
    if shares is not None:
        work = shares.get(month, ZERO)
    elif project["is_billable"] and not books.has_rates:
        work = None
    elif by_time:
        work = total(row["amount"] for row in entries)
    billable = total(row["billable"] for row in expenses) if by_time else ZERO
    time_cost = total(row["cost"] for row in entries) if books.has_costs else None
    spent, lacks = total(row["cost"] for row in expenses), bool(fixed) and shares is None
    revenue = None if work is None else work + billable
    profit = None
    if revenue is not None and time_cost is not None and not lacks:
        profit = revenue - time_cost - spent if head["currency"] == books.own_currency else None
    return {
        **head,
        "month": month,
        "is_billable": project["is_billable"],
        "is_fixed_fee": project["is_fixed_fee"],
        "hours": total(row["hours"] for row in entries),
        "work_revenue": work,
        "expense_revenue": billable,
        "revenue": revenue,
        "cost_currency": books.own_currency,
        "time_cost": time_cost,
        "expense_cost": spent,
        "profit": profit,
        "margin": ratio(profit, revenue),
        "hours_without_rate": total(row["hours_without_rate"] for row in entries)
        if by_time
        else ZERO,
        "hours_without_cost": total(row["hours_without_cost"] for row in entries),
        "lacks_fee_or_dates": lacks,
        "as_of": books.as_of,
    }


def effective_rate(books: Books) -> list[Row]:
    """Returns a billable project a row."""
    groups: dict[int, list[Row]] = defaultdict(list)
    for row in project_margin(books):
        if row["is_billable"]:
            groups[row["project_id"]].append(row)
    found = []
    for project_id, rows in groups.items():
        hours = total(row["hours"] for row in rows)
        known = all(row["work_revenue"] is not None for row in rows)
        work = total(row["work_revenue"] for row in rows) if known else None
        lacks = any(row["lacks_fee_or_dates"] for row in rows)
        found.append(
            {
                **books.head(books.by_id("projects")[project_id]),
                "hours": hours,
                "work_revenue": work,
                "effective_rate": None if lacks else ratio(work, hours),
                "as_of": books.as_of,
            }
        )
    return found
