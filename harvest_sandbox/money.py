"""Arithmetic of hours and money, the same for the builder and for later changes."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from harvest_sandbox.clock import parse_stamp
from harvest_sandbox.rows import Row

ROUNDING_STEPS_PER_HOUR = 4  # the account rounds hours up to the next quarter


def plain(value: float, *, whole_as_float: bool = False) -> int | float:
    """Returns a number as Harvest may write it: a whole one sometimes as 8 and sometimes as 8.0."""
    if value == int(value):
        return float(value) if whole_as_float else int(value)
    return value


def cents(value: float) -> float:
    """Returns money rounded to two decimals, a half upwards."""
    return math.floor(value * 100 + 0.5 + 1e-7) / 100


def rounded(hours: float) -> float:
    """Returns hours rounded by the account's setting."""
    return math.ceil(round(hours * ROUNDING_STEPS_PER_HOUR, 6)) / ROUNDING_STEPS_PER_HOUR


def running_hours(entry: Row, now: datetime) -> float:
    """Returns the hours of a running entry at a moment."""
    seconds = (now - parse_stamp(entry["timer_started_at"])).total_seconds()
    return round(float(entry["hours_without_timer"]) + max(seconds, 0.0) / 3600, 2)


def totals(document: Row) -> Row:
    """Returns the computed amounts of an invoice or estimate: lines, less discount, plus both taxes."""
    lines: list[Row] = document["line_items"]
    subtotal = cents(math.fsum(line["amount"] for line in lines))
    share = 1 - float(document["discount"] or 0) / 100
    discount = cents(subtotal * (1 - share))

    def tax(percent: Any, flag: str) -> float:
        base = math.fsum(line["amount"] for line in lines if line[flag])
        return cents(base * share * float(percent or 0) / 100)

    tax_amount, tax2_amount = tax(document["tax"], "taxed"), tax(document["tax2"], "taxed2")
    return {
        "amount": plain(
            round(subtotal - discount + tax_amount + tax2_amount, 2),
            whole_as_float=len(lines) % 2 == 0,
        ),
        "discount_amount": discount,
        "tax_amount": tax_amount,
        "tax2_amount": tax2_amount,
    }
