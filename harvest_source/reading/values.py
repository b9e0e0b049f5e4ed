"""Turns one JSON value into the value of a column's kind, or says that it does not fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Any

from harvest_source.catalogue.columns.types import Kind
from harvest_source.instants import parse_instant

SCALE = Decimal("0.000001")
LARGEST = Decimal(10) ** 14  # decimal(20, 6) keeps 14 digits before the point
WIDEST_ID = 2**63
_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)


class Unfit(Exception):  # noqa: N818 - tells the caller to keep the value elsewhere; nobody else sees it
    """A value cannot be stored as its column's kind."""


class Rounded(Decimal):
    """A decimal that had more than six digits after the point."""


def to_id(value: Any) -> int:
    """Returns a whole number of 64 bits; accepts digits in a text and fractions that are zero."""
    if isinstance(value, bool):
        raise Unfit
    if not isinstance(value, int):
        number = _number(value)
        if (
            not number.is_finite()
            or number.copy_abs() > WIDEST_ID
            or number != number.to_integral_value()
        ):
            raise Unfit  # before it is a whole number, of which 1e999999999 would fill the memory
        value = int(number)
    if not -WIDEST_ID <= value < WIDEST_ID:
        raise Unfit
    return int(value)


def to_decimal(value: Any) -> Decimal:
    """Returns the value with six digits after the point, rounded half-even; a `Rounded` where digits were lost."""
    if isinstance(value, bool):
        raise Unfit
    number = _number(value)
    if not number.is_finite() or number.copy_abs() >= LARGEST:
        raise Unfit
    quantized = number.quantize(SCALE, context=_EXACT)
    return quantized if quantized == number else Rounded(quantized)


def _number(value: Any) -> Decimal:
    if isinstance(value, Decimal):
        return value
    if isinstance(value, (int, str)):
        try:
            return Decimal(value.strip() if isinstance(value, str) else value)
        except InvalidOperation:
            raise Unfit from None
    raise Unfit


def to_text(value: Any) -> str:
    """Returns a text as it is, anything else as JSON."""
    return value if isinstance(value, str) else to_json(value)


def to_json(value: Any) -> str:
    """Returns a value as JSON: decimals as numbers where those keep all digits, else as text, as dates are."""
    return json.dumps(value, ensure_ascii=False, default=_json_default)


def _json_default(value: Any) -> float | str:
    if isinstance(value, Decimal) and Decimal(repr(float(value))) == value:
        return float(value)
    return str(value)


def to_bool(value: Any) -> bool:
    """Returns a boolean; accepts the words true and false."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in {"true", "false"}:
        return value.strip().lower() == "true"
    raise Unfit


def to_date(value: Any) -> date | None:
    """Returns a day; an empty text is no day."""
    if value == "":
        return None
    if not isinstance(value, str):
        raise Unfit
    try:
        return date.fromisoformat(value[:10] if value[10:].startswith("T00:00:00") else value)
    except ValueError:
        raise Unfit from None


def to_timestamp(value: Any) -> datetime | None:
    """Returns an instant in UTC; an empty text is none, a text without a zone is UTC (as the API documents)."""
    if value == "":
        return None
    if not isinstance(value, str):
        raise Unfit
    try:
        return parse_instant(value)
    except ValueError:
        raise Unfit from None


CONVERTERS: dict[Kind, Callable[[Any], Any]] = {
    Kind.ID: to_id,
    Kind.DECIMAL: to_decimal,
    Kind.TEXT: to_text,
    Kind.BOOL: to_bool,
    Kind.DATE: to_date,
    Kind.TIMESTAMP: to_timestamp,
}


def kind_of_undocumented(name: str, value: Any) -> Kind:
    """Returns the kind in which a field that nobody documented is kept, from its name and first value.

    Numbers are decimals, since 8 today may be 7.5 tomorrow; only ids are whole for ever. Dates stay text.
    """
    if isinstance(value, bool):
        return Kind.BOOL
    if isinstance(value, int) and (name == "id" or name.endswith("_id")):
        return Kind.ID
    if isinstance(value, (int, Decimal)):
        return Kind.DECIMAL
    return Kind.TEXT
