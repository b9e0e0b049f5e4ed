"""What only Postgres has: indexes, a server that goes away in the middle, other programs that read at the same time."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import dlt
import psycopg2
import pytest
from command_line import Type, command, environment, started, without_announcement
from compare import assert_equal
from destinations import fresh_postgres_address, on, started_postgres
from dlt.destinations.impl.postgres.sql_client import Psycopg2SqlClient
from faults_support import edit_all, errors_of, tiny
from pipelines import Make, rows
from postgres_server import PASSWORD, Postgres
from support import serving, sync_once

from harvest_sandbox import Fault, Request, Sandbox
from harvest_source.catalogue.report import parent_id_column
from harvest_source.catalogue.reports import REPORTS
from harvest_source.errors import LoadFailedError

PATIENCE_SECONDS = 60.0
FEW_CRASHES = 5  # a run of two reports meets more of them
# Postgres' client library prints them where they reach it in time
SERVERS_OWN_WORDS = "WARNING:  terminating connection"


@pytest.fixture
def own_postgres(load_into: Callable[[Make], None]) -> Iterator[tuple[Postgres, str]]:
    """Gives a server that a test may stop, and the address of a database in it, into which the test loads."""
    with started_postgres() as server:
        address = server.make_database("own")
        load_into(lambda _folder, _name: dlt.destinations.postgres(address))
        yield server, address


def wait_for_table(process: subprocess.Popen[str], address: str, table: str) -> None:
    """Waits until another program made a table in the staging dataset, or ended."""
    until = time.monotonic() + PATIENCE_SECONDS
    connection = psycopg2.connect(address)
    connection.autocommit = True
    with connection.cursor() as cursor:
        found = None
        while not found and process.poll() is None and time.monotonic() < until:
            cursor.execute("select to_regclass(%s)", (f"harvest_staging.{table}",))
            found = (cursor.fetchone() or [None])[0]
            time.sleep(0.005)
    connection.close()
    assert found, f"{table} was never made"


ENDS: dict[str, Callable[[subprocess.Popen[str], Postgres], Any]] = {
    "the server crashes": lambda _process, server: server.stop("immediate"),
    "the connections are cut": lambda _process, server: server.stop("fast"),
    "the run is killed": lambda process, _server: process.kill(),
}


@pytest.mark.long
@pytest.mark.parametrize("name", ENDS)
def test_load_that_breaks_in_the_middle_is_complete_after_the_next_run(
    tmp_path: Path, own_postgres: tuple[Postgres, str], name: str
) -> None:
    """Exit 1 and one line where the server went; the next run ends equal, nothing twice, no password anywhere."""
    server, address = own_postgres
    with serving(tiny()) as sandbox:
        env = {**environment(sandbox), "DESTINATION__POSTGRES__CREDENTIALS": address}
        with started(tmp_path, "--destination", "postgres", "--quiet", env=env) as process:
            wait_for_table(process, address, "users")
            ENDS[name](process, server)
            _, said = process.communicate(timeout=PATIENCE_SECONDS)
        if name != "the run is killed":
            assert process.returncode == 1, said
            lines = [
                line
                for line in without_announcement(said).splitlines()
                if not line.startswith(SERVERS_OWN_WORDS)
            ]
            assert len(lines) == 1
            assert lines[0].startswith("error: the destination")
            assert PASSWORD not in said
            server.start()
        done = command(tmp_path, "--destination", "postgres", "--quiet", "--json", env=env)
        assert done.returncode == 0, done.stderr
        assert {each["error"] for each in json.loads(done.stdout)["reports"]} == {None}
        assert_equal(tmp_path, sandbox)
    assert not [
        path
        for path in tmp_path.rglob("*")
        if path.is_file() and PASSWORD.encode() in path.read_bytes()
    ]


MOMENTS: dict[str, Callable[[Request], bool]] = {
    "while a list is read": lambda request: "updated_since" in request.query,
    "while keys are compared": lambda request: (
        "updated_since" not in request.query and request.query.get("per_page") != "1"
    ),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_server_that_goes_between_loads_is_a_destination_that_cannot_be_used(
    tmp_path: Path, own_postgres: tuple[Postgres, str], moment: str
) -> None:
    """Not only loads meet a server that went: whatever a run asks it, the error is the destination's, in one line."""
    server, _ = own_postgres

    def go_while_keys_are_read(request: Request) -> None:
        if request.path == "/v2/clients" and MOMENTS[moment](request):
            sandbox.before_answer = None
            server.stop("immediate")

    account = tiny()
    with serving(account) as sandbox:
        assert errors_of(sync_once(tmp_path, sandbox, "clients")) == {}
        account.delete("clients", next(iter(account.rows["clients"])))
        sandbox.before_answer = go_while_keys_are_read
        with pytest.raises(
            LoadFailedError,
            match=r"^the destination cannot be used: .*; .* the next run continues from there$",
        ):
            sync_once(tmp_path, sandbox, "clients")
        assert sandbox.before_answer is None
        server.start()
        assert errors_of(sync_once(tmp_path, sandbox, "clients")) == {}
        assert_equal(tmp_path, sandbox, "clients")


