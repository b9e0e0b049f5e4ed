"""The catalogue holds what the API describes: every field declared once, with a type and a description."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harvest_source.catalogue.columns.types import Column, Field, Kind, NestedList
from harvest_source.catalogue.docs import SQL_TYPES, tables_part
from harvest_source.catalogue.lookup import by_name
from harvest_source.catalogue.report import Paging, Report, parent_id_column
from harvest_source.catalogue.reports import NAMES, REPORTS

EXAMPLES = Path(__file__).parents[1] / "examples"
DATE = re.compile(r"\d{4}-\d\d-\d\d")
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")

OF_DOMO = [report for report in REPORTS if report.domo]

each_report = pytest.mark.parametrize("report", REPORTS, ids=NAMES)


def example(name: str) -> dict[str, Any]:
    """Returns the example record of a report's endpoint."""
    record: dict[str, Any] = json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    return record


def flatten(record: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields every leaf of a record with its column name; lists stay whole."""
    for key, value in record.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{key}__")
        else:
            yield prefix + key, value


def fits(value: object, kind: Kind) -> bool:
    """Says whether a value of the API can be stored in a column of that kind."""
    is_fit = {
        Kind.BOOL: isinstance(value, bool),
        Kind.ID: isinstance(value, int) and not isinstance(value, bool),
        Kind.DECIMAL: isinstance(value, int | float) and not isinstance(value, bool),
        Kind.TEXT: isinstance(value, str)
        and not TIMESTAMP.fullmatch(value)
        and not DATE.fullmatch(value),
        Kind.DATE: isinstance(value, str) and DATE.fullmatch(value) is not None,
        Kind.TIMESTAMP: isinstance(value, str) and TIMESTAMP.fullmatch(value) is not None,
    }
    return value is None or is_fit[kind]


def misfits(record: dict[str, Any], fields: tuple[Field, ...], path: str = "") -> Iterator[str]:
    """Yields what a record has and the declarations lack, or declare as another kind."""
    declared = {field.name: field for field in fields}
    for name, value in flatten(record):
        field = declared.get(name)
        if isinstance(field, NestedList):
            for element in value:
                inner = element if isinstance(element, dict) else {"value": element}
                yield from misfits(inner, field.columns, f"{path}{name}__")
        elif field is None:
            is_absent_object = value is None and any(
                column.startswith(f"{name}__") for column in declared
            )
            if not is_absent_object:
                yield f"{path}{name} is not declared"
        elif not fits(value, field.kind):
            yield f"{path}{name} is {value!r}, declared as {field.kind}"


def kind_of(report: str, column: str) -> Kind:
    """Returns the declared kind of a column."""
    return next(field.kind for field in by_name(report).columns if field.name == column)


def test_names_are_unique_and_lead_to_their_report() -> None:
    """A name stands for one report, one resource and one table."""
    assert len(set(NAMES)) == len(NAMES)
    assert all(by_name(report.name) is report for report in REPORTS)


def test_unknown_name_raises() -> None:
    """A wrong name is an error, never another report."""
    with pytest.raises(KeyError):
        by_name("timesheets")


def test_all_reports_of_domo_come_first() -> None:
    """The seventeen reports of Domo's connector are all there, before what goes beyond it."""
    in_domo = [report.domo is not None for report in REPORTS]
    assert in_domo == sorted(in_domo, reverse=True)
    assert {report.domo for report in REPORTS if report.domo} == {
        "All Clients", "All Contacts", "All Expenses", "All Projects", "All Roles", "All Tasks", "All Task Assignments",
        "All Time Entries", "All User Assignments", "All Users", "All Project Assignments", "Company", "Expense Categories",
        "Invoices", "Invoice Item Categories", "Invoice Messages", "Invoice Payments",
    }  # fmt: skip


@each_report
def test_every_column_has_a_description(report: Report) -> None:
    """Descriptions go into the destination and the documents: a sentence each, of one line."""
    columns = [*report.columns, *(column for nested in report.lists for column in nested.columns)]
    described: list[Field] = [*columns, *report.lists]
    assert [
        field.name for field in described if not re.fullmatch(r"\S.*\S\.", field.description)
    ] == []
    assert re.fullmatch(r"\S.*\.", report.row)
    assert re.fullmatch(r"\S.*\.", report.cannot_notice)
    assert not str(report.access).endswith(".")


@each_report
def test_no_column_is_declared_twice(report: Report) -> None:
    """A name stands once in a table, lists included, and is spelt as dlt would spell it."""
    tables: list[tuple[Field, ...]] = [report.fields]
    tables.extend(nested.columns for nested in report.lists)
    for fields in tables:
        counts = Counter(field.name for field in fields)
        assert [name for name, count in counts.items() if count > 1] == []
        assert [
            name for name in counts if not re.fullmatch(r"[a-z][a-z0-9]*(__?[a-z0-9]+)*", name)
        ] == []


@each_report
def test_key_and_parent_columns_are_declared(report: Report) -> None:
    """account_id comes first, the parent's id second, and every column of the key exists."""
    names = [column.name for column in report.columns]
    assert names[0] == "account_id"
    assert set(report.key) <= set(names)
    assert report.date_column is None or report.date_column in names
    if report.parent:
        assert names[1] == report.parent.column
        assert report.parent.report in NAMES
        assert "{parent_id}" in report.path
    for nested in report.lists:
        inner = {column.name for column in nested.columns}
        assert not inner & {"account_id", parent_id_column(report)}, (
            "added by the load, not declared"
        )


@each_report
def test_every_key_column_is_an_id(report: Report) -> None:
    """Keys are 64-bit whole numbers in every destination."""
    assert {
        column.kind for column in report.columns if column.name in ("account_id", *report.key)
    } == {Kind.ID}


@each_report
def test_every_field_of_the_example_is_declared_with_its_kind(report: Report) -> None:
    """What the API's description shows has a column, of a kind that can hold it."""
    assert list(misfits(example(report.name), report.fields)) == []


@each_report
def test_every_declared_column_stands_in_the_example(report: Report) -> None:
    """No column is declared under a name that the API never sends."""
    record = example(report.name)
    added = {"account_id", report.parent.column if report.parent else "account_id"}
    rarely_sent = {"saml_exempt", "permissions_profile"}
    sent = {name for name, _ in flatten(record)}
    null_objects = tuple(f"{name}__" for name, value in record.items() if value is None)
    declared = {field.name for field in report.fields if not field.name.startswith(null_objects)}
    assert declared - sent <= added | rarely_sent


def test_each_example_belongs_to_a_report() -> None:
    """One example per endpoint, none left over."""
    assert {path.stem for path in EXAMPLES.glob("*.json")} >= set(NAMES)


@pytest.mark.parametrize(
    ("report", "column", "kind"),
    [
        ("clients", "statement_key", Kind.TEXT),
        ("invoices", "client_key", Kind.TEXT),
        ("invoices", "number", Kind.TEXT),
        ("estimates", "number", Kind.TEXT),
        ("invoices", "due_amount", Kind.DECIMAL),
        ("invoices", "tax", Kind.DECIMAL),
        ("invoices", "recurring_invoice_id", Kind.ID),
        ("invoices", "retainer__id", Kind.ID),
        ("invoice_payments", "payment_gateway__id", Kind.ID),
        ("invoice_payments", "payment_gateway__name", Kind.TEXT),
        ("invoice_payments", "paid_at", Kind.TIMESTAMP),
        ("invoice_payments", "paid_date", Kind.DATE),
        ("time_entries", "id", Kind.ID),
        ("time_entries", "hours", Kind.DECIMAL),
        ("time_entries", "rounded_hours", Kind.DECIMAL),
        ("time_entries", "spent_date", Kind.DATE),
        ("time_entries", "started_time", Kind.TEXT),
        ("time_entries", "timer_started_at", Kind.TIMESTAMP),
        ("time_entries", "invoice__number", Kind.TEXT),
        ("time_entries", "external_reference__id", Kind.TEXT),
        ("time_entries", "external_reference__account_id", Kind.TEXT),
        ("expenses", "units", Kind.DECIMAL),
        ("expenses", "receipt__file_size", Kind.ID),
        ("projects", "over_budget_notification_percentage", Kind.DECIMAL),
        ("users", "weekly_capacity", Kind.ID),
        ("users", "timezone", Kind.TEXT),
    ],
)
def test_columns_that_mislead_have_their_kind(report: str, column: str, kind: Kind) -> None:
    """Where values look like another type, the declaration decides, not the first row."""
    assert kind_of(report, column) is kind


def test_lists_of_plain_values_have_one_column() -> None:
    """A list of ids or words becomes a child table with the column `value`."""
    values = {
        (report.name, nested.name): nested.columns for report in REPORTS for nested in report.lists
    }
    assert [column.name for column in values["roles", "user_ids"]] == ["value"]
    assert values["roles", "user_ids"][0].kind is Kind.ID
    for name in ("roles", "access_roles", "permissions_claims"):
        assert [(column.name, column.kind) for column in values["users", name]] == [
            ("value", Kind.TEXT)
        ]


def test_start_date_holds_for_dated_lists_and_what_hangs_on_them() -> None:
    """The small tables stay whole, so that every row finds its client, project and user."""
    dated, hanging = (
        {"time_entries", "expenses", "invoices"},
        {"invoice_messages", "invoice_payments"},
    )
    assert {report.name for report in OF_DOMO if report.date_column} == dated
    assert {report.name for report in OF_DOMO if report.from_start_date} == dated | hanging
    assert {report.name for report in OF_DOMO if report.paging is Paging.PAGE} == dated
    assert {report.name for report in OF_DOMO if report.arrow} <= dated
    assert {
        report.name for report in OF_DOMO if report.parent and report.parent.moves_parent
    } == hanging
    of_estimates = by_name("estimates"), by_name("estimate_messages")
    assert [(report.date_column, report.from_start_date) for report in of_estimates] == [
        ("issue_date", True),
        (None, True),
    ]


def test_lists_that_take_no_updated_since() -> None:
    """These are read whole, whatever changed."""
    assert {report.name for report in OF_DOMO if not report.takes_updated_since} == {
        "roles",
        "company",
    }
    assert not any(
        by_name(name).takes_updated_since for name in ("billable_rates", "cost_rates", "teammates")
    )


def test_paths_of_children_and_projects() -> None:
    """A child's path is its parent's, and assignments can be asked for by project."""
    assert by_name("invoice_payments").path == "invoices/{parent_id}/payments"
    assert by_name("invoice_messages").path == "invoices/{parent_id}/messages"
    assert by_name("estimate_messages").path == "estimates/{parent_id}/messages"
    assert by_name("cost_rates").path == "users/{parent_id}/cost_rates"
    assert by_name("project_assignments").path == "users/{parent_id}/project_assignments"
    by_project = {report.name: report.project_path for report in REPORTS if report.project_path}
    assert by_project == {
        name: f"projects/{{parent_id}}/{name}" for name in ("task_assignments", "user_assignments")
    }


@pytest.mark.parametrize(
    ("report", "column"),
    [
        ("invoices", "invoice_id"),
        ("estimates", "estimate_id"),
        ("users", "user_id"),
        ("roles", "role_id"),
        ("invoice_messages", "invoice_message_id"),
        ("estimate_messages", "estimate_message_id"),
        ("project_assignments", "project_assignment_id"),
    ],
)
def test_child_tables_keep_their_parents_id(report: str, column: str) -> None:
    """The column is named after one row of the parent."""
    assert parent_id_column(by_name(report)) == column
    assert by_name(report).lists


def test_page_of_tables_names_every_table_and_column() -> None:
    """The page is made from the declarations and leaves none out."""
    page = tables_part()
    for report in REPORTS:
        section = page.split(f"\n## {report.name}\n")[1].split("\n## ")[0]
        for column in report.columns:
            assert (
                f"| `{column.name}` | {SQL_TYPES[column.kind]} | {column.description} |" in section
            )
        for nested in report.lists:
            assert f"### {report.name}__{nested.name}\n" in section
            assert f"| `{parent_id_column(report)}` | bigint |" in section


def test_declarations_cannot_be_changed() -> None:
    """One list serves the code, the commands, the documents and the tests: nobody alters it on the way."""
    with pytest.raises(AttributeError):
        REPORTS[0].columns[0].name = "other"  # type: ignore[misc]
    assert isinstance(REPORTS[0].columns[0], Column)
