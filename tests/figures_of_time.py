"""The figures of time and people in plain Python: written from their meaning, not from their SQL."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from figures_books import ZERO, Books, first_known, ratio, total
from figures_tables import Row

SECONDS_OF_A_DAYS_HOUR = 3600 * 5  # of weekly capacity, for an hour of each of five days


def tracked_time(books: Books) -> list[Row]:
    """Returns an entry a row."""
    return books.entries


def _spans(books: Books) -> Iterable[tuple[Row, list[Row], list[date]]]:
    """Yields each user with the entries and the days that count."""
    for user in books.live["users"]:
        own = [
            row
            for row in books.entries
            if row["user_id"] == user["id"] and row["day"] <= books.as_of
        ]
        if own:
            first = min(row["day"] for row in own)
            last = books.as_of if user["is_active"] else max(row["day"] for row in own)
            yield user, own, [first + timedelta(n) for n in range((last - first).days + 1)]


def _weekly_seconds(books: Books, user: Row) -> int | None:
    company = books.live["company"]
    seconds: int | None = first_known(
        user["weekly_capacity"], company[0]["weekly_capacity"] if company else None
    )
    return seconds


def _capacity(books: Books, user: Row, days: list[date]) -> Decimal | None:
    seconds = _weekly_seconds(books, user)
    working = sum(day.weekday() < 5 for day in days)
    if seconds is None:
        return None if working == len(days) else ZERO
    return Decimal(seconds * working) / SECONDS_OF_A_DAYS_HOUR


class _Day(NamedTuple):
    """Hours of one day; null where the capacity is not known."""

    holiday: Decimal | None
    leave: Decimal | None
    left: Decimal | None  # after both


def _day(books: Books, user: Row, day: date) -> _Day:
    seconds = _weekly_seconds(books, user)
    known = None if seconds is None else Decimal(seconds) / SECONDS_OF_A_DAYS_HOUR
    capacity = known if day.weekday() < 5 else ZERO
    if day in books.holidays(user["id"]):
        return _Day(capacity, ZERO, ZERO)
    if capacity is None:
        return _Day(ZERO, None, None)
    named = books.leave(user["id"], day)
    parts = (first_known(part, 1) * capacity for hours, part in named if hours is None)
    asked = total(hours for hours, _ in named if hours is not None) + total(parts)
    return _Day(ZERO, min(asked, capacity), capacity - min(asked, capacity))


def _sum(values: Iterable[Decimal | None]) -> Decimal | None:
    known = [value for value in values if value is not None]
    return total(known) if known else None


def _time_off(books: Books, user: Row, days: list[date], hours: Decimal, billable: Decimal) -> Row:
    """Returns the columns of paid time off, null in an account without any."""
    each = [_day(books, user, day) for day in days] if books.has_time_off else []
    available = _sum(day.left for day in each)
    return {
        "holiday_hours": _sum(day.holiday for day in each),
        "leave_hours": _sum(day.leave for day in each),
        "available_hours": available,
        "available_utilisation": ratio(hours, available),
        "available_billable_utilisation": ratio(billable, available),
    }


def utilisation(books: Books) -> list[Row]:
    """Returns a user and month a row."""
    found = []
    for user, own, days in _spans(books):
        for month in sorted({day.replace(day=1) for day in days}):
            in_month = [row for row in own if row["month"] == month]
            hours = total(row["hours"] for row in in_month)
            billable = total(row["hours"] for row in in_month if row["is_billable"])
            of_month = [day for day in days if day.replace(day=1) == month]
            capacity = _capacity(books, user, of_month)
            found.append(
                {
                    "account_id": books.account_id,
                    "user_id": user["id"],
                    "user_name": books.user_name(user["id"]),
                    "month": month,
                    "hours": hours,
                    "billable_hours": billable,
                    "capacity_hours": capacity,
                    "utilisation": ratio(hours, capacity),
                    "billable_utilisation": ratio(billable, capacity),
                    "as_of": books.as_of,
                    **_time_off(books, user, of_month, hours, billable),
                }
            )
    return found


def timesheet_gaps(books: Books) -> list[Row]:
    """Returns a user and week with an empty working day a row."""
    found = []
    for user, own, days in _spans(books):
        for monday in sorted({day - timedelta(days=day.weekday()) for day in days}):
            week = [day for day in days if 0 <= (day - monday).days < 7]
            hours = total(row["hours"] for row in own if row["week"] == monday)
            capacity = _capacity(books, user, week)
            worked = {row["day"] for row in own if row["hours"] > 0}
            empty = sum(day.weekday() < 5 and day not in worked for day in week)
            if empty and capacity:
                found.append(
                    {
                        "account_id": books.account_id,
                        "user_id": user["id"],
                        "user_name": books.user_name(user["id"]),
                        "week": monday,
                        "hours": hours,
                        "capacity_hours": capacity,
                        "missing_hours": max(capacity - hours, ZERO),
                        "empty_days": empty,
                        "as_of": books.as_of,
                    }
                )
    return found
