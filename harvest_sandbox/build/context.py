"""What the builders of the tables share: the account, one random generator, the calendar."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

from harvest_sandbox.account import Account
from harvest_sandbox.blanks import blank
from harvest_sandbox.rows import Row
from harvest_sandbox.sizes import Size


class Context:
    """One account under construction."""

    def __init__(self, account: Account, size: Size, seed: int, today: date) -> None:
        """Prepares the calendar.

        Args:
            account: Still empty.
            size: how much to build.
            seed: Of the random generator.
            today: the account's last day.
        """
        self.account = account
        self.size = size
        self.today = today
        self.random = random.Random(f"harvest {seed}")
        self.start = today - timedelta(days=size.days)
        span = (self.start + timedelta(days=number) for number in range(size.days))
        self.days = [day for day in span if day.weekday() < 5]
        self._even = False

    def rows(self, report: str) -> list[Row]:
        """Returns the rows of a table built so far, oldest first."""
        return list(self.account.rows[report].values())

    def add(
        self,
        report: str,
        created: str,
        *,
        parent: int | None = None,
        updated: str | None = None,
        **fields: Any,
    ) -> Row:
        """Adds a row.

        Args:
            report: the table.
            created: its `created_at`.
            parent: the parent's id of a child row.
            updated: its `updated_at`, else the same.
            **fields: what differs from a blank row.
        """
        row: Row = {"id": self.account.ids.next(report)} | blank(report) | fields
        row["created_at"], row["updated_at"] = created, updated or created
        self.account.put(report, row, parent)
        return row

    def number(self, value: float) -> int | float:
        """Returns a number, a whole one by turns as 8 and as 8.0."""
        self._even = not self._even
        if value != int(value):
            return value
        return int(value) if self._even else float(value)

    def at(self, day: date, hour: int = 9) -> str:
        """Returns a moment of a day as a timestamp."""
        return f"{day.isoformat()}T{hour:02}:{int(self.random.random() * 60):02}:{int(self.random.random() * 60):02}Z"

    def day(self, fraction: float) -> date:
        """Returns the working day at a fraction of the span."""
        return self.days[min(int(fraction * len(self.days)), len(self.days) - 1)]

    def before(self, days: int) -> date:
        """Returns the day so many days before today."""
        return self.today - timedelta(days=days)

    def key(self) -> str:
        """Returns forty random hexadecimal digits."""
        return f"{self.random.getrandbits(160):040x}"
