"""Views of the figures: made after a load, left as they are where nothing changed, and never in the way of tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import dlt
import psycopg2
import pytest
from command_line import Type
from destinations import fresh_postgres_address, long, on
from dlt.pipeline.exceptions import PipelineStepFailed
from faults_support import tiny
from pipelines import Make, make_pipeline, rows
from postgres_server import Postgres
from support import make_source, serving, sync_once

from harvest_sandbox import Sandbox
from harvest_source.destinations import views
from harvest_source.figures import sql
from harvest_source.figures.figures import BY_NAME, FIGURES
from harvest_source.loading.summary import Summary
from harvest_source.loading.syncing import sync
from harvest_source.reading.reader import Choice, Mode

VIEWS = {figure.name for figure in FIGURES}
BY_HAND = "by hand"
# name and comment of each view
STANDING = {
    "duckdb": "select view_name, comment from duckdb_views() where schema_name = 'harvest'",
    "postgres": """select relname, obj_description(oid, 'pg_class') from pg_class
        where relkind = 'v' and relnamespace = 'harvest'::regnamespace""",
}
COMMENTS = {
    "duckdb": "select table_name, column_name, comment from duckdb_columns() where schema_name = 'harvest'",
    "postgres": """select c.relname, a.attname, col_description(c.oid, a.attnum) from pg_class c
        join pg_attribute a on a.attrelid = c.oid where c.relnamespace = 'harvest'::regnamespace""",
}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with serving(tiny()) as serves:
        yield serves


@pytest.fixture
def postgres_address(postgres: Postgres, load_into: Callable[[Make], None]) -> str:
    """Has the test load into Postgres; returns the address of the database."""
    address = fresh_postgres_address(postgres)
    load_into(lambda _folder, _name: dlt.destinations.postgres(address))
    return address


def execute(address: str, *statements: str) -> list[tuple[Any, ...]]:
    """Has Postgres do statements in a session of its own; returns what the last one answers."""
    with closing(psycopg2.connect(address)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []


def standing(folder: Path, destination: str) -> dict[str, str]:
    """Returns the comment of each view."""
    return dict(rows(folder, STANDING[destination]))


def touch(folder: Path) -> None:
    """Has a column of each view a comment that goes where the view is made anew."""
    with make_pipeline(folder).sql_client() as client:
        for name in VIEWS:
            client.execute_sql(f"comment on column harvest.{name}.account_id is '{BY_HAND}'")


def untouched(folder: Path, destination: str) -> set[str]:
    """Returns the views that were not made anew since then."""
    return {name for name, _, text in rows(folder, COMMENTS[destination]) if text == BY_HAND}


def kept(summary: Summary) -> list[str]:
    """Returns what a run that loads everything says; nothing is amiss with a table."""
    assert summary.exit_code == 0
    assert not [each.error for each in summary.results if each.error]
    return summary.notes


def rename_column(monkeypatch: pytest.MonkeyPatch, name: str, before: str, after: str) -> None:
    """Has a figure's column another name, as in a later version of the product."""
    text = sql.TEXTS[name]
    assert text.count(f" as {before},") == 1
    texts: Any = sql.TEXTS
    monkeypatch.setitem(texts, name, text.replace(f" as {before},", f" as {after},"))
    figure = BY_NAME[name]
    columns = tuple(
        replace(each, name=after) if each.name == before else each for each in figure.columns
    )
    changed = replace(figure, columns=columns)
    monkeypatch.setattr(
        views, "FIGURES", tuple(changed if each is figure else each for each in FIGURES)
    )


def columns_of(folder: Path, view: str) -> list[str]:
    query = f"""select column_name from information_schema.columns
        where table_schema = 'harvest' and table_name = '{view}' order by ordinal_position"""
    return [name for (name,) in rows(folder, query)]


