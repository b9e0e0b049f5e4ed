"""Clocks: the real one and one that tests move by hand. Nothing else here reads the time."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

STAMP_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def system_now() -> datetime:
    """Returns the real time in UTC, whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


def stamp(moment: datetime) -> str:
    """Returns a moment as the API writes it: UTC, whole seconds, `Z`."""
    return moment.astimezone(UTC).strftime(STAMP_FORMAT)


def parse_stamp(text: str) -> datetime:
    """Returns the moment that an API timestamp names."""
    return datetime.strptime(text, STAMP_FORMAT).replace(tzinfo=UTC)


class Clock:
    """A clock that stands still until it is moved; call it for the time."""

    def __init__(self, start: datetime) -> None:
        """Begins at a moment.

        Args:
            start: Time zone aware; fractions of a second are dropped.
        """
        self._now = start.astimezone(UTC).replace(microsecond=0)
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        """Returns the present moment of this clock."""
        with self._lock:
            return self._now

    def advance(self, seconds: int = 1) -> datetime:
        """Moves on and returns the new moment."""
        with self._lock:
            self._now += timedelta(seconds=seconds)
            return self._now
