"""The tables of one Harvest account in memory. A change here is a change of one row, from which nothing follows.

Rows look as the API delivers them. What the API does not deliver (whose payment a payment is) stands in `parents`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, MutableMapping
from copy import deepcopy
from datetime import datetime
from typing import Any

from harvest_sandbox.blanks import PARENTS, REPORTS, UNSTAMPED
from harvest_sandbox.clock import stamp, system_now
from harvest_sandbox.ids import Ids
from harvest_sandbox.money import plain, rounded, running_hours
from harvest_sandbox.nested import Copies
from harvest_sandbox.preferences import Preferences
from harvest_sandbox.rows import EntryRows, Row, peek
from harvest_sandbox.time_off import TimeOff


class Tables:
    """An account's rows, whose children they are, and the copies of them in other rows."""

    def __init__(
        self,
        account_id: int,
        name: str,
        company: Row,
        *,
        seed: int = 0,
        now: Callable[[], datetime] = system_now,
        preferences: Preferences | None = None,
    ) -> None:
        """Begins with empty tables.

        Args:
            account_id: the number that callers send as Harvest-Account-Id.
            name: the name in the list of accounts.
            company: the answer of /company.
            seed: where the ids begin.
            now: the account's clock.
            preferences: what no answer tells; the defaults where None.
        """
        self.id = account_id
        self.name = name
        self.company = company
        self.now = now
        self.preferences = preferences or Preferences()
        self.pto = TimeOff()
        self.lock = threading.RLock()
        self.rows: dict[str, MutableMapping[Any, Row]] = {report: {} for report in REPORTS}
        self.rows["time_entries"] = EntryRows()
        self.parents: dict[str, dict[Any, int]] = {report: {} for report in PARENTS}
        self.children: dict[str, dict[int, list[Any]]] = {report: {} for report in PARENTS}
        self.versions: dict[str, int] = dict.fromkeys(REPORTS, 0)
        self.copies = Copies(self.rows)
        self.ids = Ids(seed)
        # with the version of the table for which it holds: the rows of a list after filters; those of a table by their date
        self.selected: dict[Any, tuple[int, Any]] = {}
        self.ordered: dict[tuple[str, str], tuple[int, Any]] = {}

    def delivered(self, report: str) -> list[Row]:
        """Returns copies of all rows of a table as the API would deliver them now, timers running."""
        with self.lock:
            rows = self.rows[report]
            return [deepcopy(self.deliver(report, peek(rows, key))) for key in rows]

    def deliver(self, report: str, row: Row) -> Row:
        """Returns a row as the API delivers it at this moment: the hours of a running timer grow."""
        if report != "time_entries" or not row["is_running"]:
            return row
        hours = running_hours(row, self.now())
        return {**row, "hours": plain(hours), "rounded_hours": plain(rounded(hours))}

    def parent_of(self, report: str, key: Any) -> int:
        """Returns the id of the invoice, estimate or user that a child row hangs on."""
        return self.parents[report][key]

    def children_of(self, report: str, parent: int) -> list[Any]:
        """Returns the keys of the child rows of a parent, oldest first."""
        return list(self.children[report].get(parent, ()))

    def put(self, report: str, row: Row, parent: int | None = None) -> None:
        """Adds a finished row as it is; nothing else in the account changes."""
        key = (parent, row["id"]) if report == "teammates" else row["id"]
        self.copies.adopt(report, row)
        self.rows[report][key] = row
        self.versions[report] += 1
        if report in PARENTS and parent is not None:
            self.parents[report][key] = parent
            self.children[report].setdefault(parent, []).append(key)

    def drop(self, report: str, key: Any) -> None:
        """Removes one row; nothing else in the account changes."""
        del self.rows[report][key]
        self.versions[report] += 1

    def drop_children(self, report: str, parent: int) -> None:
        """Removes all child rows of a parent."""
        for key in self.children[report].pop(parent, ()):
            self.drop(report, key)
            del self.parents[report][key]

    def touch(self, report: str, key: Any, *, quiet: bool = False) -> None:
        """Notes that a row has changed: its `updated_at` moves, unless quiet, and so do the copies of it."""
        row = self.rows[report][key]
        if not quiet and report not in UNSTAMPED:
            row["updated_at"] = stamp(self.now())
        self.versions[report] += 1
        self.copies.refresh(report, row)
