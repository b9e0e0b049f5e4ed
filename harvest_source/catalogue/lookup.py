"""Finds reports in the catalogue: by name, as the settings have them, and by what of them goes with what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from types import MappingProxyType

from harvest_source.catalogue.columns.types import Column, Field
from harvest_source.catalogue.facts import Scout
from harvest_source.catalogue.harvest_reports import HARVEST_REPORTS
from harvest_source.catalogue.report import Parent, Report
from harvest_source.catalogue.reports import NAMES, REPORTS

ALL_REPORTS: tuple[Report, ...] = (*REPORTS, *HARVEST_REPORTS)
"""What can be loaded: the lists, and Harvest's own reports."""

ALL_NAMES: tuple[str, ...] = tuple(report.name for report in ALL_REPORTS)
DEFAULT_NAMES: tuple[str, ...] = tuple(
    report.name for report in ALL_REPORTS if not report.only_when_named
)
"""What a run loads that names no reports."""

_BY_NAME = {report.name: report for report in ALL_REPORTS}


def by_name(name: str) -> Report:
    """Returns the report of that name as Harvest has it, with its account-wide list; a run's own are those of `reports_as_set`.

    Raises:
        KeyError: There is no such report.
    """
    return _BY_NAME[name]


def _depth(name: str) -> int:
    return max((1 + _depth(owner.report) for owner in by_name(name).all_owners), default=0)


def _owned_by(name: str) -> tuple[tuple[str, str], ...]:
    return tuple(
        (report.name, owner.column)
        for report in REPORTS
        for owner in report.all_owners
        if owner.report == name
    )


def _columns(fields: Iterable[Field]) -> Iterator[Column]:
    """Yields the columns of a table and of the lists inside it."""
    for field in fields:
        yield from (field,) if isinstance(field, Column) else field.columns


CASCADES: dict[str, tuple[tuple[str, str], ...]] = {
    name: _owned_by(name) for name in sorted(NAMES, key=_depth) if _owned_by(name)
}
"""What Harvest deletes along with a row of a table: the tables that lose rows, and their columns with the row's id.

A table stands after those whose rows take its own along."""

SECRET_COLUMNS = frozenset(
    column.name for report in REPORTS for column in _columns(report.fields) if column.secret
)
"""They open public pages without a login: a value is neither printed nor kept of a deleted row."""


@cache
def reports_as_set(assignments: str) -> Mapping[str, Report]:
    """Returns all reports by name, as the setting `assignments` has them: `project` makes assignments children of projects."""
    if assignments != "project":
        return MappingProxyType(_BY_NAME)
    return MappingProxyType({name: _by_project(report) for name, report in _BY_NAME.items()})


def _by_project(report: Report) -> Report:
    if report.project_path is None:
        return report
    return replace(
        report,
        path=report.project_path,
        parent=Parent("projects", None, moves_parent=False),
        scouts=(Scout(report.name, ("project", "id")),),
    )
