"""A column that a user added to a loaded table keeps its values, in rows that did not change and in rows that did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from destinations import long, on
from pipelines import make_pipeline, rows
from support import serving, stop_timers, sync_once

from harvest_sandbox import Size, build_account
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
