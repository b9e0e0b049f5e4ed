"""Builds clients, contacts, tasks, projects and who works on what in them."""

from __future__ import annotations

from typing import Any

from harvest_sandbox.build.context import Context
from harvest_sandbox.build.names import (
    CATEGORIES,
    CLIENTS,
    FACTORS,
    FIRST_CONTACTS,
    LAST_CONTACTS,
    PROJECTS,
    TASKS,
)
from harvest_sandbox.build.people import hired, left
from harvest_sandbox.rows import Row

INTERNAL = 4  # the client of projects that nobody pays for
# One kind of project after the other: all ways to bill and to budget occur in each eight; the second eight are rarer.
KINDS: tuple[dict[str, Any], ...] = (
    {"bill_by": "Project", "budget_by": "project", "budget": 320},
    {
        "bill_by": "People",
        "budget_by": "project_cost",
        "is_fixed_fee": True,
        "fee": 24000.0,
        "cost_budget": 20000,
    },
    {"bill_by": "People", "budget_by": "person"},
    {"bill_by": "Tasks", "budget_by": "task"},
    {"bill_by": "none", "budget_by": "none", "is_billable": False},
    {
        "bill_by": "Tasks",
        "budget_by": "task_fees",
        "is_fixed_fee": True,
        "fee": 12000,
        "starts_on": None,
        "ends_on": None,
    },
    {"bill_by": "People", "budget_by": "project", "budget_is_monthly": True, "budget": 37.5},
    {
        "bill_by": "Project",
        "budget_by": "project_cost",
        "cost_budget": 9000.0,
        "cost_budget_include_expenses": True,
    },
    {"bill_by": "Project", "budget_by": "project", "budget": None},
    {
        "bill_by": "People",
        "budget_by": "none",
        "is_fixed_fee": True,
        "fee": 8000,
        "starts_on": None,
    },
    {"bill_by": "People", "budget_by": "person", "budget_is_monthly": True},
    {"bill_by": "Tasks", "budget_by": "task", "budget_is_monthly": True},
    {"bill_by": "none", "budget_by": "project", "budget": 60, "is_billable": False},
    {"bill_by": "Tasks", "budget_by": "task_fees", "budget_is_monthly": True},
    {
        "bill_by": "People",
        "budget_by": "project_cost",
        "budget_is_monthly": True,
        "cost_budget": 4500,
        "cost_budget_include_expenses": True,
    },
    {"bill_by": "Project", "budget_by": "none"},
)
NON_BILLABLE, ARCHIVED, IN_A_ROUND = 4, 7, 8


def build_projects(context: Context) -> None:
    """Builds clients, contacts, tasks, categories, projects and assignments."""
    _build_clients(context)
    _build_tasks(context)
    for name, unit, price in CATEGORIES:
        context.add(
            "expense_categories",
            context.at(context.start, 6),
            name=name,
            unit_name=unit,
            unit_price=price,
            is_active="retired" not in name,
        )
    if context.size.clients:
        for number in range(context.size.projects):
            _build_project(context, number)


