"""Whether dlt's schema has all that is declared is told without dlt, and just as dlt would tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from dlt.common.schema import Schema

from harvest_source.catalogue.lookup import reports_as_set
from harvest_source.catalogue.reports import NAMES
from harvest_source.loading.declared import Declared, declared
from harvest_source.loading.delivery import Package
from harvest_source.settings import HarvestSettings

WAYS = [("remove", "account"), ("keep", "account"), ("remove", "project")]


def of_run(deleted_rows: str = "remove", assignments: str = "account", *names: str) -> Declared:
    """Returns the tables of a run of the named reports, or of all."""
    settings: dict[str, Any] = {"deleted_rows": deleted_rows, "assignments": assignments}
    reports = reports_as_set(settings["assignments"])
    package = Package(HarvestSettings(access_token="x", **settings))
    return declared(package, [reports[name] for name in names or NAMES])


def made(tables: Declared, schema: Schema | None = None) -> Schema:
    """Returns a schema with what is declared, as it is read from a file."""
    return Schema.from_dict({**tables.added_to(schema).to_dict()})


def tables_in(schema: Schema) -> Any:
    """Returns the tables of a schema as they are stored."""
    return schema.to_dict()["tables"]


@pytest.mark.parametrize(("deleted_rows", "assignments"), WAYS)
def test_schema_with_all_that_is_declared_is_left_as_it_is(
    deleted_rows: str, assignments: str
) -> None:
    """dlt, asked to add it once more, changes nothing; so nobody needs to ask."""
    tables = of_run(deleted_rows, assignments)
    schema = made(tables)
    assert tables.is_in(schema)
    assert tables_in(made(tables, schema)) == tables_in(schema)


def test_schema_of_other_reports_has_not_all() -> None:
    schema = made(of_run("remove", "account", "clients", "invoices"))
    for names, has_all in (
        (["clients"], True),
        (["clients", "invoices"], True),
        (["clients", "users"], False),
    ):
        tables = of_run("remove", "account", *names)
        assert tables.is_in(schema) == has_all
        assert (tables_in(made(tables, schema)) == tables_in(schema)) == has_all


@pytest.mark.parametrize(("before", "after"), [("remove", "keep"), ("keep", "remove")])
def test_whether_a_mark_removes_rows_is_left_to_each_load(before: str, after: str) -> None:
    assert of_run(after).is_in(made(of_run(before)))


def test_what_a_user_added_to_a_schema_and_what_dlt_does_not_compare_is_no_difference() -> None:
    """A reference of one's own, and what else dlt is told of one of ours."""
    tables = of_run()
    other = made(tables).to_dict()
    references: Any = other["tables"]["contacts"]["references"]
    references[0].update(cardinality="one_to_one", label="mine")
    mine = {"referenced_table": "users", "columns": ["email"], "referenced_columns": ["email"]}
    references.append(mine)
    schema = Schema.from_dict(dict(other), remove_processing_hints=False, bump_version=True)
    assert tables.is_in(schema)
    assert tables_in(made(tables, schema)) == tables_in(schema)


Change = Callable[[Any], Any]
CHANGES: dict[str, Change] = {
    "table": lambda tables: tables.pop("clients"),
    "table of a list": lambda tables: tables.pop("invoices__line_items"),
    "own table": lambda tables: tables.pop("load_report"),
    "column": lambda tables: tables["clients"]["columns"].pop("address"),
    "column of a list": lambda tables: tables["invoices__line_items"]["columns"].pop("amount"),
    "column of dlt": lambda tables: tables["clients"]["columns"].pop("_dlt_id"),
    "order of a list": lambda tables: tables["users__roles"]["columns"].pop("_dlt_list_idx"),
    "mark of a removed row": lambda tables: tables["users"]["columns"].pop("deleted_at"),
    "column of an own table": lambda tables: tables["accounts"]["columns"].pop("currency"),
    "type": lambda tables: tables["time_entries"]["columns"]["hours"].update(data_type="double"),
    "scale": lambda tables: tables["time_entries"]["columns"]["hours"].update(scale=2),
    "description": lambda tables: tables["tasks"]["columns"]["name"].update(description="old"),
    "key": lambda tables: tables["tasks"]["columns"]["id"].pop("primary_key"),
    "nulls": lambda tables: tables["tasks"]["columns"]["id"].update(nullable=True),
    "references": lambda tables: tables["time_entries"].pop("references"),
    "one reference": lambda tables: tables["time_entries"]["references"].pop(),
    "columns of a reference": lambda tables: tables["contacts"]["references"][0].update(
        columns=["id", "account_id"]
    ),
    "reference of a list": lambda tables: tables["roles__user_ids"].pop("references"),
    "layout": lambda tables: tables["invoices"].pop("x-bigquery-partition"),
}


@pytest.mark.long
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_schema_that_lacks_something_is_noticed_and_completed(change: Change) -> None:
    """As an older version of the product left it."""
    tables = of_run()
    whole = made(tables)
    older = whole.to_dict()
    change(older["tables"])
    schema = Schema.from_dict(dict(older), remove_processing_hints=False, bump_version=True)
    assert not tables.is_in(schema)
    assert tables.is_in(made(tables, schema))
