"""Ids that grow with gaps, as at Harvest, and never meet those of an account with another seed."""

from __future__ import annotations

import random

_FIRST: dict[str, int] = {
    "clients": 9_200_000,
    "contacts": 7_100_000,
    "projects": 30_100_000,
    "user_assignments": 310_000_000,
    "task_assignments": 330_000_000,
    "tasks": 17_000_000,
    "time_entries": 2_790_011_000,  # beyond 2^31, as since 2025
    "expenses": 37_000_000,
    "expense_categories": 8_400_000,
    "invoices": 40_100_000,
    "invoice_payments": 22_000_000,
    "invoice_messages": 58_000_000,
    "invoice_item_categories": 3_100_000,
    "estimates": 2_800_000,
    "estimate_messages": 2_600_000,
    "estimate_item_categories": 2_500_000,
    "roles": 1_800_000,
    "users": 4_100_000,
    "billable_rates": 6_500_000,
    "cost_rates": 6_100_000,
    "line_items": 140_000_000,
    "pto_types": 51_000,
    "pto_requests": 61_000,
    "pto_request_days": 710_000,
    "pto_holiday_calendars": 41_000,
    "pto_holidays": 42_000,
    "pto_work_schedules": 31_000,
}
_STRIDE = 1_000_000
_ENTRY_STRIDE = 40_000_000
_SEEDS = 100_000


class Ids:
    """The next id of every report."""

    def __init__(self, seed: int) -> None:
        """Begins where this seed's ids begin.

        Args:
            seed: Any whole number; those that differ by less than 100,000 never share an id.
        """
        self._random = random.Random(f"ids {seed}")
        self._last = {
            report: first + seed % _SEEDS * (_ENTRY_STRIDE if report == "time_entries" else _STRIDE)
            for report, first in _FIRST.items()
        }

    def next(self, report: str) -> int:
        """Returns an id larger than all before it."""
        self._last[report] += 1 + int(self._random.random() * 7)
        return self._last[report]
