"""Tables and columns that a hand took away, that a module or a role keeps empty, or that a newer version declares."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from compare import assert_equal
from destinations import on
from faults_support import Ears, errors_of, tiny
from pipelines import make_pipeline, rows
from support import make_source, serving, sync_once

from harvest_sandbox import Account, Fault, Sandbox
from harvest_source.catalogue import lookup
from harvest_source.catalogue.lookup import by_name
from harvest_source.errors import SettingError
from harvest_source.loading.summary import Summary
from harvest_source.loading.syncing import sync

NAMES = ("clients", "users", "invoices", "invoice_payments", "time_entries")
HANDS: dict[str, dict[str, str]] = {
    "tables and columns": {
        "drop table invoices": "invoices",  # its lists stay
        "drop table time_entries": "time_entries",
        "alter table clients drop column address": "clients.address",
        "drop table users__roles": "users__roles",
        "drop table load_report": "load_report",
        "drop table harvest_staging.clients": "",
    },
    "child tables, keys, columns that the run itself asks for": {
        "drop table invoices__line_items": "invoices__line_items",
        "alter table clients drop column id": "clients.id",
        "alter table users drop column deleted_at": "users.deleted_at",
        "alter table invoices drop column updated_at": "invoices.updated_at",
        "alter table time_entries drop column is_running": "time_entries.is_running",
        "alter table invoice_payments drop column account_id": "invoice_payments.account_id",
        "alter table accounts drop column account_id": "accounts.account_id",
        "alter table load_report drop column account_id": "load_report.account_id",
        "drop table deleted_rows": "deleted_rows",
        "alter table harvest_staging.users drop column email": "",
    },
    "columns of child tables, dlt's own columns": {
        "alter table invoices__line_items drop column amount": "invoices__line_items.amount",
        "alter table users__roles drop column account_id": "users__roles.account_id",
        "alter table invoices drop column _dlt_id": "invoices._dlt_id",
        "alter table users__roles drop column _dlt_root_id": "users__roles._dlt_root_id",
        "alter table clients drop column _dlt_load_id": "clients._dlt_load_id",
        "alter table load_report drop column verified": "load_report.verified",
        "drop schema harvest_staging cascade": "",
    },
    "dlt's order of elements, dlt's tables": {
        "alter table invoices__line_items drop column _dlt_list_idx": "invoices__line_items._dlt_list_idx",
        "drop table _dlt_loads": "",
        "drop table _dlt_version": "",
    },
    "dlt's state": {
        "drop table _dlt_pipeline_state": "",
        "drop table clients": "clients was taken away",
    },
    "dlt's state alone": {"drop table _dlt_pipeline_state": "this is a first load"},
    "dlt's state once more": {"drop table _dlt_pipeline_state": "this is a first load"},
}
"""What a hand does: SQL, and what a note of the next run says of it."""
WHY_DROPPED = "tables were changed in the destination; its rows are read again"


def run(folder: Path, sandbox: Sandbox, *names: str, **options: Any) -> tuple[Summary, list[str]]:
    """Runs once; returns the summary and what the run told."""
    ears = Ears()
    source = make_source(sandbox, *names, **options)
    return sync(make_pipeline(folder), source, listener=ears), ears.notes


def do(folder: Path, *statements: str) -> None:
    """Does what a hand does in the database: what views of the figures stand on goes with them."""
    pipeline = make_pipeline(folder)
    cascades = pipeline.destination.destination_name == "postgres"
    with pipeline.sql_client() as client:
        for statement in statements:
            drops = cascades and "drop " in statement and not statement.endswith("cascade")
            client.execute_sql(f"{statement} cascade" if drops else statement)


def change(account: Account, text: str) -> None:
    """Changes a row of most tables, an invoice and a user with their lists."""
    for name, field in (
        ("clients", "address"),
        ("users", "telephone"),
        ("invoices", "notes"),
        ("time_entries", "notes"),
    ):
        for key in list(account.rows[name])[:2]:
            changes: dict[str, Any] = {field: text}
            account.update(name, key, **changes)


@pytest.fixture
def loaded(tmp_path: Path, destination: str) -> Iterator[tuple[Account, Sandbox]]:
    """Gives an account that is loaded into a destination, in which a row was removed."""
    assert destination
    account = tiny()
    with serving(account) as sandbox:
        sync_once(tmp_path, sandbox, *NAMES)
        account.delete("time_entries", next(iter(account.rows["time_entries"])))
        assert errors_of(sync_once(tmp_path, sandbox, *NAMES)) == {}
        yield account, sandbox


@pytest.mark.long
@on("duckdb", "postgres")
def test_what_a_hand_took_away_is_made_anew_and_filled(
    tmp_path: Path, loaded: tuple[Account, Sandbox]
) -> None:
    """The next run ends equal and says it; the one after it, with changes in every table, as if nothing had been."""
    account, sandbox = loaded
    for name, hands in HANDS.items():
        do(tmp_path, *hands)
        summary, notes = run(tmp_path, sandbox, *NAMES)
        assert errors_of(summary) == {}, name
        for said in filter(None, hands.values()):
            assert sum(said in note for note in notes) == 1, f"{said}: {notes}"
        assert_equal(tmp_path, sandbox, *NAMES)
        change(account, name)
        summary, notes = run(tmp_path, sandbox, *NAMES)
        assert (errors_of(summary), notes) == ({}, []), name
        assert_equal(tmp_path, sandbox, *NAMES)


@pytest.mark.long
@on("duckdb")
def test_table_of_an_invoice_and_a_column_taken_away(tmp_path: Path) -> None:
    """The short form of the test above: rows, lists and values are there again, and a load left pending is no hindrance."""
    account = tiny()
    names = ("clients", "invoices")
    with serving(account) as sandbox:
        sync_once(tmp_path, sandbox, *names)
        change(account, "today")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("harvest_source.loading.package.load_normalized", interrupt)
            with pytest.raises(KeyboardInterrupt):
                sync_once(tmp_path, sandbox, *names)
        do(tmp_path, "drop table invoices", "alter table clients drop column address")
        summary, notes = run(tmp_path, sandbox, *names)
        assert (errors_of(summary), summary.pending_loaded) == ({}, False)
        assert notes == [
            f"dropped a pending load of an earlier run: {WHY_DROPPED}",
            "clients.address was taken away in the destination: made anew, and clients is read from the beginning",
            "invoices was taken away in the destination: made anew, and invoices is read from the beginning",
        ]
        assert_equal(tmp_path, sandbox, *names)


def interrupt(*_: Any) -> None:
    """Stands for a run that is killed."""
    raise KeyboardInterrupt


@pytest.mark.long
@pytest.mark.parametrize("destination", ["duckdb", "postgres", "filesystem"], indirect=True)
def test_tables_of_chosen_reports_exist_whatever_may_be_read(
    tmp_path: Path, destination: str
) -> None:
    """After the first load: invoices are switched off, clients are refused, tasks have no row; and after a second one."""
    account = tiny()
    account.company["invoice_feature"] = False
    account.rows["tasks"].clear()
    names = ("clients", "tasks", "invoices", "invoice_messages", "time_entries")
    lists = (
        ()
        if destination == "filesystem"
        else ("invoices__line_items", "invoice_messages__recipients")
    )
    with serving(account) as sandbox:
        sandbox.faults.append(Fault(path="/v2/clients$", status=403, times=None))
        for _ in range(2):
            assert set(errors_of(sync_once(tmp_path, sandbox, *names))) == {"clients"}
            assert [
                rows(tmp_path, f"select count(*) from {name}") for name in (*names, *lists)
            ] == [
                [(len(account.rows["time_entries"]) if name == "time_entries" else 0,)]
                for name in (*names, *lists)
            ]
            assert (
                rows(
                    tmp_path,
                    "select i.id from time_entries t left join invoices i on i.id = t.invoice__id where i.id > 0",
                )
                == []
            )
        account.company["invoice_feature"] = True
        sandbox.faults.clear()
        assert errors_of(sync_once(tmp_path, sandbox, *names)) == {}
        assert_equal(tmp_path, sandbox, *names)


@pytest.mark.long
@on("duckdb")
def test_bookmarks_of_all_accounts_go_with_a_table(tmp_path: Path) -> None:
    """The table is made anew in a run of one account; the other's rows, those of old parents too, come with its own run."""
    names = ("invoices", "invoice_payments")
    ours, theirs = tiny(), tiny(seed=6)
    with serving(ours, theirs) as sandbox:
        sync_once(tmp_path, sandbox, *names, accounts=(ours.id, theirs.id))
        do(tmp_path, "drop table invoice_payments")
        assert errors_of(sync_once(tmp_path, sandbox, *names, accounts=(ours.id,))) == {}
        assert errors_of(sync_once(tmp_path, sandbox, *names, accounts=(theirs.id,))) == {}
        assert_equal(tmp_path, sandbox, *names)


