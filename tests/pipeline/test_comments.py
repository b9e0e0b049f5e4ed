"""Comments on tables and columns: set after a load, left where they are right, and never in the way of a run."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import dlt
import duckdb
import psycopg2
import pytest
from command_line import Type
from destinations import fresh_postgres_address, on
from faults_support import tiny
from pipelines import Make, make_pipeline, rows
from postgres_server import PASSWORD, USER, Postgres
from support import make_source, serving, sync_once

from harvest_sandbox import Sandbox
from harvest_source.catalogue.hints import deleted_at_column
from harvest_source.catalogue.reports import REPORTS
from harvest_source.catalogue.tables import all_tables
from harvest_source.destinations import comments, statements
from harvest_source.loading.declared import KEPT
from harvest_source.loading.syncing import sync
from harvest_source.reading.reader import Choice, Mode

# the same by other queries than the product's
THERE = {
    "duckdb": """
        select t.table_name, '', t.comment from duckdb_tables() t where t.schema_name = 'harvest' and t.table_name[:4] <> '_dlt'
        union all select t.table_name, c.column_name, c.comment from duckdb_columns() c
        join duckdb_tables() t using (schema_name, table_name)
        where schema_name = 'harvest' and t.table_name[:4] <> '_dlt' and c.column_name[:4] <> '_dlt'""",
    "postgres": """
        select relname, '', obj_description(oid, 'pg_class') from pg_class
        where relkind = 'r' and relnamespace = 'harvest'::regnamespace and relname not like '\\_dlt%'
        union all select c.relname, a.attname, col_description(c.oid, a.attnum) from pg_class c
        join pg_attribute a on a.attrelid = c.oid where c.relkind = 'r' and c.relnamespace = 'harvest'::regnamespace
        and a.attnum > 0 and not a.attisdropped and c.relname not like '\\_dlt%' and a.attname not like '\\_dlt%'""",
}
Told = dict[tuple[str, str], str | None]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with serving(tiny()) as serves:
        yield serves


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Gives the statements that are sent from now on."""
    found: list[str] = []

    def noted(client: Any, *texts: str) -> None:
        found.extend(texts)
        statements.execute_all(client, *texts)

    monkeypatch.setattr(comments, "execute_all", noted)
    return found


def expected(*names: str) -> Told:
    """Returns what the catalogue says of the tables of reports, or of all, and of those that the pipeline keeps."""
    told: Told = {}
    for table in all_tables(REPORTS):
        if not names or table.name.partition("__")[0] in names:
            told[table.name, ""] = table.description
            told |= {(table.name, each.name): each.description for each in table.columns}
            if "__" not in table.name:
                told[table.name, "deleted_at"] = deleted_at_column(keep=False)["description"]
    for hints, row in KEPT:
        told[hints["name"], ""] = row
        for name, column in hints["columns"].items():
            told[hints["name"], name] = column["description"]
    return told


def there(folder: Path, destination: str) -> Told:
    """Returns the comments in the database, of all tables and columns but those of dlt."""
    return {(table, column): text for table, column, text in rows(folder, THERE[destination])}


def execute(folder: Path, *statements: str) -> None:
    """Has the database do statements of a hand."""
    with make_pipeline(folder).sql_client() as client:
        for statement in statements:
            client.execute_sql(statement)


@pytest.mark.long
@on("duckdb", "postgres")
def test_every_table_and_column_has_its_comment_after_a_first_run(
    tmp_path: Path, destination: str, sandbox: Sandbox, sent: list[str]
) -> None:
    """Those that the pipeline keeps, too; a run with nothing to do sends no statement, nor does a full refresh."""
    assert sync_once(tmp_path, sandbox).notes == []
    assert there(tmp_path, destination) == expected()
    assert len(sent) == len(expected())
    sent.clear()
    for choice in (Choice(), Choice(mode=Mode.REPLACE)):
        assert sync_once(tmp_path, sandbox, choice=choice).notes == []
        assert sent == []
        assert there(tmp_path, destination) == expected()


@pytest.mark.long
@on("duckdb", "postgres")
def test_comments_of_chosen_reports_are_set_without_views_too(
    tmp_path: Path, destination: str, sandbox: Sandbox, sent: list[str]
) -> None:
    names = ("clients", "invoices")
    sync(make_pipeline(tmp_path), make_source(sandbox, *names), views=False)
    assert there(tmp_path, destination) == expected(*names)
    sent.clear()
    sync(make_pipeline(tmp_path), make_source(sandbox, "users"), views=False)
    assert there(tmp_path, destination) == expected(*names, "users")
    assert {statement.split()[3].split(".")[1].strip('"') for statement in sent} == {
        name for name, column in expected("users") if not column and name.startswith("users")
    }


