"""One account, every destination: the tables equal it after the first run and after later ones, and so do counts and sums."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest
from command_line import SCRIPT, Type, command, environment
from compare import account_rows, assert_equal, flat
from destinations import on
from dlt.destinations.impl.sqlalchemy.type_mapper import SqlalchemyTypeMapper
from faults_support import edit_all, errors_of, tiny
from pipelines import Make, make_pipeline, rows
from postgres_server import Postgres
from sqlalchemy import Date
from support import serving, sync_once

from harvest_sandbox import Sandbox
from harvest_source.catalogue.columns.types import Kind
from harvest_source.catalogue.reports import NAMES, REPORTS
from harvest_source.errors import SettingError

LONG = [pytest.param(name, marks=pytest.mark.long) for name in ("filesystem", "sqlite", "mariadb")]
DESTINATIONS = ("duckdb", "postgres", *LONG)
MEASURES = {
    report.name: [each.name for each in report.columns if each.kind is Kind.DECIMAL]
    for report in REPORTS
}


def counts_and_sums(folder: Path) -> dict[str, tuple[Any, ...]]:
    """Returns the number of rows of every table, and the sum of every column of decimals."""
    found = {}
    with make_pipeline(folder).sql_client() as client:
        for name, columns in MEASURES.items():
            sums = "".join(f", coalesce(sum({column}), 0)" for column in columns)
            ((count, *totals),) = client.execute_sql(f"select count(*){sums} from {name}") or []
            found[name] = (
                count,
                *(round(Decimal(str(total)), 6).normalize() for total in totals),
            )  # SQLite adds up floats
    return found


def expected_counts_and_sums(sandbox: Sandbox) -> dict[str, tuple[Any, ...]]:
    """Returns the same of the account: Python adds up what its API answers."""
    expected = {}
    for report in REPORTS:
        records = [
            flat(record)
            for account in sandbox.accounts
            for record in account_rows(sandbox, account.id, report)
        ]
        totals = (
            sum((Decimal(record.get(name, 0)) for record in records), Decimal(0))
            for name in MEASURES[report.name]
        )
        expected[report.name] = (len(records), *(total.normalize() for total in totals))
    return expected


@pytest.mark.parametrize("destination", DESTINATIONS, indirect=True)
def test_first_and_later_runs_equal_the_account(tmp_path: Path, destination: str) -> None:
    """All reports; then changes and deletions everywhere, a new field, and a fresh machine that has only the destination."""
    account = tiny()
    with serving(account) as sandbox:
        first = sync_once(tmp_path, sandbox)
        assert errors_of(first) == {}
        assert [result.report for result in first.results] == list(NAMES)
        assert_equal(tmp_path, sandbox)
        assert counts_and_sums(tmp_path) == expected_counts_and_sums(sandbox)

        edit_all(account, "second")
        account.insert("time_entries", hours=7.5, notes="")
        for name in ("time_entries", "expenses", "invoices", "projects"):
            account.delete(name, list(account.rows[name])[1])
        account.update("clients", next(iter(account.rows["clients"])), brand_new={"colour": "red"})
        second = sync_once(tmp_path, sandbox)
        assert errors_of(second) == {}
        assert second.new_fields == ["clients.brand_new__colour"]
        assert_equal(tmp_path, sandbox)
        assert counts_and_sums(tmp_path) == expected_counts_and_sums(sandbox)

        # another machine, the next day: only the destination is there
        shutil.rmtree(tmp_path / "state")
        shutil.rmtree(tmp_path / "spool", ignore_errors=True)
        account.insert("time_entries", hours=1.25)
        sandbox.clear()
        third = sync_once(tmp_path, sandbox)
        assert errors_of(third) == {}
        assert {
            result.report: result.new + result.changed
            for result in third.results
            if result.new + result.changed
        } == {"time_entries": 1}
        assert any("updated_since" in request.query for request in sandbox.requests)
        assert_equal(tmp_path, sandbox)
    assert rows(tmp_path, "select count(distinct run_id) from load_report") == [(3,)]
    kind = make_pipeline(tmp_path).destination.destination_name
    assert kind == {"sqlite": "sqlalchemy", "mariadb": "sqlalchemy"}.get(destination, destination)


LINES = {
    "postgres": ("psycopg2", "pip install -r requirements-postgres.txt"),
    "bigquery": ("google.cloud.bigquery", "pip install -r requirements-bigquery.txt"),
    "sqlalchemy": ("sqlalchemy", "pip install -r requirements-sqlalchemy.txt"),
    "snowflake": ("snowflake", "pip install 'dlt[snowflake]'"),
}


def command_without(
    folder: Path, package: str, *arguments: str, **env: str
) -> subprocess.CompletedProcess[str]:
    """Runs the command line where a package is not installed."""
    without = f"import runpy, sys; sys.modules[{package!r}] = None; runpy.run_path({str(SCRIPT)!r}, None, '__main__')"
    return subprocess.run(
        [sys.executable, "-c", without, *arguments],
        cwd=folder,
        env={**environment(), **env, "PYTHONPATH": str(SCRIPT.parent)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("name", LINES)
def test_missing_package_is_said_with_the_line_that_installs_it(tmp_path: Path, name: str) -> None:
    """Exit 2 and one line, before anything is asked, also where the destination is not set up either."""
    package, line = LINES[name]
    done = command_without(tmp_path, package, "--demo", "--destination", name)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: destination {name} needs a package: {line}\n"


def test_missing_package_of_a_setting_is_said_with_the_line_that_installs_it(
    tmp_path: Path,
) -> None:
    """Dlt's own setting for Sentry needs a package that is not among the requirements."""
    done = command_without(
        tmp_path, "sentry_sdk", "--demo", RUNTIME__SENTRY_DSN="https://key@127.0.0.1:9/1"
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr == "error: dlt needs a package for sentry telemetry: pip install sentry-sdk\n"
    )