@pytest.mark.long
def test_server_that_goes_before_any_statement_of_a_run_is_said_in_one_line(
    tmp_path: Path, own_postgres: tuple[Postgres, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server crashes before a run's first statement, its seventh and so on, connections included; each next run is equal."""
    server, _ = own_postgres
    account, left, said = tiny(), [0], list[str]()

    def counted(do: Callable[..., Any]) -> Callable[..., Any]:
        def crash_first(*arguments: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                server.stop("immediate")
            return do(*arguments, **options)

        return crash_first

    for name in ("open_connection", "execute_query"):
        monkeypatch.setattr(Psycopg2SqlClient, name, counted(getattr(Psycopg2SqlClient, name)))
    with serving(account) as sandbox:
        for statement in range(1, 1000, 7):
            edit_all(account, f"before statement {statement}")
            left[0] = statement
            try:
                sync_once(tmp_path, sandbox, "clients", "invoices")
            except LoadFailedError as error:
                said.append(str(error))
            if left[0] > 0:
                break  # the run has no more statements
            server.start()
            assert errors_of(sync_once(tmp_path, sandbox, "clients", "invoices")) == {}
            assert_equal(tmp_path, sandbox, "clients", "invoices")
    assert len(said) > FEW_CRASHES
    assert [
        each
        for each in said
        if not re.fullmatch(r"the destination .*; .* the next run continues from there", each)
    ] == []


@on("postgres")
def test_first_run_in_which_nothing_can_be_read_says_why(tmp_path: Path) -> None:
    """There is no table yet that could have an index."""
    with serving(tiny()) as sandbox:
        sandbox.faults.append(Fault(path="/v2/clients$", status=403, times=None))
        assert "403" in errors_of(sync_once(tmp_path, sandbox, "clients"))["clients"]


@pytest.mark.long
@on("postgres")
def test_keys_and_parents_are_indexed(tmp_path: Path) -> None:
    """Merges and comparisons look rows up by key, list elements by their row; a second run makes no index anew."""
    with serving(tiny()) as sandbox:
        for _ in range(2):
            assert errors_of(sync_once(tmp_path, sandbox)) == {}
    query = "select tablename, indexdef from pg_indexes where schemaname = 'harvest' and indexname like '%\\_by\\_%'"
    found = [(table, text.rpartition("(")[2].rstrip(")")) for table, text in rows(tmp_path, query)]
    for report in REPORTS:
        assert (report.name, ", ".join(("account_id", *report.key))) in found
        if report.parent:
            assert any(
                table == report.name and columns == f"account_id, {report.parent.column}"
                for table, columns in found
            ) or (report.parent.column in report.key)
        for nested in report.lists:
            assert (
                f"{report.name}__{nested.name}",
                f"account_id, {parent_id_column(report)}",
            ) in found
            assert (f"{report.name}__{nested.name}", "_dlt_root_id") in found
    assert len(found) == len(set(found))


@on("postgres")
def test_every_table_is_analyzed_once_by_the_run_that_made_it(tmp_path: Path) -> None:
    """Later on that is left to the server's own daemon, which may also have been there first."""
    analyzed = r"""select relname, coalesce(last_analyze, last_autoanalyze) from pg_stat_user_tables
        where schemaname = 'harvest' and relname not like '\_dlt%'"""  # dlt's own are small
    with serving(tiny()) as sandbox:
        assert errors_of(sync_once(tmp_path, sandbox, "clients")) == {}
        of_first_run = dict(rows(tmp_path, analyzed))
        assert errors_of(sync_once(tmp_path, sandbox, "clients", "projects")) == {}
        of_second_run = dict(rows(tmp_path, analyzed))
    assert {"clients", "accounts", "calendar", "load_report"} <= of_first_run.keys()
    assert None not in of_first_run.values()
    assert None not in of_second_run.values()
    assert of_second_run.keys() - of_first_run.keys() == {"projects"}
    assert of_first_run.items() <= of_second_run.items()


@on("postgres")
def test_lists_with_the_longest_names_are_indexed(tmp_path: Path) -> None:
    """Postgres cuts the name of an index after 63 letters, with which the same one would be made once more."""
    account = tiny()
    names = [f"terms_and_conditions_that_the_client_accepted_{each}" for each in ("online", "on")]
    added: dict[str, Any] = {name: [{"id": 1}] for name in names}
    with serving(account) as sandbox:
        for invoice_id in account.rows["invoices"]:
            account.update("invoices", invoice_id, **added)
        for _ in range(2):
            assert errors_of(sync_once(tmp_path, sandbox, "invoices")) == {}
    query = "select tablename, indexdef from pg_indexes where schemaname = 'harvest'"
    found = [
        (table, columns)
        for table, text in rows(tmp_path, query)
        if table.startswith("invoices__terms")
        and (columns := text.rpartition("(")[2].rstrip(")")) != "_dlt_id"  # dlt's own
    ]
    tables = {table for table, _ in found}
    assert len(tables) == len(names)
    assert sorted(found) == [
        (table, columns)
        for table in sorted(tables)
        for columns in ("_dlt_root_id", "account_id, invoice_id")
    ]


def run_elsewhere(
    folder: Path, sandbox: Sandbox, address: str, *options: str
) -> subprocess.CompletedProcess[str]:
    """Runs as another machine would: from a folder of its own, into the same database."""
    env = {**environment(sandbox), "DESTINATION__POSTGRES__CREDENTIALS": address}
    return command(
        folder, "--destination", "postgres", "--reports", "clients", "--quiet", *options, env=env
    )


@pytest.mark.long
def test_second_machine_is_kept_out_until_the_first_has_ended(
    tmp_path: Path, own_postgres: tuple[Postgres, str]
) -> None:
    """Exit 2 and one line, Harvest is asked nothing; another dataset is another matter; after the first run it loads."""
    _, address = own_postgres
    met: list[subprocess.CompletedProcess[str]] = []

    def let_others_try(request: Request) -> None:
        if request.path == "/v2/clients" and not met:
            met.append(run_elsewhere(tmp_path / "second", others, address))
            met.append(
                run_elsewhere(tmp_path / "second", others, address, "--dataset", "elsewhere")
            )

    account = tiny()
    with serving(account) as sandbox, serving(account) as others:
        sandbox.before_answer = let_others_try
        assert errors_of(sync_once(tmp_path, sandbox, "clients")) == {}
        kept_out, elsewhere = met
        assert kept_out.returncode == 2
        assert kept_out.stderr == (
            "error: a run on another machine, or in another folder, loads into this dataset: wait until it has ended\n"
        )
        assert elsewhere.returncode == 0, elsewhere.stderr
        assert run_elsewhere(tmp_path / "second", others, address).returncode == 0
        assert_equal(tmp_path, sandbox, "clients")


def test_run_that_lost_its_lock_ends(tmp_path: Path, own_postgres: tuple[Postgres, str]) -> None:
    """Another machine may have come in: nothing more is loaded, and the next run makes up for it."""
    _, address = own_postgres
    cut = "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and database is not null"

    def cut_the_lock(request: Request) -> None:
        if request.path == "/v2/clients" and "updated_since" in request.query:
            with closing(psycopg2.connect(address)) as connection, connection.cursor() as cursor:
                cursor.execute(cut)
                assert cursor.fetchall() == [(True,)]

    account = tiny()
    with serving(account) as sandbox:
        assert errors_of(sync_once(tmp_path, sandbox, "clients")) == {}
        account.update("clients", next(iter(account.rows["clients"])), name="renamed")
        sandbox.before_answer = cut_the_lock
        with pytest.raises(
            LoadFailedError,
            match=r"connection is lost that keeps a second machine out.*next run continues",
        ):
            sync_once(tmp_path, sandbox, "clients")
        sandbox.before_answer = None
        assert rows(tmp_path, "select count(*) from clients where name = 'renamed'") == [(0,)]
        assert errors_of(sync_once(tmp_path, sandbox, "clients")) == {}
        assert_equal(tmp_path, sandbox, "clients")


ENCODINGS = {"LATIN1": 2, "WIN1252": 2, "EUC_JP": 2, "SQL_ASCII": 0}
MORE = ("WIN1252", "EUC_JP")


@pytest.mark.parametrize(
    "encoding",
    ["LATIN1", "SQL_ASCII", *(pytest.param(each, marks=pytest.mark.long) for each in MORE)],
)
def test_text_is_stored_as_it_is_or_the_encoding_is_refused(
    tmp_path: Path,
    postgres: Postgres,
    type_command: Type,
    monkeypatch: pytest.MonkeyPatch,
    load_into: Callable[[Make], None],
    encoding: str,
) -> None:
    """By `check` and by `run` alike, before anything is read; what the environment says of encodings changes nothing."""
    name = f"in_{encoding.lower()}_{os.getpid()}"
    address = postgres.make_database(
        name, f"encoding '{encoding}' template template0 lc_collate 'C' lc_ctype 'C'"
    )
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", address)
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    load_into(lambda _folder, _name: dlt.destinations.postgres(address))
    account = tiny()
    account.update("clients", next(iter(account.rows["clients"])), name="Zoë Øre 日本 €")
    with serving(account) as sandbox:
        run = type_command(
            "run", "--destination", "postgres", "--reports", "clients", "--json", harvest=sandbox
        )
        asked = len(sandbox.requests)
        check = type_command("check", "--destination", "postgres", "--quiet", harvest=sandbox)
        assert (run.code, check.code) == (ENCODINGS[encoding],) * 2, run.err + check.err
        if run.code == 2:
            assert asked == 0
            assert f"the database is in {encoding}" in run.err
            assert f"the database is in {encoding}" in check.err
            monkeypatch.delenv("PGCLIENTENCODING")
            assert rows(
                tmp_path, "select count(*) from pg_namespace where nspname like 'harvest%'"
            ) == [(0,)]
            return
        again = type_command(
            "run",
            "--destination",
            "postgres",
            "--reports",
            "clients",
            "--json",
            "--full-refresh",
            harvest=sandbox,
        )
        assert [each["changed"] for each in again.json()["reports"]] == [0]
        monkeypatch.setenv("PGCLIENTENCODING", "UTF8")
        assert rows(tmp_path, "select count(*) from clients where name = 'Zoë Øre 日本 €'") == [
            (1,)
        ]


LIMITS = {1: "leaves 1 connections", 2: "leaves 2 connections", 3: "", 4: "", 5: ""}


@pytest.mark.long
@pytest.mark.parametrize("limit", [2, 3, *(limit for limit in (1, 4, 5))])
def test_role_with_few_connections_loads_with_what_it_gets(
    tmp_path: Path, postgres: Postgres, limit: int
) -> None:
    """A run needs three; with fewer it says how to get them before anything is read, also where `check` is asked."""
    name = f"few_{limit}_{os.getpid()}"
    address = postgres.make_database(name, "", owner_limit=limit)
    env = {"DESTINATION__POSTGRES__CREDENTIALS": address}
    with serving(tiny()) as sandbox:
        env = {**environment(sandbox), **env}
        options = [
            "--destination",
            "postgres",
            "--reports",
            "clients,roles,tasks,users,invoices",
            "--quiet",
        ]
        for _ in range(2):
            done = command(tmp_path, *options, env=env)
            assert done.returncode == (2 if LIMITS[limit] else 0), done.stderr
            assert LIMITS[limit] in done.stderr
        if not LIMITS[limit]:
            return
        assert len(sandbox.requests) == 0
        checked = command(tmp_path, "check", "--destination", "postgres", "--quiet", env=env)
        assert checked.returncode == 2
        assert LIMITS[limit] in checked.stderr


def test_tables_of_a_user_in_the_dataset_are_not_looked_at(
    tmp_path: Path, load_into: Callable[[Make], None], postgres: Postgres
) -> None:
    """Whatever they are called, and while somebody works on one of them."""
    address = fresh_postgres_address(postgres)
    load_into(lambda _folder, _name: dlt.destinations.postgres(address))
    with (
        serving(tiny()) as sandbox,
        closing(psycopg2.connect(address)) as other,
        other.cursor() as cursor,
    ):
        cursor.execute('create schema harvest; create table harvest."Targets" (own integer)')
        cursor.execute("create table harvest.mine (own integer)")
        other.commit()
        cursor.execute("lock table harvest.mine in access exclusive mode")
        assert errors_of(sync_once(tmp_path, sandbox, "clients", "users")) == {}
        looked = """select relname from pg_stat_user_tables
                where schemaname = 'harvest' and last_analyze is not null and relname in ('clients', 'mine', 'Targets')"""
        assert rows(tmp_path, looked) == [("clients",)]
