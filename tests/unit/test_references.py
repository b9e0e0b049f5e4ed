"""What refers to what: declared with the columns, told to dlt, drawn in the page of tables."""

from __future__ import annotations

import re

import pytest

from harvest_source.catalogue.columns.types import Kind
from harvest_source.catalogue.docs import references_part, tables_part
from harvest_source.catalogue.hints import references_of, resource_hints
from harvest_source.catalogue.lookup import by_name
from harvest_source.catalogue.report import Report
from harvest_source.catalogue.reports import NAMES, REPORTS
from harvest_source.catalogue.tables import Reference, Table, all_tables

TABLES = {table.name: table for table in all_tables()}
REFERENCES = [reference for table in TABLES.values() for reference in table.references]
# ids of what Harvest has no list of
WITHOUT_TABLE = {
    ("invoices", "recurring_invoice_id"),
    ("invoices", "retainer__id"),
    ("invoice_payments", "payment_gateway__id"),
}
OF_ENTRIES = {
    "user__id": "users",
    "client__id": "clients",
    "project__id": "projects",
    "task__id": "tasks",
    "invoice__id": "invoices",
    "user_assignment__id": "user_assignments",
    "task_assignment__id": "task_assignments",
}
ONE_TO_ONE = [
    ("project_assignments", "id"),
    ("report_project_budget", "project_id"),
    ("pto_assignments", "user__id"),
    ("pto_balances", "user_id"),
]
# twice the same one, or another beside it
NAMING_TWO_USERS = {"teammates", "pto_requests", "pto_balances"}
# where a name does not say it
CASES = [
    ("invoices", "creator__id", "users"),
    ("invoices", "estimate__id", "estimates"),
    ("expenses", "expense_category__id", "expense_categories"),
    ("roles__user_ids", "value", "users"),
    ("teammates", "user_id", "users"),
    ("teammates", "id", "users"),
    ("project_assignments", "id", "user_assignments"),
    ("project_assignments__task_assignments", "id", "task_assignments"),
    ("invoices__line_items", "invoice_id", "invoices"),
    ("invoices__line_items", "project__id", "projects"),
    ("users__access_roles", "user_id", "users"),
]


def kinds_of(table: Table) -> dict[str, Kind]:
    """Returns the kind of each column."""
    return {column.name: column.kind for column in table.columns}


@pytest.mark.parametrize("reference", REFERENCES, ids=lambda each: f"{each.table}.{each.column}")
def test_both_ends_exist_and_are_of_one_type(reference: Reference) -> None:
    """The other end is a whole key, so that a row finds one row at most."""
    here, there = kinds_of(TABLES[reference.table]), kinds_of(TABLES[reference.to])
    assert here[reference.column] is there["id"] is Kind.ID
    assert here["account_id"] is there["account_id"] is Kind.ID
    assert by_name(reference.to).whole_key == ("account_id", "id")


def test_every_id_refers_to_a_table_unless_harvest_has_no_list_of_it() -> None:
    """As its name says it; ids of other systems are texts."""
    ids = {
        (table.name, column.name)
        for table in TABLES.values()
        for column in table.columns
        if column.kind is Kind.ID and re.search(r"._?_id$", column.name)
    }
    referring = {(each.table, each.column) for each in REFERENCES}
    accounts = {(name, "account_id") for name in TABLES}
    assert ids - referring == accounts | WITHOUT_TABLE


def test_time_entries_refer_to_all_that_they_name() -> None:
    found = {each.column: each.to for each in TABLES["time_entries"].references}
    assert found == OF_ENTRIES


@pytest.mark.parametrize(("table", "column", "to"), CASES)
def test_references_that_a_name_does_not_tell(table: str, column: str, to: str) -> None:
    assert (column, to) in {(each.column, each.to) for each in TABLES[table].references}


@pytest.mark.parametrize("report", REPORTS, ids=NAMES)
def test_what_takes_rows_along_is_referred_to(report: Report) -> None:
    """The parent, and what else Harvest deletes them with; a list refers to the row that holds it, or as that row does."""
    found = {(each.column, each.to) for each in TABLES[report.name].references}
    assert {(owner.column, owner.report) for owner in report.all_owners} <= found
    for nested in report.lists:
        first = TABLES[f"{report.name}__{nested.name}"].references[0]
        assert first.to == (report.name if report.id_column == "id" else "users")


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_dlt_is_told_one_reference_to_each_table(table: Table) -> None:
    """The first, since dlt keeps one; only few have another."""
    told = references_of(table, None)
    assert [each["referenced_table"] for each in told] == list(
        dict.fromkeys(each.to for each in table.references)
    )
    assert len(told) == len(table.references) - (table.name in NAMING_TWO_USERS)
    for each in told:
        column, account_id = each["columns"]
        assert (account_id, each["referenced_columns"]) == ("account_id", ["id", "account_id"])
        assert (column, each["referenced_table"]) in {
            (one.column, one.to) for one in table.references
        }
        is_same_row = (table.name, column) in ONE_TO_ONE
        assert each["cardinality"] == ("one_to_one" if is_same_row else "many_to_one")


def test_dlt_is_told_of_no_table_that_is_not_there() -> None:
    hints = resource_hints(
        by_name("invoices"), keep_deleted=False, merges=True, among={"invoices", "clients"}
    )
    assert [each["referenced_table"] for each in hints["references"]] == ["clients"]
    lines = hints["nested_hints"]["line_items"]["references"]
    assert [(each["referenced_table"], each["columns"]) for each in lines] == [
        ("invoices", ["invoice_id", "account_id"])
    ]


def test_diagram_has_every_reference_once_and_no_other() -> None:
    """A row refers to one row at most, and to none where that is gone."""
    first, second, third, *lines, last = references_part().splitlines()
    assert (first, second, third, last) == ("```mermaid", "erDiagram", "    direction LR", "```")
    drawn = [re.fullmatch(r" {4}(\w+) ([|}]o)--o\| (\w+) : (\w+)", line) for line in lines]
    assert [found and found.group(1, 4, 3) for found in drawn] == [
        (each.table, each.column, each.to) for each in REFERENCES
    ]
    single = [found and found.group(1) for found in drawn if found and found[2] == "|o"]
    assert sorted(single) == sorted(table for table, _ in ONE_TO_ONE)


def test_section_of_a_table_says_what_it_refers_to() -> None:
    page = tables_part()
    for table in TABLES.values():
        (section,) = re.findall(
            rf"^##+ {table.name}\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL
        )
        for each in table.references:
            assert f"`{each.column}` to [`{each.to}`](#{each.to})" in section
        assert ("Refers by" in section) == bool(table.references)