def test_packages_without_which_empty_texts_would_become_nulls_are_asked_for(
    tmp_path: Path, postgres: Postgres
) -> None:
    """Without ADBC dlt brings Arrow tables to Postgres as CSV, and reads an empty text as a null there."""
    address = {"DESTINATION__POSTGRES__CREDENTIALS": postgres.make_database("without_adbc")}
    for arguments in (["run", "--quiet"], ["check"]):
        done = command_without(
            tmp_path,
            "adbc_driver_manager",
            *arguments,
            "--demo",
            "--destination",
            "postgres",
            **address,
        )
        assert done.returncode == 2
        assert "pip install -r requirements-postgres.txt" in done.stdout + done.stderr


@pytest.mark.parametrize("name", ["postgres", "filesystem"])
def test_destination_that_is_not_set_up_says_where_the_settings_stand(
    tmp_path: Path, name: str
) -> None:
    done = command(tmp_path, "--demo", "--destination", name, env=environment())
    assert (done.returncode, done.stdout) == (2, "")
    assert f"destination {name} is not set up" in done.stderr
    assert "docs/destinations.md" in done.stderr
    assert done.stderr.count("\n") == 1


def test_destination_that_cannot_be_read_back_is_said_before_anything_is_asked(
    tmp_path: Path,
) -> None:
    """Nothing could be compared there: exit 2, not a run that ends green without a look."""
    with serving(tiny()) as sandbox:
        done = command(tmp_path, "--destination", "dummy", "--quiet", env=environment(sandbox))
        assert (done.returncode, done.stdout) == (2, "")
        assert "cannot read destination dummy back" in done.stderr
        assert done.stderr.count("\n") == 1
        assert len(sandbox.requests) == 0


