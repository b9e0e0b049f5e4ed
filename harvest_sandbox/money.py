"""Arithmetic of hours and money, exact to the last digit: the same for the builder, for later changes and for reports."""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any

from harvest_sandbox.clock import parse_stamp
from harvest_sandbox.rows import Row

ROUNDING_STEPS_PER_HOUR = 4  # the account rounds hours up to the next quarter
_CENT = Decimal("0.01")
_ZERO = Decimal(0)
_SECONDS_PER_HOUR = 3600
_REMEMBERED = 100_000  # numbers; hours and rates are few, however many rows there are


@lru_cache(_REMEMBERED)
def exact(value: Any) -> Decimal:
    """Returns a number of a row as it is written, not as it is stored; null as 0."""
    return Decimal(str(value)) if value is not None else _ZERO


def plain(value: float, *, whole_as_float: bool = False) -> int | float:
    """Returns a number as Harvest may write it: a whole one sometimes as 8 and sometimes as 8.0."""
    if value == int(value):
        return float(value) if whole_as_float else int(value)
    return value


def cents(value: Decimal) -> float:
    """Returns hours or money rounded to two decimals, a half away from zero."""
    return float(value.quantize(_CENT, ROUND_HALF_UP)) + 0.0  # never -0.0


def rounded(hours: float) -> float:
    """Returns hours rounded by the account's setting."""
    steps = (exact(hours) * ROUNDING_STEPS_PER_HOUR).to_integral_value(ROUND_CEILING)
    return float(steps / ROUNDING_STEPS_PER_HOUR)


def running_hours(entry: Row, now: datetime) -> float:
    """Returns the hours of a running entry at a moment."""
    seconds = int((now - parse_stamp(entry["timer_started_at"])).total_seconds())
    return cents(exact(entry["hours_without_timer"]) + Decimal(max(seconds, 0)) / _SECONDS_PER_HOUR)


def totals(document: Row) -> Row:
    """Returns the computed amounts of an invoice or estimate: lines, less discount, plus both taxes."""
    lines: list[Row] = document["line_items"]
    subtotal = sum((exact(line["amount"]) for line in lines), _ZERO)
    share = 1 - exact(document["discount"]) / 100

    def tax(percent: Any, flag: str) -> float:
        base = sum((exact(line["amount"]) for line in lines if line[flag]), _ZERO)
        return cents(base * share * exact(percent) / 100)

    amounts = {
        "discount_amount": cents(subtotal * (1 - share)),
        "tax_amount": tax(document["tax"], "taxed"),
        "tax2_amount": tax(document["tax2"], "taxed2"),
    }
    discount, *taxes = (exact(amount) for amount in amounts.values())
    return {
        "amount": plain(
            cents(subtotal - discount + sum(taxes, _ZERO)), whole_as_float=len(lines) % 2 == 0
        ),
        **amounts,
    }
