"""What a report is: an endpoint of Harvest, the table it fills, and each fact that some room needs of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

from harvest_source.catalogue.access import ADMINISTRATORS, Access
from harvest_source.catalogue.columns.types import Column, Field, NestedList
from harvest_source.catalogue.facts import Holding, Owner, Running, Scout, Settling, Sum


class Paging(Enum):
    """How an endpoint hands out its rows (Harvest API, pagination)."""

    CURSOR = "cursor"  # keyset on id: rows do not shift while it is read
    PAGE = "page"  # by number over an editable date: rows may shift while it is read
    NONE = "none"  # one bare object


class Spans(Enum):
    """Which days the rows of one of Harvest's own reports sum up."""

    PERIODS = "periods"  # a month, a week or a year each, as the setting `report_period` says
    YEARS = "years"  # always a calendar year each
    PRESENT = "present"  # what is so now, whole in one request


Key = tuple[Any, ...]
"""What tells a row of a report from the others of its account, or, with the account in front, from all."""


Row = dict[str, Any]
"""One row of a table, by column."""


NESTED = "__"  # between the names of an object and of a field in it


class AccountReport(NamedTuple):
    """One report of one account: what is read, loaded and compared."""

    account_id: int
    report: str


@dataclass(frozen=True)
class Parent:
    """Whose id stands in a child's path, and in which column it is kept."""

    report: str  # the parent's report
    # the column of the child that keeps the parent's id; None: the record itself holds it
    column: str | None
    moves_parent: bool  # whether a change of the child is known to move the parent's `updated_at`
    only: Holding | None = None  # which parents have children, where not all may have some

    @property
    def singular(self) -> str:
        """Returns what one of the parents is called."""
        return self.report.removesuffix("s")

    def may_have_children(self, record: Mapping[str, Any]) -> bool:
        """Returns whether a parent is worth a request."""
        held = record.get(self.only.list) if self.only else None
        return self.only is None or (isinstance(held, list) and self.only.value in held)


@dataclass(frozen=True)
class Report:
    """One report: an endpoint and the table it fills."""

    name: str  # of the report, the resource and the table
    domo: str | None  # its name in Domo's connector; None beyond Domo
    path: str  # below the API address; a child's path has {parent_id}
    rows_key: str | None  # under which a page holds its rows; None: the answer is the row
    paging: Paging
    takes_updated_since: bool
    key: tuple[str, ...]  # beside account_id
    fields: tuple[Field, ...]
    row: str  # what one row is
    cannot_notice: str = ""  # what its load cannot see by itself
    parent: Parent | None = None
    date_column: str | None = None  # the date that from/to select, where the list takes them
    from_start_date: bool = False  # whether the setting start_date holds for it
    arrow: bool = False  # loaded as Arrow tables: flat and large
    module: str | None = None  # the company flag that switches it on
    # the list that is refused where the account lacks the module, which no flag tells; shapes of its reports are not documented
    module_list: str | None = None
    # the column with the year of a row, where the list may begin with this year: rows of years before stay
    year_column: str | None = None
    access: Access = ADMINISTRATORS  # who may read what of it
    # the same rows for one project, by request (setting assignments = "project")
    project_path: str | None = None
    answer_has: tuple[str, ...] = ()  # of one bare object: by which it is told from another answer
    by_id: bool = False  # whether one row can be asked for, at `<path>/<id>`
    scouts: tuple[Scout, ...] = ()
    owners: tuple[Owner, ...] = ()  # beside the parent
    running: Running | None = None
    sum_at_harvest: Sum | None = None
    settling: Settling | None = None
    spans: Spans | None = None  # of a report of Harvest's own; None: a list

    @property
    def only_when_named(self) -> bool:
        """Returns whether a run leaves it out that names no reports: it may take hundreds of requests, and few are allowed."""
        return self.spans in {Spans.PERIODS, Spans.YEARS}

    @property
    def replaced_by(self) -> tuple[str, ...]:
        """Returns the columns by which rows of Harvest's own reports are replaced together: account and span."""
        return ("account_id",) if self.spans is Spans.PRESENT else ("account_id", *self.key[:2])

    @property
    def columns(self) -> tuple[Column, ...]:
        """Returns the columns of the report's own table."""
        return tuple(field for field in self.fields if isinstance(field, Column))

    @property
    def lists(self) -> tuple[NestedList, ...]:
        """Returns the lists inside a row, which become child tables."""
        return tuple(field for field in self.fields if isinstance(field, NestedList))

    @property
    def holds(self) -> tuple[str, ...]:
        """Returns the fields by which the API's answer is told from another."""
        return (self.rows_key,) if self.rows_key else self.answer_has

    @property
    def all_owners(self) -> tuple[Owner, ...]:
        """Returns the rows that take rows of this report along when Harvest deletes them: the parent, and others."""
        parent = (
            [Owner(self.parent.report, self.parent.column)]
            if self.parent and self.parent.column
            else []
        )
        return (*parent, *self.owners)

    @property
    def whole_key(self) -> tuple[str, ...]:
        """Returns the columns that tell a row from all others of the table: the account comes first."""
        return ("account_id", *self.key)

    def key_of(self, row: Mapping[str, Any]) -> Key:
        """Returns the key of a row beside its account."""
        return tuple(row[name] for name in self.key)

    def whole_key_of(self, row: Mapping[str, Any]) -> Key:
        """Returns the key of a row with its account in front."""
        return tuple(row[name] for name in self.whole_key)

    @property
    def id_column(self) -> str | None:
        """Returns the column by which the lists in a row name it; `None` where no single one tells it: lists stay text."""
        if not self.key or "id" in self.key:
            return "id"
        return self.key[0] if len(self.key) == 1 else None

    def is_record(self, found: Mapping[str, Any]) -> bool:
        """Returns whether an object of an answer is one record, told by what it has."""
        own = self.answer_has or tuple(name for name in self.key if name != self.linked_by)
        return all(value_at(found, name) is not None for name in own)

    @property
    def linked_by(self) -> str | None:
        """Returns the column of its own that keeps the parent's id, which is not part of the record."""
        return self.parent.column if self.parent else None

    @property
    def parent_column(self) -> str:
        """Returns the column of a child with the parent's id: its own, or that of the record."""
        above = self.parent.report if self.parent else None
        return next(owner.column for owner in self.all_owners if owner.report == above)


def parent_id_column(report: Report) -> str:
    """Returns the column in which a report's child tables keep its id: `invoice_id` in `invoices__line_items`.

    Of a report without ids it is the column of the row that tells it from others.
    """
    own = report.id_column or "id"
    return f"{report.name.removesuffix('s')}_id" if own == "id" else own


def value_at(record: Mapping[str, Any], column: str) -> Any:
    """Returns what a record of the API has for a column: `user__id` stands in its object `user`; `None` where it is missing."""
    found: Any = record.get(column)
    if found is None and NESTED in column:
        outer, _, inner = column.partition(NESTED)
        within = record.get(outer)
        found = value_at(within, inner) if isinstance(within, Mapping) else None
    return found
