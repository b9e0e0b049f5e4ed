"""Declared columns and example answers beside the fields that others read in Harvest's documentation (`tests/outside/`)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from documented import (
    QUERIES,
    Deviation,
    deviations,
    documented_row,
    plain,
    record_of_columns,
)
from reasons import BEYOND, COLUMN, EXAMPLE, NOT_LOADED, REASONS, RECORDED, reasons
from recorded import names, plain_rows

from harvest_source.catalogue.lookup import ALL_REPORTS, by_name
from harvest_source.catalogue.report import Paging, Report, Spans
from harvest_source.catalogue.reports import NAMES

EXAMPLES = Path(__file__).parents[1] / "examples"
Json = dict[str, Any]


def documented_path(report: Report) -> str:
    """Returns the documented path of a report."""
    (path,) = (each for each in QUERIES if plain(each) == f"/{plain(report.path)}")
    return path


def documented_report(report: Report) -> tuple[Json, str]:
    """Returns the documented fields of a report's rows, and the name of the object."""
    name, fields = documented_row(documented_path(report))
    return fields, name


DOCUMENTED_REPORTS = [
    report for report in ALL_REPORTS if f"/{report.path.partition('?')[0]}" not in BEYOND
]


def test_every_documented_object_is_loaded_by_a_report() -> None:
    """But for one that is no data, and reports beyond the documented paths are those with a reason."""
    answered = {documented_row(path)[0] for path in QUERIES}
    loaded = {documented_row(documented_path(report))[0] for report in DOCUMENTED_REPORTS}
    assert answered - loaded == {*NOT_LOADED}
    assert len(ALL_REPORTS) - len(DOCUMENTED_REPORTS) == len(BEYOND)


def test_declared_columns_are_the_documented_fields() -> None:
    """Name and type of each, lists and what is nested too; what is otherwise has its reason."""
    assert {
        deviation
        for report in DOCUMENTED_REPORTS
        for deviation in deviations(record_of_columns(report), *documented_report(report))
    } == reasons(COLUMN)


@pytest.mark.parametrize("report", DOCUMENTED_REPORTS, ids=lambda report: report.name)
def test_reports_are_asked_with_documented_parameters(report: Report) -> None:
    """What the catalogue says of an endpoint is what its documentation says."""
    takes = QUERIES[documented_path(report)]
    assert report.takes_updated_since == ("updated_since" in takes)
    assert (report.paging is Paging.CURSOR) == ("cursor" in takes)
    assert (report.paging is Paging.NONE) == ("page" not in takes)
    of_days = report.date_column is not None or report.spans in {Spans.PERIODS, Spans.YEARS}
    assert of_days == ({"from", "to"} <= takes)
    assert report.running is None or report.running.column in takes


def test_examples_have_the_documented_fields() -> None:
    """Each file, but for those of reports beyond the documented paths."""
    shown = {
        file.stem: json.loads(file.read_text(encoding="utf-8")) for file in EXAMPLES.glob("*.json")
    }
    documented = {report.name for report in DOCUMENTED_REPORTS}
    assert {*shown} == {*NAMES}
    assert {
        deviation
        for name, record in shown.items()
        if name in documented
        for deviation in deviations(record, *documented_report(by_name(name)))
    } == reasons(EXAMPLE)


def report_of(name: str) -> Report:
    """Returns the report whose rows a recorded file has."""
    return by_name("users" if name == "users_me" else name)


def test_recorded_answers_have_the_documented_fields() -> None:
    """So that a reason that Harvest answers otherwise is what it did."""
    assert {
        deviation
        for name in names()
        for row in plain_rows(name)
        for deviation in deviations(row, *documented_report(report_of(name)))
    } == reasons(RECORDED)


def test_every_reason_is_given_once_and_for_some_place() -> None:
    """One line for each deviation; the tests above fail where it is no longer found."""
    assert len({each[:2] for each in REASONS}) == len(REASONS)
    assert all(each.where and each.why for each in REASONS)


COMPARED: dict[str, tuple[Callable[[Json], object], set[Deviation]]] = {
    "nothing": (lambda _row: None, set()),
    "null": (lambda row: row.update(name=None), set()),
    "whole amount": (lambda row: row.update(unit_price=3), set()),
    "extra": (lambda row: row.update(extra=1), {Deviation("X.extra", "not documented")}),
    "missing": (lambda row: row.pop("name"), {Deviation("X.name", "missing")}),
    "text of a number": (
        lambda row: row.update(unit_price="3"),
        {Deviation("X.unit_price", "string in place of number")},
    ),
    "fraction of an id": (
        lambda row: row.update(id=1.0),
        {Deviation("X.id", "number in place of integer")},
    ),
    "flag of a number": (
        lambda row: row.update(id=True),
        {Deviation("X.id", "boolean in place of integer")},
    ),
    "object": (
        lambda row: row.update(name={}),
        {Deviation("X.name", "object in place of string")},
    ),
    "moment of a day": (
        lambda row: row.update(created_at="2025-01-01"),
        {Deviation("X.created_at", "no date-time")},
    ),
}


@pytest.mark.parametrize(("change", "expected"), COMPARED.values(), ids=COMPARED)
def test_a_record_that_differs_is_noticed(
    change: Callable[[Json], object], expected: set[Deviation]
) -> None:
    """Tried on the example of an expense category."""
    record = json.loads((EXAMPLES / "expense_categories.json").read_text(encoding="utf-8"))
    change(record)
    assert {*deviations(record, "ExpenseCategory", "X")} == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([{"name": 1, "email": "a@b"}], {Deviation("X[].name", "integer in place of string")}),
        ([{"name": "", "email": "a"}], {Deviation("X[].email", "no email")}),
        ({}, {Deviation("X", "object in place of list")}),
        ([], set()),
    ],
)
def test_lists_that_differ_are_noticed(value: Any, expected: set[Deviation]) -> None:
    assert {*deviations(value, ["InvoiceMessageRecipient"], "X")} == expected
