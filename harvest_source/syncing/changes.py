"""Tells new, changed and equal rows apart, so that a row read again and equal is not loaded again.

A row whose key stands twice in the destination counts as changed: loading it leaves one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from harvest_source.reports.catalogue import Report
from harvest_source.reports.hints import DELETED_AT
from harvest_source.reports.shape import Row
from harvest_source.syncing.warehouse import Warehouse

Where = tuple[int, str]
GROWING = {"hours", "rounded_hours"}  # of a running timer, without a change time (Harvest API, gotchas)


@dataclass
class Tally:
    """What a run found of one report and account."""

    new: int = 0
    changed: int = 0
    grown: int = 0  # of the changed ones: timers that went on running
    read: int = 0


@dataclass
class ChangeFilter:
    """Compares rows that are about to be loaded with those of the destination."""

    warehouse: Warehouse
    tallies: dict[Where, Tally] = field(default_factory=dict)  # added to
    _empty: dict[Where, bool] = field(default_factory=dict)

    def __call__(self, report: Report, account_id: int, rows: list[Row]) -> list[Row]:
        """Returns the rows that are new or differ; counts them."""
        where = account_id, report.name
        tally = self.tallies.setdefault(where, Tally())
        tally.read += len(rows)
        if where not in self._empty:
            self._empty[where] = not self.warehouse.count(report.name, account_id)
        if self._empty[where]:
            tally.new += len(rows)
            return rows
        found = self._present(report, account_id, rows)
        present = {_key(report, row): row for row in found}
        times = Counter(_key(report, row) for row in found)
        new = [row for row in rows if _key(report, row) not in present]
        changed = [
            row for row in rows if (key := _key(report, row)) in present and (times[key] > 1 or differs(row, present[key]))
        ]
        tally.new += len(new)
        tally.changed += len(changed)
        tally.grown += sum(times[key] == 1 and _has_grown(row, present[key]) for row in changed for key in [_key(report, row)])
        return new + changed

    def _present(self, report: Report, account_id: int, rows: list[Row]) -> list[Row]:
        """Returns the destination's rows with the keys of those given, with their lists."""
        if not report.key:
            found = self.warehouse.all_rows(report.name, account_id)
        else:
            id_column = report.key[0]
            found = self.warehouse.rows_by_id(report.name, account_id, id_column, (row[id_column] for row in rows))
        names = sorted({name for row in rows for name, value in row.items() if isinstance(value, list)})
        lists = self.warehouse.lists_of(report, names, account_id, (row.get("id") for row in rows))
        for row in found:
            elements = {name: each.get(row.get("id"), []) for name, each in lists.items()}
            row.update({name: each for name, each in elements.items() if row.get(name) is None})
        return found


def _key(report: Report, row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in report.key)


def differs(row: Row, present: Row) -> bool:
    """Returns whether a column of the API differs; a row marked as deleted that is back differs, too."""
    return present.get(DELETED_AT) is not None or any(_differing(row, present))


def _differing(row: Row, present: Row) -> Iterator[str]:
    names = {name for name in row.keys() | present.keys() if not name.startswith("_dlt") and name != DELETED_AT}
    return (name for name in names if _value_differs(row.get(name), present.get(name)))


def _has_grown(row: Row, present: Row) -> bool:
    """Returns whether all that differs is what grows while a timer runs."""
    return bool(row.get("is_running") and present.get(DELETED_AT) is None and {*_differing(row, present)} <= GROWING)


def _value_differs(value: Any, present: Any) -> bool:
    if isinstance(value, list) or isinstance(present, list):
        elements, others = value or [], present or []
        return len(elements) != len(others) or any(differs(new, old) for new, old in zip(elements, others, strict=True))
    return bool(value != present)
