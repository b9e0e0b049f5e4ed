"""Plans the invoices before the work is entered, so that each entry knows the invoice it ends up on."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from harvest_sandbox.build.context import Context
from harvest_sandbox.clock import parse_stamp, stamp
from harvest_sandbox.rows import Row


@dataclass
class Plan:
    """One invoice to come: a client and a span of days, and the work that falls on it."""

    row: Row
    client: Row
    first: date
    last: date
    # (project id, task name, rate) -> rounded hours
    hours: dict[tuple[int, str, Any], float] = field(default_factory=lambda: defaultdict(float))
    # project id -> cost of billable expenses
    expenses: dict[int, float] = field(default_factory=lambda: defaultdict(float))
    moved: str = ""
    copy: Row | None = None


class Plans:
    """All invoices to come, by client and day."""

    def __init__(self, context: Context) -> None:
        """Shares the invoices among the clients who pay, each with spans of equal length that follow each other."""
        self.all: list[Plan] = []
        self.by_day: dict[int, dict[str, Plan]] = defaultdict(dict)
        payers = _payers(context)
        spans: list[tuple[date, date, Row]] = []
        for number, client in enumerate(payers):
            count = context.size.invoices // len(payers) + (
                number < context.size.invoices % len(payers)
            )
            spans += [
                (first, last, client) for first, last in _spans(context, client, count, number)
            ]
        spans.sort(key=lambda span: (span[1], span[2]["id"]))
        for number, (first, last, client) in enumerate(spans):
            self._add(context, number, first, last, client)

    def _add(self, context: Context, number: int, first: date, last: date, client: Row) -> None:
        issued = last + timedelta(days=1)
        created = context.at(issued, 8)
        row = context.add(
            "invoices",
            created,
            number=f"R-{issued.year}/{number + 1:03}" if number % 3 else str(number + 1),
            client=context.account.copies.get("client", client["id"]),
            currency=client["currency"],
            client_key=context.key(),
            period_start=first.isoformat(),
            period_end=last.isoformat(),
            issue_date=issued.isoformat(),
        )
        plan = Plan(row, client, first, last)
        plan.copy = context.account.copies.get("invoice", row["id"])
        plan.moved = stamp(parse_stamp(created) + timedelta(seconds=1))
        self.all.append(plan)
        day = first
        while day <= last:
            self.by_day[client["id"]][day.isoformat()] = plan
            day += timedelta(days=1)


def _payers(context: Context) -> list[Row]:
    """Returns clients with paid projects, archived ones last; any client where there is none."""
    paid = {
        project["client"]["id"] for project in context.rows("projects") if project["is_billable"]
    }
    clients = context.rows("clients")
    return (
        sorted(
            (client for client in clients if client["id"] in paid),
            key=lambda row: not row["is_active"],
        )
        or clients
    )


def _spans(context: Context, client: Row, count: int, number: int) -> list[tuple[date, date]]:
    """Cuts a client's time into spans; the last one ended some days ago, an archived client's long ago."""
    ago = 12 + number * 17 % 53 if client["is_active"] else 170
    total = (context.before(ago) - context.start).days
    edges = [
        context.start + timedelta(days=total * step // max(count, 1)) for step in range(count + 1)
    ]
    return [(first, max(first, last - timedelta(days=1))) for first, last in pairwise(edges)]
