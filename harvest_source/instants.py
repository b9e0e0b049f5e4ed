"""Instants as the API writes and takes them: ISO 8601, UTC."""

from __future__ import annotations

from datetime import UTC, datetime


def parse_instant(text: str) -> datetime:
    """Reads a date or an instant in ISO 8601; what has no zone is UTC, as the API documents.

    Raises:
        ValueError: it is none, or one beyond the years that there are.
    """
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is UTC:
        return instant
    try:
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(str(error)) from error


def instant_in(value: object) -> datetime | None:
    """Returns the instant of a field such as `updated_at`, `None` where there is none or it cannot be read."""
    try:
        return parse_instant(value) if isinstance(value, str) else None
    except ValueError:
        return None


def format_instant(instant: datetime) -> str:
    """Returns an instant as the API writes and takes it: UTC, whole seconds, `Z`."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
