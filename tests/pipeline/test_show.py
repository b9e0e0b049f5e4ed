"""`show` reads, and does nothing else: to no table, to no file, in whatever words it is asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import psycopg2
import pytest
from command_line import Type
from destinations import fresh_postgres_address
from faults_support import tiny
from postgres_server import Postgres
from support import serving

Query = Callable[[str], list[Any]]

STATEMENTS = [
    "drop table clients",
    "with gone as (delete from clients returning id) select * from gone",
    "commit; drop table clients",
    "copy clients to '{folder}/copied.csv'",
]  # tests/unit/test_queries.py has many more


def assert_only_reads(
    folder: Path, type_command: Type, query: Query, statements: list[str], *options: str
) -> None:
    """Asserts that statements end with 2 and a line or two, and that rows, tables and files are as before."""

    def everything() -> Any:
        tables = query(
            "select table_name from information_schema.tables where table_schema = 'harvest' order by 1"
        )
        return tables, query("select * from harvest.clients order by id"), sorted(folder.glob("*"))

    before = everything()
    assert len(before[1]) == 3
    for sql in statements:
        done = type_command("show", sql.format(folder=folder), *options)
        assert (done.code, done.out) == (2, ""), sql
        assert 1 <= len(done.err.splitlines()) <= 2, done.err
        assert everything() == before, sql
    assert type_command(
        "show", "select count(*) as n from clients;", "--json", *options
    ).json() == [{"n": 3}]


def test_show_only_reads_a_duckdb_file(tmp_path: Path, type_command: Type) -> None:
    """Neither functions that write, nor other files: copies, exports, attached databases, extensions, logs."""
    with serving(tiny()) as sandbox:
        type_command("--reports", "clients", harvest=sandbox)
    with duckdb.connect("harvest_pipeline.duckdb") as database:
        database.execute("create sequence harvest.numbers")

    def query(sql: str) -> list[Any]:
        with duckdb.connect("harvest_pipeline.duckdb", read_only=True) as database:
            return database.execute(sql).fetchall()

    own = [
        "attach 'other.duckdb' as other",
        "select nextval('harvest.numbers')",
        "select * from enable_logging('QueryLog', storage = 'file', storage_path = 'logs')",
    ]
    assert_only_reads(tmp_path, type_command, query, STATEMENTS + own)


def test_show_only_reads_postgres(
    tmp_path: Path, type_command: Type, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Functions of a user's own that write are refused by the server itself."""
    address = fresh_postgres_address(postgres)
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", address)
    with serving(tiny()) as sandbox:
        assert (
            type_command("--reports", "clients", "--destination", "postgres", harvest=sandbox).code
            == 0
        )

    def query(sql: str) -> list[Any]:
        with psycopg2.connect(address) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    query(
        "create function harvest.wipe() returns bigint language sql as 'delete from harvest.clients returning id'; select 1"
    )
    own = [
        "select harvest.wipe()",
        "select set_config('transaction_read_only', 'off', false), harvest.wipe()",
    ]
    assert_only_reads(tmp_path, type_command, query, STATEMENTS + own, "--destination", "postgres")


def test_show_only_reads_files(
    tmp_path: Path, type_command: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parquet files are read by a DuckDB in memory, which could write as well."""
    monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", (tmp_path / "files").as_uri())
    with serving(tiny()) as sandbox:
        assert (
            type_command(
                "--reports", "clients", "--destination", "filesystem", harvest=sandbox
            ).code
            == 0
        )
    before = sorted(tmp_path.rglob("*"))
    own = ["select * from enable_logging('QueryLog', storage = 'file', storage_path = 'logs')"]
    for sql in STATEMENTS + own:
        done = type_command("show", sql.format(folder=tmp_path), "--destination", "filesystem")
        assert (done.code, done.out) == (2, ""), sql
    assert [each for each in sorted(tmp_path.rglob("*")) if each not in before] == []
    done = type_command(
        "show", "select count(*) as n from clients", "--json", "--destination", "filesystem"
    )
    assert done.json() == [{"n": 3}]
