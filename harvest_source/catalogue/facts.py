"""What only some reports have: what tells of their changes, what goes with them, what they add up to."""

from __future__ import annotations

from typing import NamedTuple


class Holding(NamedTuple):
    """What a list inside a parent's row must hold: others have no children and answer with an error when asked."""

    list: str
    value: str
    status: int  # of that error


class Scout(NamedTuple):
    """A list whose changed rows name parents whose children may have changed without them (Harvest API, gotchas)."""

    report: str
    names: tuple[str, ...]  # where a row holds the id
    of_project: bool = False  # the id is a project's: its users are meant


class Owner(NamedTuple):
    """A row that takes rows of this report along when Harvest deletes it."""

    report: str
    column: str  # of this report: holds the owner's id


class Running(NamedTuple):
    """Rows that grow while `updated_at` stands still, so that they are read again in every run."""

    column: str  # says that a row does, and filters the list
    grows: frozenset[str]


class Sum(NamedTuple):
    """A sum that a report of Harvest shows, and the column it must equal."""

    column: str
    instead: str  # of rows that have no value there
    path: str
    field: str


class Settling(NamedTuple):
    """What the children of a row add up to; where they do not, one may be missing."""

    column: str  # of the child
    of_parent: str  # a column of the parent's row, or columns with minus between them
    but_state: str  # of a parent that need not add up
