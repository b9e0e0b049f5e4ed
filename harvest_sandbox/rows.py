"""Rows in memory. Time entries are kept as tuples until somebody asks for one: a million of them fit that way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

Row = dict[str, Any]

# A packed entry is (template, status, *the values below). A template holds what entries of one user, project, task and
# rate share; a status holds what locked, billed and approved entries share. Neither is ever changed by an entry.
PACKED_FIELDS = (
    "spent_date",
    "hours",
    "rounded_hours",
    "notes",
    "created_at",
    "updated_at",
    "started_time",
    "ended_time",
    "external_reference",
    "invoice",
)
_POSITION = {name: number for number, name in enumerate(PACKED_FIELDS, start=2)} | {
    "hours_without_timer": 3
}
STATUS_FIELDS = frozenset(
    {"is_locked", "locked_reason", "is_closed", "approval_status", "is_billed"}
)
Packed = tuple[Any, ...]
Getter = Callable[[Any], Any]


def unpack(key: int, packed: Packed) -> Row:
    """Returns the row of a packed time entry."""
    row: Row = packed[0].copy()
    row["id"] = key
    row.update(packed[1])
    (
        row["spent_date"],
        row["hours"],
        row["rounded_hours"],
        row["notes"],
        row["created_at"],
        row["updated_at"],
        row["started_time"],
        row["ended_time"],
        row["external_reference"],
        row["invoice"],
    ) = packed[2:]
    row["hours_without_timer"] = row["hours"]
    return row


class EntryRows(MutableMapping[int, Row]):
    """Time entries by id; behaves like a dict of dicts."""

    def __init__(self) -> None:
        """Begins empty."""
        self._kept: dict[int, Row | Packed] = {}

    def pack(self, key: int, packed: Packed) -> None:
        """Adds an entry in its packed form."""
        self._kept[key] = packed

    def peek(self, key: int) -> Row:
        """Returns a row to read only; it stays packed."""
        kept = self._kept[key]
        return unpack(key, kept) if isinstance(kept, tuple) else kept

    def getter(self, field: str) -> Getter:
        """Returns what reads one field of a row by its id, without unpacking the row."""
        kept = self._kept
        position = _POSITION.get(field)
        if position is not None:
            return lambda key: row[position] if isinstance(row := kept[key], tuple) else row[field]
        if field == "id":
            return lambda key: key
        shared = 1 if field in STATUS_FIELDS else 0
        return lambda key: (
            row[shared].get(field) if isinstance(row := kept[key], tuple) else row.get(field)
        )

    def __getitem__(self, key: int) -> Row:
        """Returns a row that may be changed; it is unpacked for good."""
        kept = self._kept[key]
        if isinstance(kept, tuple):
            kept = self._kept[key] = unpack(key, kept)
        return kept

    def __setitem__(self, key: int, row: Row) -> None:
        """Puts a row in its place."""
        self._kept[key] = row

    def __delitem__(self, key: int) -> None:
        """Removes a row."""
        del self._kept[key]

    def __contains__(self, key: object) -> bool:
        """Tells whether the id exists."""
        return key in self._kept

    def __iter__(self) -> Iterator[int]:
        """Yields ids in the order of creation."""
        return iter(self._kept)

    def __len__(self) -> int:
        """Returns the number of entries."""
        return len(self._kept)


def peek(rows: MutableMapping[Any, Row], key: Any) -> Row:
    """Returns a row of any table to read only."""
    return rows.peek(key) if isinstance(rows, EntryRows) else rows[key]


def getter(rows: MutableMapping[Any, Row], field: str) -> Getter:
    """Returns what reads one field of a row of any table by its key: None where the field is missing."""
    return rows.getter(field) if isinstance(rows, EntryRows) else lambda key: rows[key].get(field)
