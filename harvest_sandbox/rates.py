"""The history of a user's rates: each one ends the day before the next begins, and the present one stands on the user."""

from __future__ import annotations

from datetime import date, timedelta

from harvest_sandbox.tables import Tables

RATES = {"billable_rates": "default_hourly_rate", "cost_rates": "cost_rate"}


def fit_rates(
    account: Tables, report: str, user_id: int, *, newest: int | None = None, quiet: bool = False
) -> None:
    """Brings a user's rates in line after one of them has changed.

    A new rate replaces those that begin on the same day or later; their rows vanish, as at Harvest. Whether a changed
    rate moves the user's `updated_at` is not known; here it does where the present rate is another one.
    """
    rows = account.rows[report]
    if newest is not None:
        begin = rows[newest]["start_date"] or ""
        for key in account.children_of(report, user_id):
            if key != newest and (rows[key]["start_date"] or "") >= begin:
                account.drop(report, key)
                account.children[report][user_id].remove(key)
                del account.parents[report][key]
    keys = sorted(
        account.children_of(report, user_id), key=lambda key: rows[key]["start_date"] or ""
    )
    for number, key in enumerate(keys):
        following = rows[keys[number + 1]]["start_date"] if number + 1 < len(keys) else None
        end = (date.fromisoformat(following) - timedelta(days=1)).isoformat() if following else None
        if rows[key]["end_date"] != end:
            rows[key]["end_date"] = end
            account.touch(report, key, quiet=quiet)
    today = account.now().date().isoformat()
    begun = [rows[key]["amount"] for key in keys if (rows[key]["start_date"] or "") <= today]
    user = account.rows["users"].get(user_id)
    current = begun[-1] if begun else None
    if user is not None and user[RATES[report]] != current:
        user[RATES[report]] = current
        account.touch("users", user_id, quiet=quiet)
