"""What an account is set to, or Harvest does, that no answer of the API tells."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Preferences:
    """The settings of an account that show only in their effects.

    Attributes:
        budgets_count_billable_only: Only billable hours are `budgeted`: a preference of the account. It holds for
            entries that are made or changed after it was set.
        reports_count_timers: Reports hold the hours of running timers. Whether Harvest's do is not known.
        uninvoiced_below_zero: The uninvoiced amount of a fixed fee that was invoiced beyond the fee is negative, as seen
            at Harvest; else it is 0.
    """

    budgets_count_billable_only: bool = False
    reports_count_timers: bool = True
    uninvoiced_below_zero: bool = True
