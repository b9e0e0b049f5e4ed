"""Gives values that were read back the types that their columns declare: some databases have no type for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from dlt.common.destination.dataset import DBApiCursor

SCALE = Decimal("0.000001")  # of every decimal column


def column_names(cursor: DBApiCursor) -> list[str]:
    """Returns the names of a result's columns; a cursor of SQLAlchemy has no description (dlt 1.31)."""
    keys = getattr(cursor.native_cursor, "keys", None)
    return list(keys()) if keys else [column[0] for column in cursor.description or ()]


def as_declared(value: Any, data_type: str | None) -> Any:
    """Returns a value in the type of its column.

    Args:
        value: as the driver gives it. SQLite has numbers of binary floating point, texts for dates and instants, and 0 and 1;
            MariaDB has instants without a zone, which are UTC, and 0 and 1.
        data_type: of the column, in dlt's words.
    """
    convert = CONVERSIONS.get(data_type or "")
    return value if value is None or convert is None else convert(value)


def _as_decimal(value: Any) -> Any:
    return Decimal(repr(value)).quantize(SCALE) if isinstance(value, float) else value


def _as_date(value: Any) -> Any:
    return date.fromisoformat(value[:10]) if isinstance(value, str) else value


def _as_instant(value: Any) -> Any:
    instant = datetime.fromisoformat(value) if isinstance(value, str) else value
    return (
        instant.replace(tzinfo=UTC)
        if isinstance(instant, datetime) and instant.tzinfo is None
        else instant
    )


CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {
    "bool": bool,
    "decimal": _as_decimal,
    "date": _as_date,
    "timestamp": _as_instant,
}
