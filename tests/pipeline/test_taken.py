"""A dataset that is taken, by the database file's own name or by tables of another tool, is refused before anything is read."""

from __future__ import annotations

from pathlib import Path

import duckdb
import psycopg2
import pytest
from command_line import Type
from destinations import fresh_postgres_address
from postgres_server import Postgres
from second_harvest import Asked, by_hand

from harvest_source.catalogue.reports import NAMES

FILES = {
    "the dataset's name": ("harvest.duckdb", "harvest"),
    "in other letters": ("data/HARVEST.db", "harvest"),
    "the staging dataset's name": ("harvest_staging.duckdb", "harvest"),
    "the file's name as a dataset": ("", "harvest_pipeline"),
}


def only_looks(asked: list[Asked]) -> bool:
    """Returns whether nothing was read but who asks, and what the account is."""
    return not {each.path for each in asked} & set(NAMES) - {"company"}


@pytest.mark.parametrize("case", FILES)
def test_file_and_dataset_of_one_name_are_refused(
    tmp_path: Path, type_command: Type, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    """By `run` and by `check`, with 2 and the remedy; no file is made."""
    file, dataset = FILES[case]
    if file:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", file)
    with by_hand(users=3, invoices=1, entries=2) as harvest:
        for command in (["run", "--quiet"], ["check", "--quiet"]):
            done = type_command(*command, "--dataset", dataset, harvest=harvest)
            assert done.code == 2
            assert "have one name, which DuckDB cannot tell apart" in done.err
            assert "give another --dataset" in done.err
            assert command[0] == "check" or only_looks(harvest.requests)
    assert not [each for each in tmp_path.rglob("*") if each.suffix in {".duckdb", ".db"}]


def test_file_whose_name_only_begins_like_the_dataset_is_fine(
    type_command: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB takes the name up to the first dot."""
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", "harvest_2.duckdb")
    with by_hand(users=3, invoices=1, entries=2) as harvest:
        assert type_command("--reports", "clients", harvest=harvest).code == 0


def assert_refused(type_command: Type, *options: str) -> None:
    """Asserts that run and check refuse the dataset, and that another one is loaded."""
    with by_hand(users=3, invoices=1, entries=2) as harvest:
        for command in (["run", "--quiet"], ["check", "--quiet"]):
            done = type_command(*command, *options, harvest=harvest)
            assert done.code == 2, done.err
            assert (
                "dataset harvest has tables of another tool (clients, load_report): give another one with --dataset"
                in done.err
            )
            assert command[0] == "check" or only_looks(harvest.requests)
        assert (
            type_command(
                "--reports", "clients", "--dataset", "mine", *options, harvest=harvest
            ).code
            == 0
        )


FOREIGN = (
    "create schema harvest",
    "create table harvest.clients (id bigint, name text)",
    "insert into harvest.clients values (1, 'of another tool')",
    "create view harvest.load_report as select 1 as id",
    "create table harvest.customers (id bigint)",
)


def test_tables_of_another_tool_in_a_duckdb_file_are_refused(type_command: Type) -> None:
    """One line that names them; they stay as they are, and another of the tool's tables is no reason."""
    with duckdb.connect("harvest_pipeline.duckdb") as database:
        for sql in FOREIGN:
            database.execute(sql)
    assert_refused(type_command)
    with duckdb.connect("harvest_pipeline.duckdb") as database:
        assert database.execute("select * from harvest.clients").fetchall() == [
            (1, "of another tool")
        ]
        database.execute("drop table harvest.clients")
        database.execute("drop view harvest.load_report")
    with by_hand(users=3, invoices=1, entries=2) as harvest:
        assert type_command("--reports", "clients", harvest=harvest).code == 0


def test_tables_of_another_tool_in_postgres_are_refused(
    type_command: Type, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in DuckDB."""
    address = fresh_postgres_address(postgres)
    connection = psycopg2.connect(address)
    with connection, connection.cursor() as cursor:
        for sql in FOREIGN:
            cursor.execute(sql)
    connection.close()
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", address)
    assert_refused(type_command, "--destination", "postgres")


def test_table_that_another_tool_makes_later_is_refused(type_command: Type) -> None:
    """In the run that would load its report for the first time; the reports that are loaded go on without it."""
    with by_hand(users=3, invoices=1, entries=2) as harvest:
        assert type_command("--reports", "clients", harvest=harvest).code == 0
        with duckdb.connect("harvest_pipeline.duckdb") as database:
            database.execute("create table harvest.tasks as select 1 as id")
        assert type_command("--reports", "clients", harvest=harvest).code == 0
        done = type_command("--reports", "clients,tasks", harvest=harvest)
        assert (done.code, "tables of another tool (tasks)" in done.err) == (2, True)


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("calendar", "day date, holiday text"),
        ("calendar", "day date, is_working_day boolean, holiday text"),
        ("calendar", "id bigint"),
        ("budget_history", "account_id bigint, day date, budget decimal"),
    ],
)
def test_table_of_another_tool_under_a_likely_name_is_refused(
    type_command: Type, table: str, columns: str
) -> None:
    """Others may well have theirs under it; a first run and `check` leave it as it is."""
    with duckdb.connect("harvest_pipeline.duckdb") as database:
        database.execute("create schema harvest")
        database.execute(f"create table harvest.{table} ({columns})")
    with by_hand(users=3, invoices=1, entries=2) as harvest:
        for command in ("run", "check"):
            done = type_command(command, "--quiet", harvest=harvest)
            assert (done.code, f"tables of another tool ({table})" in done.err) == (2, True)
        with duckdb.connect("harvest_pipeline.duckdb") as database:
            described = database.execute(f"describe harvest.{table}").fetchall()
            database.execute(f"drop table harvest.{table}")
        assert len(described) == len(columns.split(","))
        for command in ("run", "check"):
            assert "another tool" not in type_command(command, "--quiet", harvest=harvest).err
        with duckdb.connect("harvest_pipeline.duckdb") as database:
            assert database.execute("select count(*) > 0 from harvest.calendar").fetchone() == (
                True,
            )
