"""How long an answer takes: a time for each request, and more the more rows it holds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Delay:
    """Seconds before an answer goes out; requests that come at once wait side by side."""

    seconds: float = 0.0
    seconds_per_1000_rows: float = 0.0

    def seconds_for(self, rows: int) -> float:
        """Returns how long an answer with so many rows takes."""
        return self.seconds + self.seconds_per_1000_rows * rows / 1000
