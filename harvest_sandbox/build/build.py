"""Puts an account together, table after table."""

from __future__ import annotations

import gc
from collections.abc import Callable
from datetime import UTC, date, datetime, time

from harvest_sandbox.account import Account
from harvest_sandbox.build.context import Context
from harvest_sandbox.build.entries import build_entries
from harvest_sandbox.build.estimates import build_estimates
from harvest_sandbox.build.expenses import build_expenses
from harvest_sandbox.build.invoices import build_invoices
from harvest_sandbox.build.names import AGENCIES
from harvest_sandbox.build.people import build_people
from harvest_sandbox.build.plans import Plans
from harvest_sandbox.build.projects import build_projects
from harvest_sandbox.build.targets import build_targets
from harvest_sandbox.build.time_off import build_time_off
from harvest_sandbox.clock import Clock, system_now
from harvest_sandbox.preferences import Preferences
from harvest_sandbox.rows import Row
from harvest_sandbox.sizes import SIZES, Size

_MANY_ENTRIES = 100_000


def build_account(
    size: Size = SIZES["demo"],
    *,
    seed: int = 1,
    today: date | None = None,
    now: Callable[[], datetime] | None = None,
    preferences: Preferences | None = None,
) -> Account:
    """Builds an account; the same seed and day give the same ids and values.

    Args:
        size: how many rows.
        seed: Other seeds give other ids, and other values.
        today: the account's last day; the real one by default.
        now: the account's clock. By default the real one, or, where `today` is given, a `Clock` that stands at 16:00
            UTC of that day until it is advanced.
        preferences: what no answer of the API tells; the defaults where None.

    Returns:
        The account, ready to be served.
    """
    if now is None:
        now = system_now if today is None else Clock(datetime.combine(today, time(16), UTC))
    today = today or now().date()
    name = AGENCIES[(seed - 1) % len(AGENCIES)]
    account = Account(
        1_000_000 + seed % 100_000 * 37,
        name,
        _company(name, seed),
        seed=seed,
        now=now,
        preferences=preferences,
    )
    context = Context(account, size, seed, today)
    collecting = gc.isenabled()
    # nothing of what is made here is garbage, and looking for it takes longer than the building
    gc.disable()
    try:
        _fill(context)
    finally:
        if size.time_entries >= _MANY_ENTRIES:
            gc.freeze()  # nor later: it would look through millions of objects again and again
        if collecting:
            gc.enable()
    return account


def _fill(context: Context) -> None:
    """Builds all tables, each after those it points at."""
    build_people(context)
    build_projects(context)
    if context.size.clients:
        plans = Plans(context)
        build_entries(context, plans)
        build_targets(context)
        build_expenses(context, plans)
        build_invoices(context, plans)
    build_estimates(context)
    build_time_off(context)


def _company(name: str, seed: int) -> Row:
    host = f"agency{seed}.harvestapp.example"
    return {
        "base_uri": f"https://{host}",
        "full_domain": host,
        "name": name,
        "is_active": True,
        "week_start_day": "Monday",
        "wants_timestamp_timers": True,
        "time_format": "hours_minutes",
        "date_format": "%Y-%m-%d",
        "plan_type": "simple-v4",
        "clock": "12h" if seed % 2 else "24h",
        "currency_code_display": "iso_code_none",
        "currency_symbol_display": "symbol_before",
        "currency": "EUR",
        "decimal_symbol": ",",
        "thousands_separator": ".",
        "color_scheme": "orange",
        "weekly_capacity": 144000,
        "expense_feature": True,
        "invoice_feature": True,
        "estimate_feature": True,
        "approval_feature": True,
        "team_feature": True,
    }
