"""Completes the planned invoices: lines, amounts, states, payments and messages."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from harvest_sandbox.build.context import Context
from harvest_sandbox.build.plans import Plan, Plans
from harvest_sandbox.money import cents, exact, plain, totals
from harvest_sandbox.nested import full_name
from harvest_sandbox.rows import Row

_TERMS = {"upon receipt": 0, "net 15": 15, "net 30": 30, "net 45": 45, "net 60": 60}
# The newest ones first, as shares of all invoices.
_NEWEST = ("draft", "open", "part", "late")
# What is invoiced of a fixed fee in the end, one project after the other: of some more than was agreed.
_CHARGED = (Decimal("0.9"), Decimal("0.9"), Decimal("1.2"))
_GATEWAYS = (
    {"id": None, "name": None},
    {"id": 1234, "name": "Stripe"},
    {"id": None, "name": None},
    {"id": 987, "name": "PayPal"},
)


def build_invoices(context: Context, plans: Plans) -> None:
    """Completes all invoices and builds what hangs on them."""
    created = context.at(context.start, 6)
    context.add("invoice_item_categories", created, name="Service", use_as_service=True)
    context.add("invoice_item_categories", created, name="Product", use_as_expense=True)
    context.add("invoice_item_categories", created, name="Pauschale")
    shares = _shares(plans)
    for number, plan in enumerate(plans.all):
        _fill(context, plan, number, shares)
        if context.rows("users"):
            _finish(
                context, plan, number, _state(len(plans.all) - 1 - number, len(plans.all), number)
            )


def _shares(plans: Plans) -> dict[int, int]:
    """Returns how many invoices each client gets: a fixed fee is spread over them."""
    counts: dict[int, int] = {}
    for plan in plans.all:
        counts[plan.client["id"]] = counts.get(plan.client["id"], 0) + 1
    return counts


def _state(age: int, count: int, number: int) -> str:
    """Returns what became of an invoice: the newest are drafts, then open ones, then paid ones and few exceptions."""
    step = max(1, count // 40)
    if age < step * len(_NEWEST):
        return _NEWEST[age // step]
    return "closed" if number % 17 == 3 else "late" if number % 37 == 20 else "paid"


def _fill(context: Context, plan: Plan, number: int, shares: dict[int, int]) -> None:
    """Gives an invoice its lines, rates of tax and totals."""
    copies, lines = context.account.copies, list[tuple[str, str, float, float, int | None]]()
    span = f"({plan.row['period_start']} - {plan.row['period_end']})"
    for (project_id, task, rate), hours in sorted(plan.hours.items(), key=str):
        if rate is not None and not context.account.rows["projects"][project_id]["is_fixed_fee"]:
            lines.append(("Service", f"{task} {span}", hours, rate, project_id))
    for position, project in enumerate(context.rows("projects")):
        if project["client"]["id"] == plan.client["id"] and project["is_fixed_fee"]:
            fee = cents(exact(project["fee"]) * _CHARGED[position % 3] / shares[plan.client["id"]])
            lines.append(("Pauschale", f"{project['name']} {span}", 1.0, fee, project["id"]))
    for project_id, cost in plan.expenses.items():
        lines.append(("Product", "Auslagen", 1.0, round(cost, 2), project_id))
    if number % 3 == 0 or not lines:
        lines.append(("Product", "", 3.0, 16.6667, None))
    plan.row["line_items"] = [
        {
            "id": context.account.ids.next("line_items"),
            "kind": kind,
            "description": text or None if number % 2 else text,
            "quantity": context.number(round(quantity, 2)),
            "unit_price": context.number(price),
            "amount": context.number(cents(exact(quantity) * exact(price))),
            "taxed": number % 2 == 0 and kind != "Product",
            "taxed2": number % 8 == 0,
            "project": copies.get("project", project_id) if project_id is not None else None,
        }
        for kind, text, quantity, price, project_id in lines
    ]
    plan.row["tax"] = (19.0, None, 7.7, None)[number % 4]
    plan.row["tax2"] = 2.5 if number % 8 == 0 else None
    plan.row["discount"] = 5 if number % 5 == 2 else None
    plan.row |= totals(plan.row)
    plan.row["due_amount"] = plan.row["amount"]


def _finish(context: Context, plan: Plan, number: int, state: str) -> None:
    """Gives an invoice its dates and state, and builds payments and messages to match."""
    row, issued = plan.row, plan.last + timedelta(days=1)
    users = context.rows("users")
    term = {"late": "upon receipt", "open": "custom"}.get(state) or list(_TERMS)[
        number % len(_TERMS)
    ]
    due = (
        context.today + timedelta(days=12)
        if state == "open"
        else issued + timedelta(days=_TERMS.get(term, 0))
    )
    row.update(
        creator=context.account.copies.get("user", users[number % 2 % len(users)]["id"]),
        payment_term=term,
        due_date=due.isoformat(),
        payment_options=([], ["credit_card"], ["ach", "credit_card", "paypal"])[number % 3],
        subject=(None, "Monatsabrechnung", "Work done 🎉")[number % 3],
        notes=("", None, "Vielen Dank!")[number % 3],
        purchase_order=("", "PO-4471", None)[number % 3],
        recurring_invoice_id=9000 + number if number % 11 == 5 else None,
        retainer={"id": 700 + number} if number % 13 == 6 else None,
    )
    if state == "draft":
        return
    row["state"] = "open"
    row["sent_at"] = row["updated_at"] = f"{issued.isoformat()}T10:{number % 60:02}:07Z"
    _message(context, row, row["sent_at"], number, event_type="send")
    _message(context, row, row["sent_at"], number, mail=True)
    if state in {"paid", "part"} or (state == "closed" and number % 2 == 0):
        _pay(context, row, issued, number, partly=state != "paid")
    if state == "closed":
        row["state"], row["closed_at"] = "closed", f"{context.day(0.9).isoformat()}T09:00:00Z"
        row["updated_at"] = row["closed_at"] = max(row["closed_at"], row["updated_at"])
        _message(context, row, row["closed_at"], number, event_type="close")
    elif state == "late" and due + timedelta(days=3) < context.today:
        _message(
            context,
            row,
            f"{(due + timedelta(days=2)).isoformat()}T08:00:00Z",
            number,
            mail=True,
            reminder=True,
        )


def _pay(context: Context, row: Row, issued: date, number: int, *, partly: bool) -> None:
    """Builds one payment or two."""
    amount = exact(row["amount"])
    parts = _parts(amount, number, partly=partly)
    user = context.rows("users")[0]
    for position, part in enumerate(parts):
        day = min(issued + timedelta(days=9 + number % 20 + 3 * position), context.before(1))
        moment = max(f"{day.isoformat()}T12:30:{number % 60:02}Z", row["sent_at"])
        gateway = dict(_GATEWAYS[(number + position) % len(_GATEWAYS)])
        context.add(
            "invoice_payments",
            moment,
            parent=row["id"],
            amount=context.number(cents(part)),
            paid_at=moment if gateway["name"] else f"{moment[:10]}T00:00:00Z",
            paid_date=moment[:10],
            recorded_by=full_name(user),
            recorded_by_email=user["email"],
            notes=("", None, "Überweisung")[number % 3],
            transaction_id=f"ch_{context.key()[:16]}" if gateway["name"] else None,
            payment_gateway=gateway,
        )
        row["updated_at"] = moment
        if not partly:
            row.update(paid_at=f"{moment[:10]}T00:00:00Z", paid_date=moment[:10], state="paid")
    row["due_amount"] = plain(cents(amount - sum(parts)))


def _parts(amount: Decimal, number: int, *, partly: bool) -> list[Decimal]:
    """Returns the amounts of the payments of an invoice."""
    if not partly and number % 4:
        return [amount]
    begun = exact(cents(amount * (Decimal("0.4") if partly else Decimal("0.5"))))
    return [begun] if partly else [begun, amount - begun]


def _message(
    context: Context,
    row: Row,
    moment: str,
    number: int,
    *,
    event_type: str | None = None,
    mail: bool = False,
    reminder: bool = False,
) -> None:
    """Builds a message: a change of state, or an e-mail."""
    users = context.rows("users")
    sender = users[number % 2 % len(users)]
    context.add(
        "invoice_messages",
        moment,
        parent=row["id"],
        event_type=event_type,
        sent_by=full_name(sender),
        sent_by_email=sender["email"],
        sent_from=full_name(sender),
        sent_from_email=sender["email"],
        recipients=[{"name": "María Ibáñez", "email": "contact@client.example"}] if mail else [],
        subject=f"Invoice #{row['number']} 📎" if mail else None,
        body="Guten Tag,\r\nanbei die Rechnung." if mail else None,
        attach_pdf=mail,
        send_me_a_copy=mail and number % 2 == 0,
        reminder=reminder,
        send_reminder_on=moment[:10] if reminder else None,
        include_link_to_client_invoice=mail,
    )
