"""Builds users, roles, rates and teammates: one administrator, managers, members, a leaver, a contractor."""

from __future__ import annotations

import re
import unicodedata
from datetime import date, timedelta

from harvest_sandbox.build.context import Context
from harvest_sandbox.build.names import PEOPLE, ROLES, ZONES
from harvest_sandbox.rows import Row

# seconds a week: null where the company's holds, 0 for who is asked now and then
_CAPACITIES = (144000, 126000, None, 86400, 0)
_MANAGER_ROLES = (
    ["manager", "billable_rates_manager", "people_manager"],
    ["manager", "project_creator", "people_manager", "client_and_task_manager"],
)
_CLAIMS = {
    "administrator": [
        "expenses:read:all",
        "invoices:read:all",
        "projects:read:all",
        "timers:read:all",
    ],
    "manager": ["expenses:read:managed", "projects:read:managed", "timers:read:managed"],
    "member": ["expenses:read:own", "timers:read:own"],
}


def build_people(context: Context) -> None:
    """Builds the users and all that hangs on them."""
    count = context.size.users
    managers = max(1, count // 3) if count > 1 else 0
    for number in range(count):
        _build_user(context, number, managers)
    _build_roles(context)
    _build_teammates(context)


def hired(context: Context, number: int) -> date:
    """Returns the first day of a user: the first two began with the account, the others by and by."""
    return context.day(max(0.0, (number - 1) / max(context.size.users, 1) * 0.7))


def left(context: Context, number: int) -> date | None:
    """Returns the last day of a user who has left, None for all but one."""
    return context.day(0.85) if number == context.size.users - 1 and number >= 2 else None


def _build_user(context: Context, number: int, managers: int) -> None:
    first, last = PEOPLE[number % len(PEOPLE)]
    last = last if number < len(PEOPLE) else f"{last} {number // len(PEOPLE) + 1}"
    access = ["administrator"] if number == 0 else ["member"]
    if 0 < number <= managers:
        access = list(_MANAGER_ROLES[(number - 1) % len(_MANAGER_ROLES)])
    begun, gone = hired(context, number), left(context, number)
    created = context.at(begun, 7)
    ascii_name = re.sub(r"[^a-z]", "", unicodedata.normalize("NFKD", first).lower()) or "user"
    user = context.add(
        "users",
        created,
        updated=context.at(gone, 18) if gone else context.at(context.before(20 + number), 10),
        first_name=first,
        last_name=last,
        email=f"{ascii_name}.{number + 1}@agency.example",
        telephone="" if number % 2 else "+49 30 5550100",
        timezone=ZONES[number % len(ZONES)],
        has_access_to_all_future_projects=number == 0,
        is_contractor=number % 5 == 4,
        is_active=gone is None,
        weekly_capacity=_CAPACITIES[number % len(_CAPACITIES)],
        roles=[],
        access_roles=access,
        avatar_url=f"https://cache.example.com/avatars/{number}.png",
        can_create_projects="project_creator" in access or number == 0,
        permissions_claims=_CLAIMS[access[0]],
        calendar_integration_source="google" if number == 1 else None,
        calendar_integration_enabled=number == 1,
    )
    billable = 70.0 + context.random.randrange(0, 90, 5)
    user["default_hourly_rate"] = _build_rates(
        context, "billable_rates", user, billable, 1 + (number + 1) % 3
    )
    cost = round(billable * (0.4 + context.random.random() / 10), 2)
    user["cost_rate"] = _build_rates(context, "cost_rates", user, cost, 1 + number % 2)


def _build_rates(
    context: Context, report: str, user: Row, amount: float, steps: int
) -> int | float:
    """Builds a history of rates, each a little higher; returns the present one."""
    firsts = [day for day in context.days if day.day <= 3 and day.month in {1, 4, 7, 10}]
    firsts = sorted({day.replace(day=1) for day in firsts})[-steps + 1 :] if steps > 1 else []
    starts: list[date | None] = [None, *firsts]
    current: int | float = amount
    for number, start in enumerate(starts):
        following = starts[number + 1] if number + 1 < len(starts) else None
        current = context.number(round(amount * (1 + 0.04 * number), 2))
        context.add(
            report,
            context.at(start, 6) if start else user["created_at"],
            parent=user["id"],
            amount=current,
            start_date=start.isoformat() if start else None,
            end_date=(following - timedelta(days=1)).isoformat() if following else None,
        )
    return current


def _build_roles(context: Context) -> None:
    users = context.rows("users")
    for number, name in enumerate(ROLES):
        members = [
            user
            for position, user in enumerate(users)
            if position % len(ROLES) == number or (number == 1 and position == 0)
        ]
        context.add(
            "roles",
            context.at(context.start, 6),
            name=name,
            user_ids=[user["id"] for user in members],
        )
        for user in members:
            user["roles"].append(name)


def _build_teammates(context: Context) -> None:
    users = context.rows("users")
    managers = [user for user in users if user["access_roles"][0] == "manager"]
    for number, manager in enumerate(managers):
        others = [
            user
            for user in users
            if user["access_roles"][0] == "member" or user is managers[number - 1]
        ]
        for position, user in enumerate(other for other in others if other is not manager):
            if position % len(managers) == number or position == 0:
                mate = {name: user[name] for name in ("id", "first_name", "last_name", "email")}
                context.account.put("teammates", mate, manager["id"])