@on("duckdb", "postgres")
def test_every_figure_is_a_view_with_comments(
    tmp_path: Path, destination: str, sandbox: Sandbox
) -> None:
    """With the columns of the catalogue, and the rows of the select."""
    assert kept(sync_once(tmp_path, sandbox)) == []
    found = standing(tmp_path, destination)
    assert found.keys() == VIEWS
    told = {(name, column): text for name, column, text in rows(tmp_path, COMMENTS[destination])}
    for figure in FIGURES:
        assert found[figure.name].startswith(figure.question)
        assert columns_of(tmp_path, figure.name) == [each.name for each in figure.columns]
        for column in figure.columns:
            assert told[figure.name, column.name] == column.description
        select = sql.select_of(figure.name, lambda table: f"harvest.{table}", destination)
        key = ", ".join(figure.key)
        in_view = rows(tmp_path, f"select * from harvest.{figure.name} order by {key}")
        assert in_view == rows(tmp_path, f"select * from ({select}) as s order by {key}")
    assert rows(tmp_path, "select count(*) from harvest.tracked_time") == [(40,)]


@pytest.mark.long
@on("duckdb", "postgres")
def test_second_run_and_full_refresh_leave_the_views(
    tmp_path: Path, destination: str, sandbox: Sandbox
) -> None:
    """Of a run with nothing to do and of one that writes every row anew."""
    sync_once(tmp_path, sandbox)
    touch(tmp_path)
    hours = rows(tmp_path, "select sum(hours), count(*) from harvest.tracked_time")
    for choice in (Choice(), Choice(mode=Mode.REPLACE)):
        assert kept(sync_once(tmp_path, sandbox, choice=choice)) == []
        assert untouched(tmp_path, destination) == VIEWS
        assert rows(tmp_path, "select sum(hours), count(*) from harvest.tracked_time") == hours


@on("duckdb", long("postgres"))
def test_new_column_at_harvest_does_not_disturb_the_views(
    tmp_path: Path, destination: str, sandbox: Sandbox
) -> None:
    sync_once(tmp_path, sandbox)
    touch(tmp_path)
    account = sandbox.accounts[0]
    client = next(iter(account.rows["clients"]))
    account.update("clients", client, name="Renamed", mood="good")
    summary = sync_once(tmp_path, sandbox)
    assert summary.new_fields == ["clients.mood"]
    assert kept(summary) == []
    assert untouched(tmp_path, destination) == VIEWS
    named = f"select distinct client_name from harvest.budget_burn where client_id = {client}"
    assert rows(tmp_path, named) == [("Renamed",)]


@on("duckdb", long("postgres"))
def test_view_that_is_gone_comes_back_and_no_other_is_touched(
    tmp_path: Path, destination: str, sandbox: Sandbox
) -> None:
    sync_once(tmp_path, sandbox)
    before = standing(tmp_path, destination)
    touch(tmp_path)
    with make_pipeline(tmp_path).sql_client() as client:
        client.execute_sql("drop view harvest.invoiced")
    assert kept(sync_once(tmp_path, sandbox)) == []
    assert standing(tmp_path, destination) == before
    assert untouched(tmp_path, destination) == VIEWS - {"invoiced"}


