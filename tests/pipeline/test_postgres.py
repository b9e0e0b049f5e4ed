"""What only Postgres has: indexes, a server that goes away in the middle, other programs that read at the same time."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dlt
import psycopg2
import pytest
import support
from command_line import command, environment, started
from compare import assert_equal
from destinations import on, started_postgres
from dlt.destinations.impl.postgres.sql_client import Psycopg2SqlClient
from faults_support import edit_all, errors_of, tiny
from postgres_server import PASSWORD, Postgres
from support import rows, serving, sync_once

from harvest_sandbox import Fault, Request
from harvest_source.reports.catalogue import REPORTS, parent_id_column
from harvest_source.syncing.package import LoadFailedError

PATIENCE_SECONDS = 60.0
FEW_CRASHES = 5  # a run of two reports meets more of them
SERVERS_OWN_WORDS = "WARNING:  terminating connection"  # Postgres' client library prints them where they reach it in time


@pytest.fixture
def own_postgres(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Postgres, str]]:
    """Gives a server that a test may stop, and the address of a database in it, into which the test loads."""
    with started_postgres() as server:
        address = server.make_database("own")
        monkeypatch.setattr(support, "make_destination", lambda _folder, _name: dlt.destinations.postgres(address))
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
            lines = [line for line in said.splitlines() if not line.startswith(SERVERS_OWN_WORDS)]
            assert len(lines) == 1
            assert lines[0].startswith("error: the destination")
            assert PASSWORD not in said
            server.start()
        done = command(tmp_path, "--destination", "postgres", "--quiet", "--json", env=env)
        assert done.returncode == 0, done.stderr
        assert {each["error"] for each in json.loads(done.stdout)["reports"]} == {None}
        assert_equal(tmp_path, sandbox)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and PASSWORD.encode() in path.read_bytes()]


MOMENTS: dict[str, Callable[[Request], bool]] = {
    "while a list is read": lambda request: "updated_since" in request.query,
    "while keys are compared": lambda request: "updated_since" not in request.query and request.query.get("per_page") != "1",
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
        with pytest.raises(LoadFailedError, match=r"^the destination cannot be used: .*; .* the next run goes on from there$"):
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
    assert [each for each in said if not re.fullmatch(r"the destination .*; .* the next run goes on from there", each)] == []


@on("postgres")
def test_first_run_in_which_nothing_can_be_read_says_why(tmp_path: Path) -> None:
    """There is no table yet that could have an index."""
    with serving(tiny()) as sandbox:
        sandbox.faults.append(Fault(path="/v2/clients$", status=403, times=None))
        assert "403" in errors_of(sync_once(tmp_path, sandbox, "clients"))["clients"]


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
            assert any(table == report.name and columns == f"account_id, {report.parent.column}" for table, columns in found) or (
                report.parent.column in report.key
            )
        for nested in report.lists:
            assert (f"{report.name}__{nested.name}", f"account_id, {parent_id_column(report)}") in found
            assert (f"{report.name}__{nested.name}", "_dlt_root_id") in found
    assert len(found) == len(set(found))
