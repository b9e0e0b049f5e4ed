"""Rounds exact numbers for the eye."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal

WIDE = Context(prec=60)  # digits: more than any column has


def rounded(value: Decimal, decimals: int) -> str:
    """Returns a number rounded half up to so many decimals, with commas between thousands; no zero has a sign."""
    short = value.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP, WIDE)
    return f"{short or abs(short):,f}"
