"""Tells whose timers ran when they were last read: their hours grew since, while `updated_at` stood still."""

from __future__ import annotations

from datetime import datetime

from harvest_source.catalogue.reports import by_name
from harvest_source.destinations.scope import LIVE
from harvest_source.destinations.warehouse import Warehouse

REPORT = "time_entries"


def running_ids(warehouse: Warehouse, account_id: int, start_date: datetime | None) -> frozenset[int]:
    """Returns the entries whose timer ran when they were last read, as far as the setting `start_date` has them followed."""
    running = LIVE.where("is_running", "=", value=True)
    scope = running.where("updated_at", ">=", start_date) if start_date else running
    return frozenset(key[0] for key in warehouse.keys(by_name(REPORT), account_id, scope))
