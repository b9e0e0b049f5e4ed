"""Builds paid time off: types, holiday calendars, work schedules, and a few requests of each user."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

from harvest_sandbox.build.context import Context
from harvest_sandbox.leave import request_days
from harvest_sandbox.rows import Row, getter

_TYPES = (
    ("Vacation", "#4a9c5d", "sun", True, True),
    ("Sick leave", "#c9503d", "thermometer", False, True),
    ("Overtime of 2019", "#777777", "clock", True, False),
)
# month and day of holidays that lie on the same day each year
_CALENDARS = {
    "Nordrhein-Westfalen": (
        ("Neujahr", 1, 1),
        ("Tag der Arbeit", 5, 1),
        ("Tag der Deutschen Einheit", 10, 3),
        ("Allerheiligen", 11, 1),
        ("1. Weihnachtstag", 12, 25),
        ("2. Weihnachtstag", 12, 26),
    ),
    "España": (
        ("Año Nuevo", 1, 1),
        ("Epifanía del Señor", 1, 6),
        ("Fiesta del Trabajo", 5, 1),
        ("Asunción de la Virgen", 8, 15),
        ("Navidad", 12, 25),
    ),
}
_FOUR_DAYS: Row = {"name": "Four days", "weekly_hours": 32, "friday_hours": 0}
_MONDAY, _THURSDAY = 0, 3
_LONG = timedelta(days=5)  # from a Thursday to the Tuesday after, over a weekend


def build_time_off(context: Context) -> None:
    """Builds the tables, and what each user has of them: the last user has no holiday calendar."""
    begun = context.at(context.start, 5)
    kinds = [
        context.add(
            "pto_types",
            begun,
            name=name,
            color=color,
            icon=icon,
            requires_approval=asks,
            is_active=active,
        )
        for name, color, icon, asks, active in _TYPES
    ]
    calendars = [_build_calendar(context, begun, name) for name in _CALENDARS]
    context.add("pto_work_schedules", begun, name="Full time", is_default=True)
    context.add("pto_work_schedules", begun, name="Full time until 2020", is_active=False)
    four_days = context.add("pto_work_schedules", begun, **_FOUR_DAYS)
    users = context.rows("users")
    tracked = _tracked(context)
    for number, user in enumerate(users):
        if number < len(users) - 1:
            context.account.pto.calendar_of[user["id"]] = calendars[number % len(calendars)]["id"]
        if number % 4 == 3:
            context.account.pto.schedule_of[user["id"]] = four_days["id"]
        _build_requests(context, number, user, kinds, tracked)


def _build_calendar(context: Context, created: str, name: str) -> Row:
    years = range(context.start.year, context.today.year + 2)
    entries = [
        {
            "id": context.account.ids.next("pto_holidays"),
            "name": holiday,
            "date": date(year, month, day).isoformat(),
        }
        for year in years
        for holiday, month, day in _CALENDARS[name]
    ]
    return context.add(
        "pto_holiday_calendars", created, name=name, entries=entries, entries_count=len(entries)
    )


def _tracked(context: Context) -> Counter[tuple[int, str]]:
    """Returns the number of entries by user and day."""
    rows = context.account.rows["time_entries"]
    user, day = getter(rows, "user"), getter(rows, "spent_date")
    return Counter((user(key)["id"], day(key)) for key in rows)


def _build_requests(
    context: Context, number: int, user: Row, kinds: list[Row], tracked: Counter[tuple[int, str]]
) -> None:
    """Builds leave over a weekend, half a day of sickness, days over Christmas, and requests that are pending or rejected."""
    vacation, sick = kinds[0], kinds[1]
    mine = [day for day in context.days if day.isoformat() > user["created_at"][:10]]
    long = _quietest(
        [day for day in mine if day.weekday() == _THURSDAY], user["id"], tracked, _LONG
    )
    if long:
        _add(context, user, vacation, long, long + _LONG, "approved")
    half = _quietest(
        [day for day in mine if day.weekday() == _MONDAY], user["id"], tracked, timedelta()
    )
    if half and number % 2 == 0:
        _add(context, user, sick, half, half, "approved", 0.5)
    christmas = date(context.today.year - 1, 12, 23)
    if christmas >= context.start:
        _add(context, user, vacation, christmas, christmas + timedelta(days=7), "approved")
    soon = context.today + timedelta(days=14 + 3 * number)
    _add(context, user, vacation, soon, soon + timedelta(days=2), "pending")
    if number % 3 == 1:
        _add(context, user, vacation, soon + _LONG, soon + 2 * _LONG, "rejected")


def _quietest(
    days: list[date], user: int, tracked: Counter[tuple[int, str]], length: timedelta
) -> date | None:
    """Returns the day from which the user has the fewest entries within a length of time; the latest of several."""

    def entries(first: date) -> int:
        span = (first + timedelta(days=n) for n in range(length.days + 1))
        return sum(tracked[user, day.isoformat()] for day in span)

    return min(reversed(days), key=entries, default=None)


def _add(
    context: Context,
    user: Row,
    kind: Row,
    first: date,
    last: date,
    status: str,
    part: float = 1,
) -> None:
    created = context.at(min(first, context.today) - timedelta(days=10), 11)
    is_reviewed = status != "pending"
    days = request_days(context.account, first.isoformat(), last.isoformat(), part)
    taken = sum(day["day_fraction"] for day in days)
    context.add(
        "pto_requests",
        created,
        user=context.account.copies.get("user", user["id"]),
        pto_type=context.account.copies.get("pto_type", kind["id"]),
        status=status,
        start_date=first.isoformat(),
        end_date=last.isoformat(),
        days=taken,
        business_days_at_submission=taken,
        start_time_minutes=8 * 60 if part < 1 else None,
        end_time_minutes=12 * 60 if part < 1 else None,
        reviewer=context.account.copies.get("user", context.rows("users")[0]["id"])
        if is_reviewed
        else None,
        reviewed_at=created if is_reviewed else None,
        review_reason="Too many are away." if status == "rejected" else None,
        request_days=days,
    )
