"""One Harvest account in memory: its tables, and how they change.

What follows from a change elsewhere in the account is in `effects.py`.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from harvest_sandbox import effects
from harvest_sandbox.blanks import PARENTS, UNSTAMPED, blank
from harvest_sandbox.clock import stamp
from harvest_sandbox.links import link_new
from harvest_sandbox.nested import FIELDS
from harvest_sandbox.rows import Row
from harvest_sandbox.tables import Tables


class Account(Tables):
    """An account; safe to change from one thread while others are served from it.

    Change it through `insert`, `update` and `delete`: they keep timestamps, amounts and copies right.
    """

    def insert(
        self, report: str, row: Row | None = None, *, parent: int | None = None, **changes: Any
    ) -> Row:
        """Adds a row and does what follows from it.

        A missing field gets its default; a missing link (client, project, user ...) an active row of the account.

        Args:
            report: the table.
            row: some or all fields. If its id exists already it is taken as a pattern: id and timestamps are new.
            parent: the parent's id for payments, messages, rates and teammates.
            **changes: fields, over those of `row`; `client_id=1` stands for the nested object.

        Returns:
            The new row itself.
        """
        with self.lock:
            given = deepcopy(row or {})
            if given.get("id") in self.rows[report]:
                given = {
                    name: value
                    for name, value in given.items()
                    if name not in {"id", "created_at", "updated_at"}
                }
            fresh = blank(report) | given
            parent = self._take_parent(report, changes) if parent is None else parent
            fresh |= self._resolve(report, changes)
            now = stamp(self.now())
            if report not in UNSTAMPED:
                fresh.setdefault("created_at", now)
                fresh.setdefault("updated_at", fresh["created_at"])
            parent = link_new(self, report, fresh, parent)
            if "id" not in fresh:
                fresh["id"] = self.ids.next(report)
            fresh = {"id": fresh.pop("id"), **fresh}
            self.put(report, fresh, parent)
            effects.after_insert(self, report, fresh, set(given) | set(changes))
            return fresh

    def update(self, report: str, key: Any, *, quiet: bool = False, **changes: Any) -> Row:
        """Changes a row and does what follows from it.

        Args:
            report: the table.
            key: the row's id; (user id, id) for teammates.
            quiet: leave `updated_at` where it is, also of the rows that change along.
            **changes: the new values; `client_id=1` stands for the nested object.

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
        """Removes a row and what goes with it.

        Args:
            report: the table.
            key: the row's id; (user id, id) for teammates.
            quiet: leave `updated_at` of the rows that change along.
        """
        with self.lock:
            effects.delete(self, report, key, quiet=quiet)

    def may_delete(self, report: str, key: Any) -> bool:
        """Tells whether Harvest would let a person delete this row; `delete` itself asks nobody."""
        with self.lock:
            return effects.may_delete(self, report, key)

    def _take_parent(self, report: str, changes: dict[str, Any]) -> int | None:
        parent_report = PARENTS.get(report)
        found: int | None = changes.pop(f"{parent_report[:-1]}_id", None) if parent_report else None
        return found

    def _resolve(self, report: str, changes: dict[str, Any]) -> Row:
        """Turns `client_id=1` into the nested client."""
        links = FIELDS.get(report, {})
        return {
            name.removesuffix("_id") if name.removesuffix("_id") in links else name: (
                self.copies.get(links[name.removesuffix("_id")], value)
                if name.endswith("_id") and name.removesuffix("_id") in links and value is not None
                else value
            )
            for name, value in changes.items()
        }
