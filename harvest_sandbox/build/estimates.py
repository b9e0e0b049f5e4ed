"""Builds estimates in every state, and their messages."""

from __future__ import annotations

from datetime import timedelta

from harvest_sandbox.build.context import Context
from harvest_sandbox.build.names import FACTORS
from harvest_sandbox.money import cents, exact, totals
from harvest_sandbox.nested import full_name
from harvest_sandbox.rows import Row

_STATES = ("accepted", "declined", "sent", "draft")
_EVENTS = {
    "accepted": ("send", "accept"),
    "declined": ("send", "view", "decline"),
    "sent": ("send",),
    "draft": (),
}


def build_estimates(context: Context) -> None:
    """Builds item categories, estimates and messages, oldest first."""
    created = context.at(context.start, 6)
    for name in ("Service", "Product"):
        context.add("estimate_item_categories", created, name=name)
    clients, users = context.rows("clients"), context.rows("users")
    if not clients or not users:
        return
    for number in range(context.size.estimates):
        _build_estimate(context, number, clients[number % len(clients)], users[0])


def _build_estimate(context: Context, number: int, client: Row, user: Row) -> None:
    state = _STATES[number % len(_STATES)]
    issued = context.day(number / context.size.estimates * 0.9)
    price = cents(exact(900 + number * 137.25) * exact(FACTORS[client["currency"]]))
    lines = _lines(context, number, price)
    row = context.add(
        "estimates",
        context.at(issued, 8),
        number=str(number + 1),
        client_key=context.key(),
        client=context.account.copies.get("client", client["id"]),
        creator=context.account.copies.get("user", user["id"]),
        currency=client["currency"],
        subject=(None, "Angebot Phase 2", "Devis ✏️")[number % 3],
        notes=(None, "")[number % 2],
        purchase_order=("", None, "PO 9")[number % 3],
        state=state,
        tax=19.0 if number % 2 == 0 else None,
        tax2=2.5 if _has_second_tax(number) else None,
        discount=10 if number % 5 == 4 else None,
        issue_date=None if state == "draft" else issued.isoformat(),
        line_items=lines,
    )
    row |= totals(row)
    for position, event in enumerate(_EVENTS[state]):
        moment = f"{(issued + timedelta(days=position)).isoformat()}T14:{number % 60:02}:31Z"
        field = {"send": "sent_at", "accept": "accepted_at", "decline": "declined_at"}.get(event)
        if field:
            row[field] = row["updated_at"] = moment
        _message(context, row, moment, user, event)
    if state != "draft":
        _message(context, row, row["sent_at"], user, None)
    if state == "accepted":
        _link_invoice(context, row)


def _has_second_tax(number: int) -> bool:
    return number % 8 == 3


def _lines(context: Context, number: int, price: float) -> list[Row]:
    """Builds the lines of an estimate; a few estimates have none."""
    return [
        {
            "id": context.account.ids.next("line_items"),
            "kind": "Service" if position == 0 else "Product",
            "description": ("Phase 1: Konzept", None, "")[(number + position) % 3],
            "quantity": float(position + 1),
            "unit_price": context.number(price),
            "amount": context.number(cents(exact(price) * (position + 1))),
            "taxed": number % 2 == 0,
            "taxed2": _has_second_tax(number),
        }
        for position in range(0 if number % 16 == 15 else 1 + number % 2)
    ]


def _link_invoice(context: Context, row: Row) -> None:
    """Lets the next invoice of the client come from this estimate."""
    for invoice in context.rows("invoices"):
        later = (
            invoice["issue_date"] >= row["issue_date"]
            and invoice["client"]["id"] == row["client"]["id"]
        )
        if later and invoice["estimate"] is None:
            invoice["estimate"] = context.account.copies.get("estimate", row["id"])
            return


def _message(context: Context, row: Row, moment: str, user: Row, event: str | None) -> None:
    context.add(
        "estimate_messages",
        moment,
        parent=row["id"],
        event_type=event,
        sent_by=full_name(user),
        sent_by_email=user["email"],
        sent_from=full_name(user),
        sent_from_email=user["email"],
        recipients=[] if event else [{"name": "Jan Dvořák", "email": "jan@client.example"}],
        subject=None if event else f"Estimate #{row['number']}",
        body=None if event else "Bitte prüfen Sie das Angebot 🙂",
    )