LATER = {"clients": {"address"}, "tasks": {"is_default"}, "invoices": {"notes", "line_items"}}
"""Fields that an older version of the product, and Harvest in its time, did not have."""


def declare_without(patch: pytest.MonkeyPatch, name: str, left_out: set[str]) -> None:
    """Has the product be an older version, which does not know some fields of a report."""
    report = by_name(name)
    fields = tuple(field for field in report.fields if field.name not in left_out)
    patch.setitem(vars(lookup)["_BY_NAME"], name, replace(report, fields=fields))


@pytest.mark.long
@on("duckdb", "postgres")
def test_column_declared_later_comes_at_once_and_is_filled(tmp_path: Path) -> None:
    """Reports with rows are read from the beginning, which is said; a table without a row has its new column without a word."""
    account = tiny()
    account.rows["tasks"].clear()
    with serving(account) as sandbox:
        values = {
            name: {key: dict(row) for key, row in account.rows[name].items()} for name in LATER
        }
        with pytest.MonkeyPatch.context() as patch:
            for name, later in LATER.items():
                declare_without(patch, name, later)
                for row in account.rows[name].values():
                    for field in later:
                        del row[field]
            assert errors_of(sync_once(tmp_path, sandbox, *LATER)) == {}
        for name, later in LATER.items():
            for key, row in account.rows[name].items():
                row.update({field: values[name][key][field] for field in later})
        summary, notes = run(tmp_path, sandbox, *LATER)
        assert errors_of(summary) == {}
        assert sorted(notes) == [
            f"{what} is new, and {what.partition('.')[0].partition('__')[0]} is read from the beginning"
            for what in ("clients.address", "invoices.notes", "invoices__line_items")
        ]
        assert_equal(tmp_path, sandbox, *LATER)
        assert rows(tmp_path, "select is_default from tasks") == []
        assert run(tmp_path, sandbox, *LATER)[1] == []


