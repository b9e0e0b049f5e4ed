"""What paid time off is put together from other tables: assignments, allocations and balances of users."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from harvest_sandbox.rows import Row
from harvest_sandbox.tables import Tables

_ACCRUAL = (
    "accrual_type",
    "accrual_schedule",
    "accrual_first_payday",
    "accrual_leave_hours",
    "accrual_worked_hours",
    "accrual_max_hours_per_year",
)


def assignments(account: Tables) -> list[Row]:
    """Returns which calendar and schedule each user has; without id and timestamps, as others report them."""
    return [_assignment(account, user) for user in account.rows["users"]]


def _assignment(account: Tables, user: int) -> Row:
    schedules = account.rows["pto_work_schedules"]
    default = next((key for key, each in schedules.items() if each["is_default"]), None)
    own = account.pto.schedule_of.get(user)
    schedule = schedules.get(own if own in schedules else default)
    return {
        "user": account.copies.get("user", user),
        "holiday_calendar": _copy(
            account, "holiday_calendar", "pto_holiday_calendars", account.pto.calendar_of.get(user)
        ),
        "work_schedule": _copy(account, "work_schedule", "pto_work_schedules", own),
        "effective_work_schedule": schedule
        and {name: schedule[name] for name in ("name", "weekly_hours")},
    }


def allocations(account: Tables, year: int) -> list[Row]:
    """Returns the days of a year of each active user and type."""
    return [
        {
            "year": year,
            "user": account.copies.get("user", user),
            "pto_type": account.copies.get("pto_type", key),
            "days_per_year": _days(account, user, key),
            "carryover_days": 0,
            "requires_approval": kind["requires_approval"],
            **{name: kind[name] for name in _ACCRUAL},
        }
        for user, key, kind in _policies(account)
    ]


def balances(account: Tables, user: int, year: int) -> Row:
    """Returns what a user has left of each type; decimals are texts here."""
    return {
        "user": account.copies.get("user", user),
        "year": year,
        "as_of": account.now().date().isoformat(),
        "balances": [
            _balance(account, user, key, year)
            for each, key, _ in _policies(account)
            if each == user
        ],
    }


def _balance(account: Tables, user: int, key: int, year: int) -> Row:
    taken = {status: _taken(account, user, key, year, status) for status in ("approved", "pending")}
    available = Decimal(str(_days(account, user, key)))
    used, pending = (taken[status][0] for status in ("approved", "pending"))
    return {
        "pto_type": account.copies.get("pto_type", key),
        "accrued_days": str(available),
        "carryover_days": "0.0",
        "available_days": str(available),
        "used_days": str(used),
        "pending_days": str(pending),
        "remaining_days": str(available - used - pending),
        "used_hours": str(taken["approved"][1]),
        "pending_hours": str(taken["pending"][1]),
        "used_fraction": str(_part(used, available)),
        "pending_fraction": str(_part(pending, available)),
        "is_unlimited": False,
        "is_requestable": True,
    }


def _taken(account: Tables, user: int, key: int, year: int, status: str) -> tuple[Decimal, Decimal]:
    """Returns days and hours of requests of a state within a year."""
    days = [
        day
        for row in account.rows["pto_requests"].values()
        if row["status"] == status
        and (row["user"] or {}).get("id") == user
        and (row["pto_type"] or {}).get("id") == key
        for day in row["request_days"]
        if day["date"].startswith(f"{year}-")
    ]
    return (
        sum((Decimal(str(day["day_fraction"])) for day in days), Decimal("0.0")),
        sum((Decimal(str(day["hours"])) for day in days), Decimal("0.0")),
    )


def _part(days: Decimal, of: Decimal) -> Decimal:
    return (days / of).quantize(Decimal("0.0001")) if of else Decimal("0.0")


def _policies(account: Tables) -> Iterator[tuple[int, int, Row]]:
    for user, row in account.rows["users"].items():
        for key, kind in account.rows["pto_types"].items() if row["is_active"] else ():
            if kind["is_active"]:
                yield user, key, kind


def _days(account: Tables, user: int, key: int) -> Any:
    default = account.rows["pto_types"][key]["default_days_per_year"]
    return account.pto.days_of.get((user, key), default)


def _copy(account: Tables, shape: str, report: str, key: int | None) -> Row | None:
    return account.copies.get(shape, key) if key in account.rows[report] and key else None
