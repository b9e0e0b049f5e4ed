"""The vocabulary in which every column of every report is declared.

Knows nothing of HTTP or of dlt resources. A report's columns are a tuple of `Column` and `NestedList`; nested objects
of the API stand flattened, with two underscores (`client__id`), as the tables have them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum


class Kind(Enum):
    """How a value is stored; the same in every destination."""

    ID = "id"  # bigint: ids and whole seconds or bytes that no one divides
    DECIMAL = "decimal"  # decimal(20, 6): hours, money, rates, quantities, percentages, budgets
    TEXT = "text"
    BOOL = "bool"
    DATE = "date"
    TIMESTAMP = "timestamp"  # with time zone, UTC


@dataclass(frozen=True)
class Column:
    """One column: its name in the table (flattened), its kind and what it means to a reader."""

    name: str
    kind: Kind
    description: str
    # it opens something without a login: it is not shown, nor kept of a deleted row
    secret: bool = False
    # the table that has, in the same account, the row with this id; that row may be gone, or not loaded
    refers_to: str = ""


@dataclass(frozen=True)
class NestedList:
    """A list inside a record, loaded as the dlt child table `<table>__<name>`.

    `columns` are those of one element. A list of plain values (`users.roles`) has the single column `value`.
    """

    name: str
    columns: tuple[Column, ...]
    description: str


Field = Column | NestedList


def under(prefix: str, *columns: Column) -> tuple[Column, ...]:
    """Returns the columns of a nested object, each name prefixed with `prefix` and two underscores."""
    return tuple(replace(column, name=f"{prefix}__{column.name}") for column in columns)