@on("duckdb")
def test_table_of_another_tool_is_left_alone(tmp_path: Path) -> None:
    """It has an account, but never had the key: the run is refused before it reads or writes a row."""
    with serving(tiny()) as sandbox:
        sync_once(tmp_path, sandbox, "clients")
        do(tmp_path, "create table tasks as select 1 as account_id, 'theirs' as name")
        with pytest.raises(
            SettingError, match=r"tables of another tool \(tasks\): give another one with --dataset"
        ):
            sync_once(tmp_path, sandbox, "clients", "tasks")
        assert rows(tmp_path, "select * from tasks") == [(1, "theirs")]


@pytest.mark.long
@on("duckdb")
def test_rows_that_are_kept_stay_where_a_column_was_taken_away(tmp_path: Path) -> None:
    """Rows gone at Harvest cannot be read again: they stay and are marked again; what the column held of them is lost."""
    account = tiny()
    with serving(account) as sandbox:
        sync_once(tmp_path, sandbox, "clients", "time_entries", deleted_rows="keep")
        gone = next(iter(account.rows["time_entries"]))
        account.delete("time_entries", gone)
        sync_once(tmp_path, sandbox, "clients", "time_entries", deleted_rows="keep")
        do(
            tmp_path,
            "alter table time_entries drop column deleted_at",
            "alter table time_entries drop column notes",
        )
        summary, _ = run(tmp_path, sandbox, "clients", "time_entries", deleted_rows="keep")
        assert errors_of(summary) == {}
        assert rows(
            tmp_path, "select id, notes from time_entries where deleted_at is not null"
        ) == [(gone, None)]
        assert rows(tmp_path, "select count(*) from time_entries") == [
            (len(account.rows["time_entries"]) + 1,)
        ]
        versions = rows(tmp_path, "select count(*) from _dlt_version")
        sync_once(tmp_path, sandbox, "clients", "time_entries", deleted_rows="keep")
        # nothing to make: no schema is told again
        assert rows(tmp_path, "select count(*) from _dlt_version") == versions
