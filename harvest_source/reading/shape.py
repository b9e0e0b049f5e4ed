"""Turns the API's records into rows: flattened, every value of its column's kind, nothing left out.

One path for all reports, whether their rows go on as dicts or as Arrow tables. A field that nobody documented becomes a
column of its own. A value that does not fit its column is kept as text in `<column>__text`, and noted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dlt.common.normalizers.naming.snake_case import NamingConvention

from harvest_source.catalogue.columns.types import Column, Kind, NestedList
from harvest_source.catalogue.report import Report, Row, parent_id_column, value_at
from harvest_source.dlt_corners import OF_DLT
from harvest_source.errors import RefusedError
from harvest_source.reading.values import CONVERTERS, Rounded, Unfit, kind_of_undocumented, to_json

MISFIT_SUFFIX = "__text"
MOST_NEW_COLUMNS = 200  # of a report and run, lists that get a table of their own among them
# of a report and run, those of fields that hold null or an empty object among them
MOST_NEW_NAMES = 2000
# of this product: a field of that name at Harvest gets a suffix
OWN_COLUMNS = frozenset({"account_id", "deleted_at"})
OWN_SUFFIX = "__harvest"
UNNAMED = "unnamed"  # a field whose name is empty
HARVEST = "harvest"  # a word in front of a field that is called like a column of dlt
# of a column, so that it is called the same in every destination; Postgres takes 63
LONGEST_NAME = 50
AS_IT_IS: dict[Kind, type] = {Kind.TEXT: str, Kind.BOOL: bool}
_naming = NamingConvention()


@dataclass
class Notes:
    """What a person should be told about the data, once per column."""

    new_fields: set[str] = field(default_factory=set)  # table.column
    misfits: set[str] = field(default_factory=set)
    rounded: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)  # of a user's own
    _made: defaultdict[str, set[str]] = field(
        default_factory=lambda: defaultdict(set)
    )  # report: columns and lists new in this run
    # report: names new in this run
    _met: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def count_new(self, report: str, place: str) -> None:
        """Counts a new column, or a list that gets a table of its own.

        Raises:
            RefusedError: it is one more than a report may bring in one run.
        """
        self._count(self._made[report], place, report, MOST_NEW_COLUMNS)

    def count_name(self, report: str, place: str) -> None:
        """Counts the name of a field that has no column, and gets none while it holds nothing.

        Raises:
            RefusedError: it is one more than a report may bring in one run.
        """
        self._count(self._met[report], place, report, MOST_NEW_NAMES)

    @staticmethod
    def _count(counted: set[str], place: str, report: str, most: int) -> None:
        counted.add(place)
        if len(counted) > most:
            raise RefusedError(
                f"Harvest sent more than {most:,} fields of {report} that nobody documented: its rows are not loaded"
            )

    def forget(self, report: str) -> None:
        """Takes back what was noted of a report, of which nothing is loaded."""
        for noted in (self.new_fields, self.misfits, self.rounded):
            noted -= {each for each in noted if each.partition(".")[0].partition("__")[0] == report}


class TableShape:
    """The columns of one table, documented and met so far, and how their values are converted."""

    def __init__(
        self, table: str, columns: tuple[Column, ...], known: Mapping[str, Kind], notes: Notes
    ) -> None:
        """Starts with the documented columns and those of earlier runs.

        Args:
            table: its name, for the notes.
            columns: the documented ones.
            known: kinds of further columns that the table has from earlier runs.
            notes: where new fields, misfits and roundings are noted.
        """
        self.table = table
        self.report = table.partition("__")[0]
        # undocumented columns met in this run, those of earlier runs too
        self.added: dict[str, Kind] = {}
        self._notes = notes
        self._known = dict(known)
        self._converters: dict[str, Callable[[Any], Any]] = {
            column.name: CONVERTERS[column.kind] for column in columns
        }
        # documented objects: a value of another kind, met before, does not change what they are
        self.objects = {
            column.name[:place]
            for column in columns
            for place in range(len(column.name))
            if column.name.startswith("__", place)
        }
        # column: type that needs no look
        self.as_it_is = {column.name: AS_IT_IS.get(column.kind) for column in columns}

    def has(self, column: str) -> bool:
        """Returns whether this is a plain column, documented or met before."""
        return column in self._converters

    def knows(self, column: str) -> bool:
        """Returns whether the table has this plain column, of earlier runs too."""
        return column in self._converters or column in self._known

    def convert(self, row: Row, column: str, value: Any) -> None:
        """Sets `row[column]` to the value in the column's kind."""
        if value is None:
            # a null that nobody documented says nothing: it may be an absent object
            if column in self._converters:
                row.setdefault(column, None)
            return
        converter = self._converters.get(column) or self._add(column, value)
        try:
            converted = converter(value)
        except Unfit:
            row.setdefault(column, None)
            self._keep_misfit(row, column, value)
            return
        if type(converted) is Rounded:
            self._notes.rounded.add(f"{self.table}.{column}")
        row[column] = converted

    def _add(self, column: str, value: Any) -> Callable[[Any], Any]:
        kind = self._known.get(column)
        if kind is None:
            self._notes.count_new(self.report, f"{self.table}.{column}")
            kind = kind_of_undocumented(column, value)
            self._notes.new_fields.add(f"{self.table}.{column}")
        self.added[column] = kind
        self._converters[column] = CONVERTERS[kind]
        return self._converters[column]

    def _keep_misfit(self, row: Row, column: str, value: Any) -> None:
        self._notes.misfits.add(f"{self.table}.{column}")
        name = column + MISFIT_SUFFIX
        if name not in self._known:
            self._notes.count_new(self.report, f"{self.table}.{name}")
        self.added[name] = Kind.TEXT
        self._converters[name] = CONVERTERS[Kind.TEXT]
        row[name] = value if isinstance(value, str) else to_json(value)