@pytest.mark.long
@on("duckdb", "postgres")
def test_comment_that_a_hand_took_or_wrote_comes_back_and_one_on_its_own_column_stays(
    tmp_path: Path, destination: str, sandbox: Sandbox, sent: list[str]
) -> None:
    """So does one on a field that nobody documented, and on the view of somebody."""
    account = sandbox.accounts[0]
    account.update("clients", next(iter(account.rows["clients"])), mood="good")
    names = ("clients", "invoices")
    sync_once(tmp_path, sandbox, *names)
    execute(
        tmp_path,
        "comment on table harvest.clients is null",
        "comment on column harvest.invoices.number is 'what we call it'",
        "comment on column harvest.clients.mood is 'ours'",
        "alter table harvest.clients add column region varchar",
        "comment on column harvest.clients.region is 'where it is'",
        "create view harvest.mine as select name from harvest.clients",
        "comment on view harvest.mine is 'mine'",
    )
    sent.clear()
    account.update("clients", next(iter(account.rows["clients"])), name="Renamed")
    sync(make_pipeline(tmp_path), make_source(sandbox, *names), views=False)
    own = {("clients", "region"): "where it is", ("clients", "mood"): "ours"}
    assert there(tmp_path, destination) == expected(*names) | own
    assert len(sent) == 2
    views = {
        "duckdb": "select comment from duckdb_views() where view_name = 'mine'",
        "postgres": "select obj_description('harvest.mine'::regclass, 'pg_class')",
    }
    assert rows(tmp_path, views[destination]) == [("mine",)]


@pytest.mark.long
@on("duckdb", "postgres")
def test_table_and_column_that_are_made_anew_get_their_comments_again(
    tmp_path: Path, destination: str, sandbox: Sandbox
) -> None:
    names = ("invoices", "users")
    sync(make_pipeline(tmp_path), make_source(sandbox, *names), views=False)
    execute(
        tmp_path,
        "drop table harvest.invoices__line_items",
        "drop table harvest.calendar",
        "alter table harvest.users drop column email",
    )
    sync(make_pipeline(tmp_path), make_source(sandbox, *names), views=False)
    assert there(tmp_path, destination) == expected(*names)


@pytest.mark.long
@on("duckdb", "postgres")
@pytest.mark.parametrize("refresh", ["drop_resources", "drop_data"])
def test_plain_runs_set_no_comment_and_the_next_run_sets_what_their_refresh_dropped(
    tmp_path: Path, destination: str, sandbox: Sandbox, sent: list[str], refresh: Any
) -> None:
    names = ("clients", "users")
    sync_once(tmp_path, sandbox, *names)
    sent.clear()
    make_pipeline(tmp_path).run(make_source(sandbox, *names), refresh=refresh)
    assert sent == []
    sync_once(tmp_path, sandbox, *names)
    assert there(tmp_path, destination) == expected(*names)
    assert (sent == []) == (refresh == "drop_data")


@pytest.mark.long
@on("duckdb", "postgres")
def test_new_description_takes_the_place_of_an_older_one(
    tmp_path: Path, destination: str, sandbox: Sandbox, sent: list[str]
) -> None:
    """As after an update of the product; a sign that SQL knows is nothing special."""
    sync_once(tmp_path, sandbox, "clients")
    pipeline = make_pipeline(tmp_path)
    text = 'It\'s 100 % new; see "here" \\ -- and %s.'
    assert comments.set_comments(pipeline, {("clients", "name"): text}) == []
    assert there(tmp_path, destination)["clients", "name"] == text
    sent.clear()
    for place in (("clients", "no_such_column"), ("no_such_table", "")):
        assert comments.set_comments(pipeline, {place: text}) == []
    assert sent == []


