"""The tables of a report: its own and those of the lists in its rows, with what they mean and what they refer to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harvest_source.catalogue.columns.shared import ACCOUNT_ID, whole
from harvest_source.catalogue.columns.types import Column
from harvest_source.catalogue.lookup import ALL_REPORTS
from harvest_source.catalogue.report import Report, parent_id_column


@dataclass(frozen=True)
class Reference:
    """A column with the id of a row of another table, in the same account; that row may be gone, or not loaded."""

    table: str
    column: str
    to: str  # a table whose key is account_id and id
    is_key: bool  # with the account it is the table's own key, so that no two rows refer to the same one


@dataclass(frozen=True)
class Table:
    """A table as a reader meets it."""

    name: str
    description: str  # what one row is; of a list, what the list is
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()  # none: rows of a list are told apart by their place only

    @property
    def references(self) -> tuple[Reference, ...]:
        """Returns what its columns refer to, in their order."""
        return tuple(
            Reference(
                self.name,
                each.name,
                each.refers_to,
                is_key=self.key == (ACCOUNT_ID.name, each.name),
            )
            for each in self.columns
            if each.refers_to
        )


def tables_of(report: Report) -> Iterator[Table]:
    """Yields the table of a report, then those of its lists, which begin with the account and the id of the row above."""
    yield Table(report.name, report.row, report.columns, report.whole_key)
    for nested in report.lists:
        name = parent_id_column(report)
        own = next((column for column in report.columns if column.name == name), None)
        parent_id = own or whole(
            name, f"The `id` of the row of `{report.name}` that holds the list.", report.name
        )
        columns = (ACCOUNT_ID, parent_id, *nested.columns)
        yield Table(f"{report.name}__{nested.name}", nested.description, columns)


def all_tables(reports: Iterable[Report] = ALL_REPORTS) -> Iterator[Table]:
    """Yields the tables of reports, in their order."""
    for report in reports:
        yield from tables_of(report)