@pytest.mark.long
@on("filesystem")
def test_files_are_plain_parquet_that_other_programs_read(tmp_path: Path) -> None:
    """DuckDB reads the folder of a table by itself, with the declared types; after a change no old file is left in it."""
    account = tiny()
    with serving(account) as sandbox:
        sync_once(tmp_path, sandbox, "time_entries", "invoices")
        account.update("time_entries", next(iter(account.rows["time_entries"])), hours=123.25)
        account.delete("time_entries", list(account.rows["time_entries"])[3])
        sync_once(tmp_path, sandbox, "time_entries", "invoices")
    files = tmp_path / "files" / "harvest"
    assert len(list((files / "time_entries").iterdir())) == 1
    with duckdb.connect() as database:
        query = f"select count(*), max(hours), typeof(max(hours)), typeof(max(spent_date)) from '{files}/time_entries/*.parquet'"
        assert database.execute(query).fetchall() == [
            (39, Decimal("123.25"), "DECIMAL(20,6)", "DATE")
        ]
        lines = sum(len(invoice["line_items"]) for invoice in account.rows["invoices"].values())
        assert database.execute(
            f"select count(*) from '{files}/invoices__line_items/*.parquet'"
        ).fetchall() == [(lines,)]


class Days(SqlalchemyTypeMapper):
    """A database whose instants are days."""

    def db_type_from_timestamp_type(self, column: Any, table: Any) -> Any:  # noqa: ARG002 - as in the base class
        """Returns a type that keeps the day only."""
        return Date()


def test_destination_that_gives_back_other_values_is_refused_before_anything_is_read(
    tmp_path: Path, load_into: Callable[[Make], None]
) -> None:
    """The self-test of a first run finds it, and takes its tables away again."""
    file = tmp_path / "warehouse.db"
    lossy = dlt.destinations.sqlalchemy(f"sqlite:///{file}", type_mapper=Days)
    load_into(lambda _folder, _name: lossy)
    with serving(tiny()) as sandbox:
        with pytest.raises(
            SettingError, match=r"does not give back what a load writes.*a timestamp"
        ):
            sync_once(tmp_path, sandbox, "clients")
        assert len(sandbox.requests) == 0
    assert [path.name for path in tmp_path.glob("*trial*")] == []


@pytest.mark.long
def test_sqlite_is_checked_loaded_and_shown(tmp_path: Path) -> None:
    """What a user types, with SQLite's address: `check` leaves nothing, a second run changes nothing, others read."""
    folder = tmp_path / "run"
    account = tiny()
    with serving(account) as sandbox:
        env = {
            **environment(sandbox),
            "DESTINATION__SQLALCHEMY__CREDENTIALS": "sqlite:///warehouse.db",
        }
        options = ("--destination", "sqlalchemy", "--quiet")
        checked = command(folder, "check", *options, env=env)
        assert checked.returncode == 0, checked.stderr
        assert "the self-test of a load passed" in checked.stdout
        assert [path.name for path in folder.glob("*trial*")] == []
        for new in (len(account.rows["time_entries"]), 0):
            done = command(
                folder, *options, "--reports", "time_entries,invoices", "--json", env=env
            )
            assert (done.returncode, done.stderr) == (0, "")
            found = {each["report"]: each for each in json.loads(done.stdout)["reports"]}
            assert (found["time_entries"]["new"], found["time_entries"]["verified"]) == (new, "yes")
            assert found["invoices"]["changed"] == 0
        shown = command(
            folder, "show", "select count(*) as n from time_entries", *options, "--json", env=env
        )
        assert json.loads(shown.stdout) == [{"n": len(account.rows["time_entries"])}], shown.stderr
        assert "time_entries" in command(folder, "status", *options, env=env).stdout


def test_ducklake_without_its_extension_is_refused_in_one_line(
    type_command: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is read; the extension is not fetched here, since no test leaves the machine."""
    monkeypatch.setattr(
        "harvest_source.destinations.ducklake.EXTENSION", ("load no_such_extension",)
    )
    with serving(tiny()) as sandbox:
        done = type_command("run", "--destination", "ducklake", harvest=sandbox)
        assert (done.code, done.err.count("\n"), len(sandbox.requests)) == (2, 1, 0)
        assert "destination ducklake needs the extension ducklake of DuckDB" in done.err