@pytest.mark.long
@on("duckdb", "postgres")
def test_renamed_column_of_a_figure_is_renamed_in_its_view(
    tmp_path: Path, destination: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Postgres would not replace the view."""
    sync_once(tmp_path, sandbox)
    invoiced = rows(tmp_path, "select sum(tax) from harvest.invoiced")
    rename_column(monkeypatch, "invoiced", "tax", "taxes")
    assert kept(sync_once(tmp_path, sandbox)) == []
    assert "tax" not in columns_of(tmp_path, "invoiced")
    assert rows(tmp_path, "select sum(taxes) from harvest.invoiced") == invoiced
    told = {(name, column): text for name, column, text in rows(tmp_path, COMMENTS[destination])}
    assert told["invoiced", "taxes"] == "Both taxes, already in invoiced."
    touch(tmp_path)
    assert kept(sync_once(tmp_path, sandbox)) == []
    assert untouched(tmp_path, destination) == VIEWS


@pytest.mark.long
def test_readers_may_read_a_view_that_was_made_anew(
    tmp_path: Path, postgres_address: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it was replaced or dropped and made again: also by other roles with odd names, and to hand on."""
    sync_once(tmp_path, sandbox)
    reader, boss = 'odd "reader"', "boss"
    execute(
        postgres_address,
        'create role "odd ""reader""" login',
        "create role boss",
        'grant usage on schema harvest to "odd ""reader""", boss',
        'grant select on harvest.invoiced, harvest.receivables to "odd ""reader"""',
        "grant select on harvest.invoiced to boss with grant option",
        "grant select on harvest.receivables to public",
    )
    rights = """select grantee, table_name, privilege_type, is_grantable from information_schema.role_table_grants
        where table_name in ('invoiced', 'receivables') and table_schema = 'harvest' order by 1, 2, 3"""
    before = execute(postgres_address, rights)
    assert {reader, boss, "PUBLIC"} <= {row[0] for row in before}
    numbers = "select 'harvest.invoiced'::regclass::oid, 'harvest.receivables'::regclass::oid"
    ((invoiced, receivables),) = execute(postgres_address, numbers)
    touch(tmp_path)
    rename_column(monkeypatch, "invoiced", "tax", "taxes")
    monkeypatch.setattr(views, "VERSION", "later")  # has all be made anew
    assert kept(sync_once(tmp_path, sandbox)) == []
    assert untouched(tmp_path, "postgres") == set()
    ((dropped, replaced),) = execute(postgres_address, numbers)
    assert (dropped != invoiced, replaced == receivables) == (True, True)
    assert execute(postgres_address, rights) == before
    as_reader = ('set role "odd ""reader"""', "select count(*) > 0 from harvest.invoiced")
    assert execute(postgres_address, *as_reader) == [(True,)]
    execute(postgres_address, 'drop owned by "odd ""reader""", boss')
    execute(postgres_address, 'drop role "odd ""reader"""', "drop role boss")


@pytest.mark.long
def test_rights_on_columns_stay_and_rights_that_were_taken_away_do_not_come_back(
    tmp_path: Path, postgres_address: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a view is dropped and made again, also where others read new views by default; a column that goes takes its own."""
    reader, boss = 'odd "reader"', "boss"
    sync_once(tmp_path, sandbox, "clients")
    execute(
        postgres_address,
        'create role "odd ""reader""" login',
        "create role boss",
        'alter default privileges in schema harvest grant select, update on tables to "odd ""reader""", boss',
    )
    sync_once(tmp_path, sandbox)
    execute(
        postgres_address,
        'revoke select, update on harvest.invoiced from "odd ""reader"""',
        "revoke update on harvest.invoiced from boss",
        'grant select (month, tax, net) on harvest.invoiced to "odd ""reader"""',
        "grant select (month) on harvest.invoiced to public",
        "grant update (net) on harvest.invoiced to boss with grant option",
    )
    rights = """select distinct grantee, column_name, privilege_type, is_grantable from information_schema.column_privileges
        where table_name = 'invoiced' and table_schema = 'harvest' and grantee <> grantor"""
    before = {*execute(postgres_address, rights)}
    assert {row for row in before if row[0] == reader} == {
        (reader, name, "SELECT", "NO") for name in ("month", "tax", "net")
    }
    assert {row for row in before if row[2] == "UPDATE"} == {(boss, "net", "UPDATE", "YES")}
    assert ("PUBLIC", "month", "SELECT", "NO") in before
    rename_column(monkeypatch, "invoiced", "tax", "taxes")
    assert kept(sync_once(tmp_path, sandbox)) == []
    after = {*execute(postgres_address, rights)}
    assert after == {row for row in before if row[1] != "tax"} | {(boss, "taxes", "SELECT", "NO")}
    execute(postgres_address, 'drop owned by "odd ""reader""", boss')
    execute(postgres_address, 'drop role "odd ""reader"""', "drop role boss")


@pytest.mark.long
def test_view_on_which_another_hangs_stays_as_it_was_and_the_run_goes_on(
    tmp_path: Path, postgres_address: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said which; once that is gone, the view is made anew."""
    sync_once(tmp_path, sandbox)
    own = "create view public.mine as select month, tax from harvest.invoiced"
    execute(postgres_address, own, "create view public.other as select 1 from public.mine")
    mine = execute(postgres_address, "select * from public.mine order by 1, 2")
    rename_column(monkeypatch, "invoiced", "tax", "taxes")
    (note,) = kept(sync_once(tmp_path, sandbox))
    assert note.startswith(
        "view invoiced stays as it was: it is used by mine; drop that and run again ("
    )
    assert execute(postgres_address, "select * from public.mine order by 1, 2") == mine
    assert standing(tmp_path, "postgres").keys() == VIEWS
    execute(postgres_address, "drop view public.other", "drop view public.mine")
    assert kept(sync_once(tmp_path, sandbox)) == []
    assert "taxes" in columns_of(tmp_path, "invoiced")


@pytest.mark.long
@on("duckdb", "postgres")
@pytest.mark.parametrize(
    "statement",
    [
        "create table harvest.invoiced (own integer)",
        "create view harvest.invoiced as select 1 as own",
    ],
)
def test_what_is_somebody_elses_is_left_alone(
    tmp_path: Path, destination: str, sandbox: Sandbox, statement: str
) -> None:
    """A table or view of a figure's name that was there before."""
    no_views = make_source(sandbox)
    sync(make_pipeline(tmp_path), no_views, views=False)
    with make_pipeline(tmp_path).sql_client() as client:
        client.execute_sql(statement)
    (note,) = kept(sync_once(tmp_path, sandbox))
    assert note.startswith("views not made, since something that is not this product's has their")
    assert note.endswith(": invoiced")
    assert columns_of(tmp_path, "invoiced") == ["own"]
    assert standing(tmp_path, destination).keys() | {"invoiced"} == VIEWS


@pytest.mark.long
def test_view_of_a_figures_name_in_other_letters_is_left_alone(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    """For DuckDB both are one name."""
    sync(make_pipeline(tmp_path), make_source(sandbox), views=False)
    with make_pipeline(tmp_path).sql_client() as client:
        client.execute_sql('create view harvest."Invoiced" as select 1 as own')
    (note,) = kept(sync_once(tmp_path, sandbox))
    assert note.endswith(": invoiced")
    assert rows(tmp_path, "select own from invoiced") == [(1,)]


@pytest.mark.long
@on("duckdb", "postgres")
def test_view_whose_tables_are_not_there_is_not_made_which_is_said_once(
    tmp_path: Path, destination: str, sandbox: Sandbox
) -> None:
    few = ("clients", "invoices", "invoice_payments", "time_entries")
    (note,) = kept(sync_once(tmp_path, sandbox, *few))
    told, _, names = note.partition(": ")
    assert told.startswith("views not made, since tables are not there (company, expenses, ")
    assert "clients" not in told
    made = standing(tmp_path, destination).keys()
    assert made == {"invoiced", "receivables"}
    assert {*names.split(", ")} | made == VIEWS
    assert kept(sync_once(tmp_path, sandbox, *few)) == []
    assert kept(sync_once(tmp_path, sandbox)) == []
    assert standing(tmp_path, destination).keys() == VIEWS


@pytest.mark.long
def test_select_that_the_database_refuses_is_said_and_the_run_goes_on(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: Any = sql.TEXTS
    text = sql.TEXTS["invoiced"].replace("i.issue_date", "i.no_such_column")
    monkeypatch.setitem(texts, "invoiced", text)
    (note,) = kept(sync_once(tmp_path, sandbox))
    assert note.startswith("view invoiced is not made: ")
    assert "no_such_column" in note
    assert standing(tmp_path, "duckdb").keys() == VIEWS - {"invoiced"}


@pytest.mark.long
def test_dataset_in_capitals_has_views_comments_and_own_columns(
    tmp_path: Path, postgres: Postgres, sandbox: Sandbox
) -> None:
    """Kept as typed where dlt is told so; on Postgres dlt writes it in small letters all the same."""
    address = fresh_postgres_address(postgres)

    def pipeline() -> dlt.Pipeline:
        destination = dlt.destinations.postgres(address, enable_dataset_name_normalization=False)
        folder = str(tmp_path / "state")
        return dlt.pipeline(
            "capitals", destination=destination, dataset_name="My-Data", pipelines_dir=folder
        )

    account = sandbox.accounts[0]
    assert kept(sync(pipeline(), make_source(sandbox))) == []
    told = """select count(obj_description(oid, 'pg_class')) from pg_class
        where relnamespace = '"my-data"'::regnamespace and relname in ('clients', 'invoiced')"""
    assert execute(address, told) == [(2,)]
    unknown = """select count(*) from pg_stat_user_tables
        where schemaname = 'my-data' and relname = 'time_entries' and last_analyze is null and last_autoanalyze is null"""
    assert execute(address, unknown) == [(0,)]
    execute(
        address,
        'alter table "my-data".clients add column note varchar',
        """update "my-data".clients set note = 'mine'""",
    )
    for key in list(account.rows["clients"]):
        account.update("clients", key, address="changed")
    assert kept(sync(pipeline(), make_source(sandbox))) == []
    notes = 'select distinct note, address from "my-data".clients'
    assert execute(address, notes) == [("mine", "changed")]
    assert execute(address, 'select count(*) > 0 from "my-data".invoiced') == [(True,)]


@pytest.mark.long
def test_files_have_no_views_and_nothing_is_said(
    tmp_path: Path, sandbox: Sandbox, load_into: Callable[[Make], None]
) -> None:
    load_into(lambda folder, _name: dlt.destinations.filesystem((folder / "files").as_uri()))
    assert kept(sync_once(tmp_path, sandbox)) == []


@pytest.mark.long
def test_no_views_leaves_them_out_and_verify_makes_none(
    type_command: Type, sandbox: Sandbox, tmp_path: Path
) -> None:
    done = type_command("--no-views", harvest=sandbox)
    assert (done.code, "view" in done.err) == (0, False)
    assert type_command("verify", harvest=sandbox).code == 0
    assert standing(tmp_path, "duckdb") == {}
    assert type_command("run", harvest=sandbox).code == 0
    assert standing(tmp_path, "duckdb").keys() == VIEWS
    assert type_command("--no-views", harvest=sandbox).code == 0
    assert standing(tmp_path, "duckdb").keys() == VIEWS


# what a plain load asks dlt for, whether dlt drops tables for it, and which
DROPS: dict[str, tuple[dict[str, Any], set[str] | None]] = {
    "drop_sources": ({"refresh": "drop_sources"}, None),
    "drop_resources": ({"refresh": "drop_resources"}, {"users"}),
    "drop_data": ({"refresh": "drop_data"}, set()),
    "staging-optimized": ({"write_disposition": "replace"}, {"users"}),
    "insert-from-staging": ({"write_disposition": "replace"}, set()),
}


@pytest.mark.long
@pytest.mark.parametrize("name", DROPS)
def test_views_make_way_for_the_tables_that_dlt_drops_and_no_others_do(
    tmp_path: Path,
    postgres_address: str,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    """The next run makes them anew; the others stay, with the rights on them."""
    sync_once(tmp_path, sandbox)
    touch(tmp_path)
    monkeypatch.setenv("DESTINATION__POSTGRES__REPLACE_STRATEGY", name)
    asked, dropped = DROPS[name]
    if "refresh" in asked:
        monkeypatch.delenv("DESTINATION__POSTGRES__REPLACE_STRATEGY")
    make_pipeline(tmp_path).run(make_source(sandbox, "users"), **asked)
    assert execute(postgres_address, "select count(*) from harvest.users") == [(4,)]
    left = {each for each in VIEWS if dropped is not None and not dropped & {*sql.tables_of(each)}}
    assert standing(tmp_path, "postgres").keys() == left
    assert (left == VIEWS) == (dropped == set())
    assert kept(sync_once(tmp_path, sandbox)) == []
    assert standing(tmp_path, "postgres").keys() == VIEWS
    assert untouched(tmp_path, "postgres") == left


@pytest.mark.long
def test_refresh_never_drops_a_users_view(
    tmp_path: Path, postgres_address: str, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    sync_once(tmp_path, sandbox)
    execute(postgres_address, "create view public.mine as select month from harvest.invoiced")
    source = make_source(sandbox, "clients")
    with pytest.raises(PipelineStepFailed, match="depends on table clients"):
        make_pipeline(tmp_path).run(source, refresh="drop_resources")
    assert "view invoiced is not dropped: it is used by mine;" in caplog.text
    assert execute(postgres_address, "select count(*) > 0 from public.mine") == [(True,)]
