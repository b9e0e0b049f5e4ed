"""A column that a user added to a loaded table keeps its values, in rows that did not change and in rows that did."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from destinations import long, on
from faults_support import errors_of, tiny
from loads import killed_at
from pipelines import make_pipeline, rows
from support import notes_on_rows, serving, stop_timers, sync_once
from two_accounts import NOON, ClockAt

from harvest_sandbox import Size, build_account
from harvest_source.loading.own_columns import OwnColumns
from harvest_source.loading.summary import Summary
from harvest_source.reading.reader import Choice, Mode

SMALL = Size(projects=3, users=3, invoices=6, estimates=2, time_entries=60, expenses=5, clients=3)
NAMES = (
    "clients",
    "time_entries",
    "invoices",
    "company",
    "invoice_payments",
)  # plain, Arrow, with a list, one row, children
TABLES = (*NAMES, "invoices__line_items")
ADDED = ("note varchar(20) default 'none'", "score double precision", "approved date")
VALUES = "note = 'mine', score = 0.1, approved = date '2026-02-03'"


def own_values(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    return {table: rows(folder, f"select note, score, approved from {table}") for table in TABLES}


@on("duckdb", long("postgres"))
def test_values_of_an_own_column_stay(tmp_path: Path) -> None:
    """By a quiet run, one in which every row changes, a full refresh, and for rows that are kept though they are gone."""
    account = build_account(SMALL, seed=7)
    stop_timers(account)
    with serving(account) as sandbox:
        sync_once(tmp_path, sandbox, *NAMES, deleted_rows="keep")
        with make_pipeline(tmp_path).sql_client() as client:
            for table in TABLES:
                for column in ADDED:
                    client.execute_sql(f"alter table {table} add column {column}")
                client.execute_sql(f"update {table} set {VALUES}")
        before = own_values(tmp_path)
        assert all(set(values) == {(*next(iter(before["clients"])),)} for values in before.values())
        quiet = sync_once(
            tmp_path, sandbox, *NAMES, deleted_rows="keep", choice=Choice(mode=Mode.REPLACE)
        )
        assert [(each.changed, each.error) for each in quiet.results] == [(0, None)] * len(NAMES)
        assert own_values(tmp_path) == before
        for name in ("clients", "time_entries", "invoices", "invoice_payments"):
            for key in list(account.rows[name]):
                account.update(name, key, notes="changed", address="changed")
        account.company["name"] = "Changed"
        account.delete("time_entries", next(iter(account.rows["time_entries"])))
        changed = sync_once(tmp_path, sandbox, *NAMES, deleted_rows="keep")
        assert [each.error for each in changed.results] == [None] * len(NAMES)
        assert all(each.changed for each in changed.results)
        assert own_values(tmp_path) == before
    assert rows(tmp_path, "select count(*) from time_entries where deleted_at is not null") == [
        (1,)
    ]
    left = rows(
        tmp_path,
        "select table_name from information_schema.tables where table_name like 'own_values%'",
    )
    assert left == []


@on("sqlite", long("mariadb"))
def test_own_column_that_a_destination_cannot_keep_is_no_difference_and_what_it_loses_is_told(
    tmp_path: Path,
) -> None:
    """Rows that do not change keep it; the table of a list is told by its own name."""
    account = build_account(SMALL, seed=7)
    names = ("clients", "invoices")
    lists = "invoices__line_items"
    with serving(account) as sandbox:
        sync_once(tmp_path, sandbox, *names)
        with make_pipeline(tmp_path).sql_client() as client:
            for table in (*names, lists):
                client.execute_sql(f"alter table {table} add column note varchar(20)")
                client.execute_sql(f"update {table} set note = 'mine'")
        quiet = sync_once(tmp_path, sandbox, *names, choice=Choice(mode=Mode.REPLACE))
        assert [(each.changed, each.error) for each in quiet.results] == [(0, None)] * 2
        assert quiet.notes == []
        invoice = next(iter(account.rows["invoices"].values()))
        account.update("invoices", invoice["id"], notes="changed")
        told = sync_once(tmp_path, sandbox, *names)
        assert [(each.report, each.changed, each.error) for each in told.results] == [
            ("clients", 0, None),
            ("invoices", 1, None),
        ]
        assert told.notes == [
            f"values of columns that you added, lost with rows that changed: invoices.note, {lists}.note"
        ]
        assert sync_once(tmp_path, sandbox, *names).notes == []
    for table, lost in (
        ("clients", 0),
        ("invoices", 1),
        (lists, len(invoice["line_items"])),
    ):
        query = f"select count(*) from {table} where note is null"
        assert rows(tmp_path, query) == [(lost,)]


AFTER_THE_KILL = {
    "another column": (
        "alter table clients add column score integer",
        "update clients set score = 7",
    ),
    "another in its place": (
        "alter table clients drop column note",
        "alter table clients add column score integer",
        "update clients set score = 7",
    ),
}


@pytest.mark.long
@on("duckdb", "postgres")
@pytest.mark.parametrize("hands", AFTER_THE_KILL)
def test_column_that_came_after_a_kill_is_no_hindrance(tmp_path: Path, hands: str) -> None:
    """The copy of own values that the killed run left lacks it; both columns keep what they have, and the copy goes."""
    account = tiny()
    with serving(account) as sandbox:

        def change(text: str) -> None:
            for key in list(account.rows["clients"]):
                account.update("clients", key, address=text)

        sync_once(tmp_path, sandbox, "clients")
        with make_pipeline(tmp_path).sql_client() as client:
            client.execute_sql("alter table clients add column note varchar(20)")
            client.execute_sql("update clients set note = 'mine'")
            change("first")
            with killed_at(OwnColumns, "put_back"):
                sync_once(tmp_path, sandbox, "clients")
            assert rows(tmp_path, "select count(*) from own_values_of_clients") == [
                (len(account.rows["clients"]),)
            ]
            for statement in AFTER_THE_KILL[hands]:
                client.execute_sql(statement)
        own = "score" if "drop" in AFTER_THE_KILL[hands][0] else "note, score"
        expected = {(7,)} if own == "score" else {("mine", 7)}
        for text in ("first", "second", "third"):
            change(text)
            assert errors_of(sync_once(tmp_path, sandbox, "clients")) == {}
            assert set(rows(tmp_path, f"select {own} from clients")) == expected
        left = "select 1 from information_schema.tables where table_name like 'own_values%'"
        assert rows(tmp_path, left) == []


@pytest.mark.long
@on("duckdb", "postgres")
def test_values_stay_where_every_row_of_a_table_is_marked_as_gone(tmp_path: Path) -> None:
    """By a hand, or by a time at which Harvest hid them all; they come back, and are there once."""
    account = tiny()
    names = ("clients", "invoices", "time_entries")
    with serving(account) as sandbox:
        sync_once(tmp_path, sandbox, *names, deleted_rows="keep")
        with make_pipeline(tmp_path).sql_client() as client:
            for name in names:
                client.execute_sql(f"alter table {name} add column note varchar(20)")
                client.execute_sql(f"update {name} set note = 'mine', deleted_at = updated_at")
        assert errors_of(sync_once(tmp_path, sandbox, *names, deleted_rows="keep")) == {}
        for name in names:
            found = rows(tmp_path, f"select id, note, deleted_at from {name} order by id")
            assert found == [(key, "mine", None) for key in sorted(account.rows[name])]


@contextmanager
def noted_accounts(folder: Path) -> Iterator[Callable[[int], Summary]]:
    """Gives what loads an account on a day of some number, once `accounts` has a column of the user's with values."""
    account, other = tiny(), tiny()
    other.id = account.id + 1
    with serving(account, other) as sandbox:

        def load(day: int) -> Summary:
            clock = ClockAt(NOON + timedelta(days=day))
            return sync_once(folder, sandbox, "clients", clock=clock)

        load(0)
        with make_pipeline(folder).sql_client() as client:
            client.execute_sql("alter table accounts add column region varchar(20)")
            client.execute_sql(
                f"update accounts set region = 'north' where account_id = {account.id}"
            )
        yield load


