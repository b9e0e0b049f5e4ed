"""Keeps the days of a request for time off in line with its first and last day."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from harvest_sandbox.clock import stamp
from harvest_sandbox.rows import Row
from harvest_sandbox.tables import Tables

_HOURS = 8
_SATURDAY = 5


def fit_request(account: Tables, row: Row, changed: set[str]) -> None:
    """Gives a request the days between its dates, half of one where the caller says so, and the time of a review.

    Args:
        account: where it is.
        row: of the request.
        changed: the fields that the caller set.
    """
    row["end_date"] = row["end_date"] or row["start_date"]
    if "request_days" not in changed and (not row["request_days"] or _DATES & changed):
        row["request_days"] = request_days(account, row["start_date"], row["end_date"])
    if "days" not in changed:
        fractions = [day["day_fraction"] for day in row["request_days"]]
        row["days"] = row["business_days_at_submission"] = sum(fractions)
    if "status" in changed and "reviewed_at" not in changed:
        row["reviewed_at"] = None if row["status"] == "pending" else stamp(account.now())


_DATES = frozenset({"start_date", "end_date"})


def request_days(account: Tables, first: str, last: str, part: float = 1) -> list[dict[str, Any]]:
    """Returns the days of a request, weekends with no hours.

    Args:
        account: gives them ids.
        first: day.
        last: day.
        part: of each working day.
    """
    begin, end = date.fromisoformat(first), date.fromisoformat(last)
    days = (begin + timedelta(days=n) for n in range((end - begin).days + 1))
    return [
        {
            "id": account.ids.next("pto_request_days"),
            "date": day.isoformat(),
            "hours": _HOURS * part if day.weekday() < _SATURDAY else 0,
            "day_fraction": part if day.weekday() < _SATURDAY else 0,
        }
        for day in days
    ]
