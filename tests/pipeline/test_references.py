"""Datasets of dlt join by the references of the catalogue: no row multiplies, and none meets one of another account."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dlt
import pytest
from destinations import long, on
from faults_support import tiny
from pipelines import make_pipeline, rows
from support import make_source, serving, sync_once

from harvest_sandbox import Account
from harvest_source.catalogue.lookup import by_name
from harvest_source.catalogue.report import parent_id_column
from harvest_source.catalogue.reports import REPORTS
from harvest_source.catalogue.tables import Reference, all_tables
from harvest_source.loading.delivery import Package

REFERENCES = [reference for table in all_tables(REPORTS) for reference in table.references]
SECOND_TO_A_TABLE = {
    Reference("teammates", "id", "users", is_key=False),
    Reference("pto_requests", "reviewer__id", "users", is_key=False),
    Reference("pto_balances", "user__id", "users", is_key=False),
}


def two_accounts() -> tuple[Account, Account]:
    """Returns two accounts with the same ids."""
    first, second = tiny(), tiny()
    second.id = first.id + 1
    for name in first.rows:
        assert first.rows[name].keys() == second.rows[name].keys()
    for client in second.rows["clients"].values():
        client["name"] = f"{client['name']} of the second"
    return first, second


def tell_of(pipeline: dlt.Pipeline) -> set[tuple[str, str, str]]:
    """Returns what the pipeline's schema says of references: table, column and the other table."""
    return {
        (name, reference["columns"][0], reference["referenced_table"])
        for name, table in pipeline.default_schema.tables.items()
        for reference in table.get("references") or ()
    }


def versions(folder: Path) -> int:
    """Returns how many versions of the schema the destination was told."""
    ((n,),) = rows(folder, "select count(*) from harvest._dlt_version")
    return int(n)


def joined(dataset: dlt.Dataset, reference: Reference) -> list[tuple[Any, ...]]:
    """Returns the keys of both sides of a join that dlt makes by itself."""
    left = dataset.table(reference.table)
    relation = left.join(reference.to, kind="left").select(
        "account_id", reference.column, f"{reference.to}__account_id", f"{reference.to}__id"
    )
    return sorted(map(tuple, relation.fetchall()), key=repr)


def by_hand(folder: Path, reference: Reference) -> list[tuple[Any, ...]]:
    """Returns the same by SQL."""
    query = f"""select a.account_id, a.{reference.column}, b.account_id, b.id from harvest.{reference.table} a
        left join harvest.{reference.to} b on b.account_id = a.account_id and b.id = a.{reference.column}"""
    return sorted(rows(folder, query), key=repr)


@pytest.mark.long
@on("duckdb", "postgres", "filesystem")
def test_every_reference_joins_each_row_with_one_of_its_account(
    tmp_path: Path, destination: str
) -> None:
    """Of two accounts with the same ids in one dataset; where there are all rows, each finds one.

    What is told is the same everywhere; how each destination joins by it, one reference of each table shows.
    """
    with serving(*two_accounts()) as sandbox:
        assert sync_once(tmp_path, sandbox).exit_code == 0
    pipeline = make_pipeline(tmp_path)
    told = {
        (each.table, each.column, each.to) for each in REFERENCES if each not in SECOND_TO_A_TABLE
    }
    assert tell_of(pipeline) == told
    dataset = pipeline.dataset()
    one_of_each = {reference.table: reference for reference in REFERENCES}.values()
    for reference in REFERENCES if destination == "duckdb" else one_of_each:
        if reference in SECOND_TO_A_TABLE or (
            destination == "filesystem" and "__" in reference.table
        ):
            continue  # files of lists without an element are not there
        found = joined(dataset, reference)
        assert found == by_hand(tmp_path, reference), reference
        ((n,),) = rows(tmp_path, f"select count(*) from harvest.{reference.table}")
        assert len(found) == n > 0, reference
        for account_id, row_id, other_account_id, other_id in found:
            if row_id is not None:
                assert (other_account_id, other_id) == (account_id, row_id), reference


@pytest.mark.long
@on("duckdb", "postgres")
def test_joins_go_on_from_table_to_table_and_keep_rows_without_another(tmp_path: Path) -> None:
    """As the page of tables shows it, with a client that is not there."""
    first, second = two_accounts()
    with serving(first, second) as sandbox:
        sync_once(tmp_path, sandbox)
    gone = next(iter(first.rows["clients"]))
    with make_pipeline(tmp_path).sql_client() as client:
        client.execute_sql(
            f"delete from harvest.clients where account_id = {first.id} and id = {gone}"
        )
    entries = make_pipeline(tmp_path).dataset().table("time_entries")
    named = entries.join("clients", kind="left").join("users", kind="left")
    columns = ("account_id", "id", "hours", "clients__name", "users__email")
    found = sorted(map(tuple, named.select(*columns).fetchall()))
    expected = [
        (
            account.id,
            entry["id"],
            float(entry["hours"]),
            None
            if (account, entry["client"]["id"]) == (first, gone)
            else account.rows["clients"][entry["client"]["id"]]["name"],
            account.rows["users"][entry["user"]["id"]]["email"],
        )
        for account in (first, second)
        for entry in account.rows["time_entries"].values()
    ]
    assert [(*row[:2], float(row[2]), *row[3:]) for row in found] == sorted(
        expected, key=lambda row: row[:2]
    )
    assert {row[3] is None for row in found} == {True, False}