def own_regions(folder: Path) -> list[tuple[Any, ...]]:
    return rows(folder, "select region, as_of from accounts order by account_id")


@on("duckdb", long("postgres"))
def test_own_column_of_the_accounts_keeps_its_values_on_a_new_day(tmp_path: Path) -> None:
    with noted_accounts(tmp_path) as load:
        for day in (1, 2):
            assert (errors_of(summary := load(day)), notes_on_rows(summary)) == ({}, [])
            at = (NOON + timedelta(days=day)).date()
            assert own_regions(tmp_path) == [("north", at), (None, at)]
        with killed_at(OwnColumns, "put_back"):
            load(3)
        load(4)
        at = (NOON + timedelta(days=4)).date()
        assert own_regions(tmp_path) == [("north", at), (None, at)]
    left = "select 1 from information_schema.tables where table_name like 'own_values%'"
    assert rows(tmp_path, left) == []


@on("sqlite")
def test_own_column_of_the_accounts_that_is_lost_is_told(tmp_path: Path) -> None:
    with noted_accounts(tmp_path) as load:
        assert notes_on_rows(load(0)) == []
        told = ["values of columns that you added, lost with rows that changed: accounts.region"]
        assert notes_on_rows(load(1)) == told
        assert notes_on_rows(load(2)) == []
