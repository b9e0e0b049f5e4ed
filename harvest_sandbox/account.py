"""One Harvest account in memory: its tables, and how they change.

Rows look as the API delivers them. What the API does not deliver (whose payment a payment is) stands in `parents`.
What follows from a change elsewhere in the account is in `effects.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, MutableMapping
from copy import deepcopy
from datetime import datetime
from typing import Any

from harvest_sandbox import effects
from harvest_sandbox.blanks import PARENTS, REPORTS, UNSTAMPED, blank
from harvest_sandbox.clock import stamp, system_now
from harvest_sandbox.ids import Ids
from harvest_sandbox.money import plain, rounded, running_hours
from harvest_sandbox.nested import FIELDS, Copies
from harvest_sandbox.rows import EntryRows, Row, peek


class Account:
    """An account; safe to change from one thread while others are served from it.

    Change it through `insert`, `update` and `delete`: they keep timestamps, amounts and copies right.
    """

    def __init__(
        self, account_id: int, name: str, company: Row, *, seed: int = 0, now: Callable[[], datetime] = system_now
    ) -> None:
        """Begin with empty tables.

        Args:
            account_id: The number that callers send as Harvest-Account-Id.
            name: The name in the list of accounts.
            company: The answer of /company.
            seed: Where the ids begin.
            now: The account's clock.
        """
        self.id = account_id
        self.name = name
        self.company = company
        self.now = now
        self.lock = threading.RLock()
        self.rows: dict[str, MutableMapping[Any, Row]] = {report: {} for report in REPORTS}
        self.rows["time_entries"] = EntryRows()
        self.parents: dict[str, dict[Any, int]] = {report: {} for report in PARENTS}
        self.children: dict[str, dict[int, list[Any]]] = {report: {} for report in PARENTS}
        self.versions: dict[str, int] = dict.fromkeys(REPORTS, 0)
        self.copies = Copies(self.rows)
        self.ids = Ids(seed)
        self.cache: dict[Any, tuple[int, Any]] = {}

    def insert(self, report: str, row: Row | None = None, *, parent: int | None = None, **changes: Any) -> Row:
        """Add a row and do what follows from it.

        A missing field gets its default; a missing link (client, project, user ...) an active row of the account.

        Args:
            report: The table.
            row: Some or all fields. If its id exists already it is taken as a pattern: id and timestamps are new.
            parent: The parent's id for payments, messages, rates and teammates.
            **changes: Fields, over those of `row`; `client_id=1` stands for the nested object.

        Returns:
            The new row itself.
        """
        with self.lock:
            given = deepcopy(row or {})
            if given.get("id") in self.rows[report]:
                given = {name: value for name, value in given.items() if name not in {"id", "created_at", "updated_at"}}
            fresh = blank(report) | given
            parent = self._take_parent(report, changes) if parent is None else parent
            fresh |= self._resolve(report, changes)
            now = stamp(self.now())
            if report not in UNSTAMPED:
                fresh.setdefault("created_at", now)
                fresh.setdefault("updated_at", fresh["created_at"])
            parent = effects.link_new(self, report, fresh, parent)
            if "id" not in fresh:
                fresh["id"] = self.ids.next(report)
            fresh = {"id": fresh.pop("id"), **fresh}
            self.put(report, fresh, parent)
            effects.after_insert(self, report, fresh, set(given) | set(changes))
            return fresh

    def update(self, report: str, key: Any, *, quiet: bool = False, **changes: Any) -> Row:
        """Change a row and do what follows from it.

        Args:
            report: The table.
            key: The row's id; (user id, id) for teammates.
            quiet: Leave `updated_at` where it is, also of the rows that change along.
            **changes: The new values; `client_id=1` stands for the nested object.

        Returns:
            The row itself.
        """
        with self.lock:
            row = self.rows[report][key]
            before = dict(row)
            row.update(self._resolve(report, changes))
            effects.after_update(self, report, key, before, set(changes), quiet=quiet)
            self.copies.adopt(report, row)
            self.touch(report, key, quiet=quiet or "updated_at" in changes)
            return row

    def delete(self, report: str, key: Any, *, quiet: bool = False) -> None:
        """Remove a row and what goes with it.

        Args:
            report: The table.
            key: The row's id; (user id, id) for teammates.
            quiet: Leave `updated_at` of the rows that change along.
        """
        with self.lock:
            row = self.rows[report][key]
            effects.before_delete(self, report, key, quiet=quiet)
            self.drop(report, key)
            effects.after_delete(self, report, row, quiet=quiet)
            parent = self.parents[report].pop(key, None) if report in PARENTS else None
            if parent is not None and key in self.children[report].get(parent, ()):
                self.children[report][parent].remove(key)
                effects.child_gone(self, report, parent, quiet=quiet)

    def may_delete(self, report: str, key: Any) -> bool:
        """Tell whether Harvest would let a person delete this row; `delete` itself asks nobody."""
        with self.lock:
            return effects.may_delete(self, report, key)

    def delivered(self, report: str) -> list[Row]:
        """Return copies of all rows of a table as the API would deliver them now, timers running."""
        with self.lock:
            rows = self.rows[report]
            return [deepcopy(self.deliver(report, peek(rows, key))) for key in rows]

    def deliver(self, report: str, row: Row) -> Row:
        """Return a row as the API delivers it at this moment: the hours of a running timer grow."""
        if report != "time_entries" or not row["is_running"]:
            return row
        hours = running_hours(row, self.now())
        return {**row, "hours": plain(hours), "rounded_hours": plain(rounded(hours))}

    def parent_of(self, report: str, key: Any) -> int:
        """Return the id of the invoice, estimate or user that a child row hangs on."""
        return self.parents[report][key]

    def children_of(self, report: str, parent: int) -> list[Any]:
        """Return the keys of the child rows of a parent, oldest first."""
        return list(self.children[report].get(parent, ()))

    def put(self, report: str, row: Row, parent: int | None = None) -> None:
        """Add a finished row as it is; nothing else in the account changes."""
        key = (parent, row["id"]) if report == "teammates" else row["id"]
        self.copies.adopt(report, row)
        self.rows[report][key] = row
        self.versions[report] += 1
        if report in PARENTS and parent is not None:
            self.parents[report][key] = parent
            self.children[report].setdefault(parent, []).append(key)

    def drop(self, report: str, key: Any) -> None:
        """Remove one row; nothing else in the account changes."""
        del self.rows[report][key]
        self.versions[report] += 1

    def drop_children(self, report: str, parent: int) -> None:
        """Remove all child rows of a parent."""
        for key in self.children[report].pop(parent, ()):
            self.drop(report, key)
            del self.parents[report][key]

    def touch(self, report: str, key: Any, *, quiet: bool = False) -> None:
        """Note that a row has changed: its `updated_at` moves, unless quiet, and so do the copies of it."""
        row = self.rows[report][key]
        if not quiet and report not in UNSTAMPED:
            row["updated_at"] = stamp(self.now())
        self.versions[report] += 1
        self.copies.refresh(report, row)

    def _take_parent(self, report: str, changes: dict[str, Any]) -> int | None:
        parent_report = PARENTS.get(report)
        found: int | None = changes.pop(f"{parent_report[:-1]}_id", None) if parent_report else None
        return found

    def _resolve(self, report: str, changes: dict[str, Any]) -> Row:
        """Turn `client_id=1` into the nested client."""
        links = FIELDS.get(report, {})
        return {
            name.removesuffix("_id") if name.removesuffix("_id") in links else name: (
                self.copies.get(links[name.removesuffix("_id")], value)
                if name.endswith("_id") and name.removesuffix("_id") in links and value is not None
                else value
            )
            for name, value in changes.items()
        }