@on("duckdb", long("postgres"))
def test_only_tables_that_are_there_are_referred_to(tmp_path: Path) -> None:
    """Else dlt could not draw the schema; a run that brings the other table brings the reference."""
    with serving(tiny()) as sandbox:
        sync_once(tmp_path, sandbox, "clients", "time_entries")
        pipeline = make_pipeline(tmp_path)
        assert tell_of(pipeline) == {("time_entries", "client__id", "clients")}
        for draw in (pipeline.default_schema.to_dot, pipeline.default_schema.to_mermaid):
            assert "client__id" in draw()
        sync_once(tmp_path, sandbox, "users", "roles")
        assert tell_of(make_pipeline(tmp_path)) == {
            ("time_entries", "client__id", "clients"),
            ("roles__user_ids", "role_id", "roles"),
            ("roles__user_ids", "value", "users"),
            *(
                (f"users__{each.name}", parent_id_column(by_name("users")), "users")
                for each in by_name("users").lists
            ),
        }
        sync_once(tmp_path, sandbox, "time_entries")
        pipeline = make_pipeline(tmp_path)
        assert ("time_entries", "user__id", "users") in tell_of(pipeline)
        assert "user__id" in pipeline.default_schema.to_dot()
        before = versions(tmp_path)
        for names in (("clients",), ("time_entries",), ("users", "roles", "time_entries")):
            sync_once(tmp_path, sandbox, *names)
        assert versions(tmp_path) == before


@pytest.mark.long
@on("duckdb", "postgres")
def test_folder_of_a_version_without_references_loads_nothing_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The destination is told of one new version of the schema, and of none again."""
    with serving(tiny()) as sandbox:
        with monkeypatch.context() as older:
            hints_of = Package.hints
            older.setattr(Package, "hints", lambda *of: without(hints_of(*of)))
            sync_once(tmp_path, sandbox)
            assert sync_once(tmp_path, sandbox).exit_code == 0
        assert tell_of(make_pipeline(tmp_path)) == set()
        loaded, told = loads(tmp_path), versions(tmp_path)
        summary = sync_once(tmp_path, sandbox)
        assert not [each for each in summary.results if each.error or each.new or each.changed]
        assert summary.notes == []
        assert (loads(tmp_path), versions(tmp_path)) == (loaded + 1, told + 1)
        assert len(tell_of(make_pipeline(tmp_path))) == len(REFERENCES) - len(SECOND_TO_A_TABLE)
        sync_once(tmp_path, sandbox)
        assert (loads(tmp_path), versions(tmp_path)) == (loaded + 2, told + 1)


def loads(folder: Path) -> int:
    """Returns how many loads the destination had."""
    ((n,),) = rows(folder, "select count(*) from harvest._dlt_loads")
    return int(n)


def without(hints: dict[str, Any]) -> dict[str, Any]:
    """Returns hints without references, as they were once."""
    nested = {
        name: {key: value for key, value in each.items() if key != "references"}
        for name, each in hints.get("nested_hints", {}).items()
    }
    told = {name: value for name, value in hints.items() if name != "references"}
    return {**told, "nested_hints": nested} if nested else told


@pytest.mark.long
@on("duckdb", "postgres")
def test_plain_runs_of_dlt_join_as_well(tmp_path: Path) -> None:
    """Also where the tables were loaded one after the other; neither kind of run tells the destination what the other told."""
    with serving(tiny()) as sandbox:
        for name in ("time_entries", "clients", "time_entries"):
            make_pipeline(tmp_path).run(make_source(sandbox, name))
        (reference,) = (
            each for each in REFERENCES if (each.table, each.to) == ("time_entries", "clients")
        )
        found = joined(make_pipeline(tmp_path).dataset(), reference)
        assert found == by_hand(tmp_path, reference)
        assert {(row[0], row[1]) == (row[2], row[3]) for row in found} == {True}
        names = ("clients", "time_entries")
        sync_once(tmp_path, sandbox, *names)
        told = versions(tmp_path)
        make_pipeline(tmp_path).run(make_source(sandbox, *names))
        sync_once(tmp_path, sandbox, *names)
        assert versions(tmp_path) == told