def test_copy_of_a_duckdb_file_has_the_comments(tmp_path: Path, sandbox: Sandbox) -> None:
    """A copy by the system, and one by DuckDB itself; columns that are added later and rows that change leave them."""
    names = ("clients", "time_entries")
    sync_once(tmp_path, sandbox, *names)
    file = tmp_path / "harvest_pipeline.duckdb"
    shutil.copy(file, tmp_path / "copy.duckdb")
    with duckdb.connect(tmp_path / "third.duckdb") as database:
        database.execute(f"attach '{tmp_path / 'copy.duckdb'}' as here (read_only)")
        database.execute("copy from database here to third")
    for name in ("copy", "third"):
        with duckdb.connect(tmp_path / f"{name}.duckdb") as database:
            database.execute("alter table harvest.clients add column region varchar")
            database.execute("alter table harvest.clients drop column region")
            database.execute("update harvest.clients set name = 'other'")
            database.execute("delete from harvest.time_entries")
            database.execute("checkpoint")
            found = database.execute(THERE["duckdb"]).fetchall()
            assert {(table, column): text for table, column, text in found} == expected(*names)


def test_index_and_view_of_a_user_are_not_in_the_way(tmp_path: Path, sandbox: Sandbox) -> None:
    """DuckDB alters no table on which an index hangs; comments it sets."""
    sync_once(tmp_path, sandbox, "clients")
    execute(
        tmp_path,
        "create index mine on harvest.clients (name)",
        "create view harvest.seen as select name from harvest.clients",
        "comment on column harvest.clients.name is 'other'",
        "comment on table harvest.clients is 'other'",
    )
    assert sync_once(tmp_path, sandbox, "clients").notes == []
    assert there(tmp_path, "duckdb") == expected("clients")


def test_role_that_may_not_comment_is_a_note(
    tmp_path: Path, postgres: Postgres, load_into: Callable[[Make], None], sandbox: Sandbox
) -> None:
    """Where another role owns a table: its rows are loaded all the same, and the comments of the others are set."""
    address = fresh_postgres_address(postgres)
    load_into(lambda _folder, _name: dlt.destinations.postgres(address))
    names = ("clients", "users")
    sync_once(tmp_path, sandbox, *names)
    role = "commenter"
    with closing(psycopg2.connect(address)) as connection, connection.cursor() as cursor:
        cursor.execute(f"create role {role} login password '{PASSWORD}'")
        for table in ("clients", "users", "users__roles"):
            cursor.execute(f"comment on table harvest.{table} is 'other'")
        cursor.execute(f"grant usage, create on schema harvest, harvest_staging to {role}")
        cursor.execute(f"grant all on all tables in schema harvest, harvest_staging to {role}")
        cursor.execute(f"alter table harvest.users owner to {role}")
        connection.commit()
    as_loader = address.replace(f"//{USER}:", f"//{role}:", 1)
    load_into(lambda _folder, _name: dlt.destinations.postgres(as_loader))
    account = sandbox.accounts[0]
    account.update("clients", next(iter(account.rows["clients"])), name="Renamed")
    source = make_source(sandbox, *names)
    summary = sync(make_pipeline(tmp_path), source, views=False)
    assert summary.exit_code == 0
    (note,) = summary.notes
    assert note.startswith("comments not set, since the database refuses (")
    assert "must be owner of" in note
    assert note.endswith("): clients, users__roles")
    told = there(tmp_path, "postgres")
    assert told["clients", ""] == told["users__roles", ""] == "other"
    assert told["users", ""] == expected()["users", ""]
    assert ("Renamed",) in rows(tmp_path, "select name from harvest.clients")
    with closing(psycopg2.connect(address)) as connection, connection.cursor() as cursor:
        cursor.execute(f"reassign owned by {role} to {USER}")
        cursor.execute(f"drop owned by {role}")
        cursor.execute(f"drop role {role}")
        connection.commit()


def test_verify_that_repairs_nothing_sets_none(
    type_command: Type, sandbox: Sandbox, tmp_path: Path
) -> None:
    chosen = ("--reports", "clients")
    assert type_command("run", *chosen, harvest=sandbox).code == 0
    execute(tmp_path, "comment on table harvest.clients is 'other'")
    assert type_command("verify", "--no-repair", *chosen, harvest=sandbox).code == 0
    assert there(tmp_path, "duckdb")["clients", ""] == "other"
    assert type_command("verify", *chosen, harvest=sandbox).code == 0
    assert there(tmp_path, "duckdb") == expected("clients")


@on("filesystem", "sqlite")
def test_destinations_without_comments_are_left_alone(
    tmp_path: Path, sandbox: Sandbox, sent: list[str]
) -> None:
    assert sync_once(tmp_path, sandbox, "clients").notes == []
    assert sent == []