KnownKinds = Callable[[str], Mapping[str, Kind]]
"""Gives the columns that a table has from earlier runs, with their kinds."""


class Shaper:
    """Turns records of one report into rows."""

    def __init__(self, report: Report, known: KnownKinds, notes: Notes) -> None:
        self.report = report
        self.root = TableShape(report.name, report.columns, known(report.name), notes)
        self.lists: dict[str, TableShape] = {}
        self._known = known
        self._notes = notes
        self._names: dict[str, dict[str, str]] = {}  # prefix: key of the API: column
        self._declared_lists = {nested.name: nested for nested in report.lists}
        for nested in report.lists:
            self._list_shape(nested.name, nested)

    def shape(self, record: Row, account_id: int, parent_id: int | None = None) -> Row:
        """Returns the row of one record.

        Args:
            record: as the API sent it, fractions as Decimal.
            account_id: whose record.
            parent_id: of a child's parent, which the API does not repeat in the record.
        """
        row: Row = {"account_id": account_id}
        self._flatten(
            self.root, row, "", record, self._parent_ids(account_id, self._id_of(record, parent_id))
        )
        if self.report.linked_by and parent_id is not None:
            row[self.report.linked_by] = parent_id
        return row

    @property
    def added(self) -> dict[str, dict[str, Kind]]:
        """Returns the undocumented columns met: list ("" for the rows themselves): column: kind."""
        return {
            "": dict(self.root.added),
            **{name: dict(shape.added) for name, shape in self.lists.items()},
        }

    def _id_of(self, record: Row, parent_id: int | None) -> Any:
        """Returns what the lists in a record name it by."""
        column = self.report.id_column
        if column is None or column == self.report.linked_by:
            return parent_id
        found = value_at(record, column)
        return parent_id if found is None else found

    def _parent_ids(self, account_id: int, record_id: Any) -> Row:
        return {"account_id": account_id, parent_id_column(self.report): record_id}

    def _flatten(self, table: TableShape, row: Row, prefix: str, record: Row, parents: Row) -> None:
        names = self._names.setdefault(prefix, {})
        as_it_is = table.as_it_is
        for key, value in record.items():
            name = names.get(key) or self._name(table, prefix, key)
            if type(value) is as_it_is.get(name):
                row[name] = value
            elif isinstance(value, dict) and name in table.objects:
                self._flatten(table, row, name + "__", value, parents)
            elif table.has(name):
                table.convert(row, name, value)
            elif isinstance(value, list) or (name in self._declared_lists and table is self.root):
                self._put_list(table, row, name, value, parents)
            elif isinstance(value, dict):
                self._flatten(table, row, name + "__", value, parents)
            else:
                table.convert(row, name, value)

    def _put_list(self, table: TableShape, row: Row, name: str, value: Any, parents: Row) -> None:
        if value is not None and not isinstance(value, list):
            table.convert(row, name + MISFIT_SUFFIX, to_json(value))
        elif self.report.arrow or table is not self.root or self.report.id_column is None:
            table.convert(row, name, to_json(value))
        else:
            shape = self.lists.get(name) or self._list_shape(name, None)
            row[name] = [self._element(shape, element, parents) for element in value or []]

    def _element(self, shape: TableShape, element: Any, parents: Row) -> Row:
        row: Row = dict(parents)
        if isinstance(element, dict):
            self._flatten(shape, row, "", element, parents)
        elif isinstance(element, list):
            shape.convert(row, "value", to_json(element))
        else:
            shape.convert(row, "value", element)
        return row

    def _list_shape(self, name: str, declared: NestedList | None) -> TableShape:
        table = f"{self.report.name}__{name}"
        if declared is None and not self._known(table):
            self._notes.count_new(self.report.name, table)
            self._notes.new_fields.add(table)
        parents = (
            Column("account_id", Kind.ID, ""),
            Column(parent_id_column(self.report), Kind.ID, ""),
        )
        shape = TableShape(
            table,
            (*parents, *(declared.columns if declared else ())),
            self._known(table),
            self._notes,
        )
        self.lists[name] = shape
        return shape

    def _name(self, table: TableShape, prefix: str, key: str) -> str:
        name = _naming.normalize_path(key) or UNNAMED
        if not prefix and name in OWN_COLUMNS:
            name += OWN_SUFFIX
        if not prefix and name.startswith(OF_DLT):
            name = HARVEST + name
        whole = prefix + name
        column = _naming.normalize_path(_naming.shorten_identifier(whole, whole, LONGEST_NAME))
        if not table.knows(column):
            self._notes.count_name(self.report.name, f"{table.table}.{column}")
        self._names[prefix][key] = column
        return column
