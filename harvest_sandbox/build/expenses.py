"""Builds the expenses, some with receipts, some on invoices."""

from __future__ import annotations

from harvest_sandbox.build.context import Context
from harvest_sandbox.build.entries import _APPROVED, _BILLED, _UNSUBMITTED
from harvest_sandbox.build.names import FACTORS
from harvest_sandbox.build.plans import Plans
from harvest_sandbox.money import cents, exact
from harvest_sandbox.rows import Row

_KINDS = (("image/jpeg", "jpg"), ("application/pdf", "pdf"))


def build_expenses(context: Context, plans: Plans) -> None:
    """Builds all expenses, oldest first, and notes on the plans what is billed."""
    assignments = context.rows("user_assignments")
    categories = [row for row in context.rows("expense_categories") if row["is_active"]]
    if not assignments:
        return
    for number in range(context.size.expenses):
        day = context.day(number / context.size.expenses).isoformat()
        fits = [
            row
            for row in assignments
            if row["created_at"][:10] <= day and (row["is_active"] or day < row["updated_at"][:10])
        ]
        assignment = context.random.choice(fits or assignments)
        _build_expense(
            context, plans, number, day, assignment, categories[number % len(categories)]
        )


def _build_expense(
    context: Context, plans: Plans, number: int, day: str, assignment: Row, category: Row
) -> None:
    copies = context.account.copies
    project = context.account.rows["projects"][assignment["project"]["id"]]
    factor = FACTORS[project["client"]["currency"]]
    units = (
        float(context.random.randrange(1, 90 if category["unit_name"] == "km" else 4))
        if category["unit_price"]
        else 1.0
    )
    price = category["unit_price"] or round((8 + context.random.random() * 140) * factor, 2)
    cost = context.number(cents(exact(units) * exact(price)))
    billable = project["is_billable"] and number % 5 != 4
    plan = plans.by_day[project["client"]["id"]].get(day) if billable else None
    if plan is not None:
        plan.expenses[project["id"]] += cost
    old = day < context.before(35).isoformat()
    created = f"{day}T16:{number % 60:02}:10Z"
    receipt = None
    if number % 2 == 0:
        kind, ending = _KINDS[number // 2 % 2]
        receipt = {
            "url": f"https://agency.example/expenses/{number}/receipt" if number % 6 else None,
            "file_name": f"Quittung №{number}.{ending}",
            "file_size": 20_000 + number * 371,
            "content_type": kind,
        }
    context.add(
        "expenses",
        created,
        updated=plan.moved if plan else created,
        **(_BILLED if plan else _APPROVED if old else _UNSUBMITTED),
        spent_date=day,
        notes=(None, "Zug nach Zürich 🚆", "", "Déjeuner client")[number % 4],
        total_cost=cost,
        units=units,
        billable=billable,
        user=assignment["user"],
        project=assignment["project"],
        client=project["client"],
        user_assignment=copies.get("user_assignment", assignment["id"])
        if number % 19 != 18
        else None,
        expense_category=copies.get("expense_category", category["id"]),
        invoice=plan.copy if plan else None,
        receipt=receipt,
    )