def archived_clients(count: int) -> int:
    """Returns how many of the last clients are archived."""
    return max(1, count // 10) if count > 2 else 0


def _build_clients(context: Context) -> None:
    count = context.size.clients
    gone = archived_clients(count)
    for number in range(count):
        name, currency = CLIENTS[number % len(CLIENTS)]
        name = name if number < len(CLIENTS) else f"{name} {number // len(CLIENTS) + 1}"
        archived = number >= count - gone
        created = context.at(context.start, 8)
        client = context.add(
            "clients",
            created,
            updated=context.at(context.before(150), 17) if archived else created,
            name=name,
            currency=currency,
            is_active=not archived,
            address=(None, "", "Hauptstraße 1\r\n10115 Berlin", "221B Baker St\nLondon")[
                number % 4
            ],
            statement_key=f"{context.random.getrandbits(128):032x}",
        )
        for position in range(1 + number % 2):
            index = (number * 2 + position) % len(FIRST_CONTACTS)
            context.add(
                "contacts",
                created,
                client=context.account.copies.get("client", client["id"]),
                title=(None, "CFO", "Geschäftsführerin")[index % 3],
                first_name=FIRST_CONTACTS[index],
                last_name=LAST_CONTACTS[index],
                email=f"contact{number}.{position}@client.example" if index % 4 else "",
                phone_office="+41 44 5550199" if index % 2 else "",
            )


def _build_tasks(context: Context) -> None:
    for number, (name, billable, rate) in enumerate(TASKS):
        context.add(
            "tasks",
            context.at(context.start, 6),
            name=name,
            billable_by_default=billable,
            default_hourly_rate=rate,
            is_default=number < 3,
            is_active="retired" not in name,
        )


def _build_project(context: Context, number: int) -> None:
    kind = number % IN_A_ROUND
    clients = context.rows("clients")
    open_clients = clients[: len(clients) - archived_clients(len(clients))]
    chosen = (
        open_clients
        if kind != ARCHIVED or len(open_clients) == len(clients)
        else clients[len(open_clients) :]
    )
    payers = [client for position, client in enumerate(chosen) if position != INTERNAL] or chosen
    client = payers[(number - number // IN_A_ROUND // 2) % len(payers)]
    if kind == NON_BILLABLE and len(open_clients) > INTERNAL:
        client = open_clients[INTERNAL]
    name = PROJECTS[number % len(PROJECTS)]
    factor = FACTORS[client["currency"]]
    settings = dict(KINDS[number % len(KINDS)])
    for field in ("fee", "cost_budget"):
        if field in settings:
            settings[field] = context.number(round(settings[field] * factor, 2))
    begun = context.day(0.0 if number % 3 else 0.02 * (number % 10))
    archived = kind == ARCHIVED
    ended = context.day(0.6) if archived else None
    fixed_fee = settings.get("is_fixed_fee", False)
    starts_on = begun.isoformat() if number % 4 or fixed_fee else None
    ends_on = ended.isoformat() if ended else context.today.isoformat() if fixed_fee else None
    created = context.at(begun, 8)
    project = context.add(
        "projects",
        created,
        updated=context.at(ended, 17)
        if ended
        else context.at(context.before(30 + number % 60), 11),
        **{"starts_on": starts_on, "ends_on": ends_on, **settings},
        name=name if number < len(PROJECTS) else f"{name} {number // len(PROJECTS) + 1}",
        code=(f"P{number + 1:03}", None, "", f"N-{number + 1}")[number % 4],
        client=context.account.copies.get("client_money", client["id"]),
        is_active=not archived,
        hourly_rate=context.number(round((90 + number % 7 * 5) * factor, 2))
        if settings["bill_by"] == "Project"
        else None,
        notify_when_over_budget=number % 2 == 0 and settings["budget_by"] != "none",
        show_budget_to_all=number % 3 == 0,
        over_budget_notification_percentage=(80.0, 80, 92.5)[number % 3],
        over_budget_notification_date=context.before(60).isoformat() if kind == 0 else None,
        notes=(None, "", "Retainer, see contract § 4")[number % 3],
    )
    _assign_tasks(context, project, number, factor)
    _assign_users(context, project, number, factor)


def _assign_tasks(context: Context, project: Row, number: int, factor: float) -> None:
    for position, task in enumerate(context.rows("tasks")):
        retired = not task["is_active"]
        if (position + number) % 4 == 3 and not retired:
            continue
        rate = None
        if project["bill_by"] == "Tasks":
            rate = context.number(round((task["default_hourly_rate"] or 60) * factor, 4))
        context.add(
            "task_assignments",
            project["created_at"],
            project=context.account.copies.get("project", project["id"]),
            task=context.account.copies.get("task", task["id"]),
            is_active=not retired and project["is_active"],
            billable=task["billable_by_default"] and project["is_billable"],
            hourly_rate=rate,
            budget={"task": 60.5, "task_fees": context.number(round(6000 * factor, 2))}.get(
                project["budget_by"]
            ),
        )


def _assign_users(context: Context, project: Row, number: int, factor: float) -> None:
    managers = [
        user["id"] for user in context.rows("users") if user["access_roles"][0] == "manager"
    ]
    for position, user in enumerate(context.rows("users")):
        is_manager = bool(managers) and user["id"] == managers[number % len(managers)]
        if (position + number) % 3 == 2 and not is_manager and position:
            continue
        own = project["bill_by"] == "People" and (position % 2 == 1 or factor > 2)
        gone = left(context, position)
        created = max(project["created_at"], context.at(hired(context, position), 9))
        context.add(
            "user_assignments",
            created,
            updated=context.at(gone, 19) if gone else created,
            project=context.account.copies.get("project", project["id"]),
            user=context.account.copies.get("user", user["id"]),
            is_active=gone is None and project["is_active"],
            is_project_manager=is_manager,
            use_default_rates=not own,
            hourly_rate=context.number(round(85 * factor, 2)) if own else None,
            budget={"person": 80}.get(project["budget_by"]),
        )
