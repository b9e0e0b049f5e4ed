"""Tells whose timers ran when they were last read: their hours grew since, while `updated_at` stood still."""

from __future__ import annotations

from datetime import datetime

from harvest_source.catalogue.report import Report
from harvest_source.destinations.scope import LIVE
from harvest_source.destinations.warehouse import Warehouse


def running_ids(
    warehouse: Warehouse, report: Report, account_id: int, start_date: datetime | None
) -> frozenset[int]:
    """Returns the entries whose timer ran when they were last read, as far as the setting `start_date` has them followed."""
    assert report.running is not None  # noqa: S101 - only reports with timers come here
    running = LIVE.where(report.running.column, "=", value=True)
    scope = running.where("updated_at", ">=", start_date) if start_date else running
    return frozenset(key[0] for key in warehouse.keys(report, account_id, scope))
