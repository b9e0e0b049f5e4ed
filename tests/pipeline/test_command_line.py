"""The commands as a user types them: what they print, their exit codes, what they leave behind."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from command_line import Done, Type, command, environment
from pages import README, as_shown, blocks
from second_harvest import by_hand, like
from support import TOKEN, serving

from harvest_sandbox import Account, Fault, Size, build_account
from harvest_source.catalogue.lookup import ALL_NAMES, ALL_REPORTS, DEFAULT_NAMES
from harvest_source.catalogue.reports import NAMES

TINY = Size(projects=4, users=4, invoices=4, estimates=2, time_entries=60, expenses=6, clients=3)
SECRET = "SECRET-TOKEN-123"


def tiny(seed: int = 5) -> Account:
    return build_account(TINY, seed=seed)


def count(folder: Path, table: str, name: str = "harvest_pipeline") -> int:
    """Returns the number of rows of a table: anyone can open the file after the program ended."""
    with duckdb.connect(str(folder / f"{name}.duckdb"), read_only=True) as database:
        found = database.execute(f"select count(*) from harvest.{table}").fetchone()
        assert found
        return int(found[0])


def test_demo_fills_every_table_and_shows_answers(tmp_path: Path) -> None:
    """`--demo` needs no setting, and ends with answers from the data and how to ask more."""
    done = command(tmp_path, "--demo")
    assert done.returncode == 0, done.stderr
    assert all(count(tmp_path, name, "harvest_demo") > 0 for name in DEFAULT_NAMES)
    assert "Which clients take the most hours?" in done.stdout
    demo_is_as_the_readme_shows(tmp_path, done.stdout + done.stderr)
    shown = command(
        tmp_path, "show", "--demo", "select name, statement_key from clients order by 1", "--csv"
    )
    assert shown.returncode == 0
    assert shown.stdout.splitlines()[0] == "name,statement_key"
    assert all(line.endswith("(hidden)") for line in shown.stdout.splitlines()[1:])
    again = command(tmp_path, "--json", "run", "--demo", "--quiet")
    summary = json.loads(again.stdout)
    assert summary["exit_code"] == 0
    assert sum(each["new"] + each["changed"] + each["deleted"] for each in summary["reports"]) == 0
    assert {each["verified"] for each in summary["reports"]} == {"yes", "read today"}
    status = json.loads(command(tmp_path, "status", "--demo", "--json").stdout)
    assert {each["report"] for each in status} == set(DEFAULT_NAMES)


def demo_is_as_the_readme_shows(folder: Path, output: str) -> None:
    """Asserts that the README's output is the demo's, and that its queries find rows, in SQL and from Python."""
    said = [as_shown(line) for line in output.splitlines()]
    shown = [line for line in blocks(README, "")[0].splitlines() if line.strip() != "…"]
    assert len(shown) > 5
    assert [line for line in shown if as_shown(line) not in said] == []
    (queries,), (program,) = blocks(README, "sql"), blocks(README, "python")
    with duckdb.connect(str(folder / "harvest_demo.duckdb"), read_only=True) as database:
        for query in queries.split(";"):
            assert not query.strip() or database.execute(query).fetchall()
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True
    )
    assert "Zoë Martin" in done.stdout


def test_run_loads_the_chosen_reports_only(tmp_path: Path) -> None:
    """Tables of other reports are not created; `--exclude` takes away."""
    with serving(tiny()) as sandbox:
        done = command(
            tmp_path,
            "--reports",
            "clients,time_entries",
            "--exclude",
            "clients",
            "--json",
            env=environment(sandbox),
        )
    assert done.returncode == 0, done.stderr
    assert [each["report"] for each in json.loads(done.stdout)["reports"]] == ["time_entries"]
    assert count(tmp_path, "time_entries") == 60
    with pytest.raises(duckdb.CatalogException):
        count(tmp_path, "clients")


def loaded_tables(folder: Path) -> list[str]:
    """Returns the tables of reports that are in the folder's database."""
    file = folder / "harvest_pipeline.duckdb"
    if not file.exists():
        return []
    with duckdb.connect(str(file), read_only=True) as database:
        found = database.execute("select table_name from information_schema.tables").fetchall()
    return [name for (name,) in found if name.partition("__")[0] in NAMES]


WRONG: dict[str, tuple[list[str], dict[str, str], str]] = {
    "unknown report": (["--reports", "time_entrys"], {}, "known are: clients"),
    "unknown report to leave out": (
        ["--exclude", "clients,time_entrys"],
        {},
        "unknown report time_entrys; known are: clients",
    ),
    "no report": (["--reports", ""], {}, "known are: clients"),
    "all left out": (["--exclude", "all"], {}, "no report is chosen"),
    "date": (["--since", "yesterday"], {}, "is not a date"),
    "a year is no date": (["--since", "2025"], {}, "is not a date"),
    "no such day": (["--since", "2025-02-30"], {}, "is not a date"),
    "an empty date": (["--since", ""], {}, "is not a date"),
    "both": (["--since", "2025-01-01", "--days-back", "3"], {}, "exclude each other"),
    "days": (["--days-back", "some"], {}, "not a valid integer"),
    "half a day": (["--days-back", "1.5"], {}, "not a valid integer"),
    "negative days": (["--days-back", "-1"], {}, "0 or more"),
    "days before the first year": (["--days-back", "9999999"], {}, "before the first year"),
    "everything since": (["--full-refresh", "--since", "2025-01-01"], {}, "without --since"),
    "no token": ([], {"ACCESS_TOKEN": ""}, "no access token is set"),
    "where it was looked for": (
        [],
        {"ACCESS_TOKEN": ""},
        "in the environment (it is empty) and for access_token in [sources.harvest] of ",
    ),
    "account is no number": (["--account", "North"], {}, "is not a number"),
    "configured account is no number": ([], {"ACCOUNT_ID": "North"}, "is not a number"),
    "account not reached": (["--account", "999"], {}, "account 999 is not one of: 1000"),
    "configured account not reached": (
        [],
        {"ACCOUNT_ID": "1000,999"},
        "account 999 is not one of: 1000",
    ),
    "destination": (["--destination", "dukdb"], {}, "not known to dlt"),
    "no destination": (["--destination", ""], {}, "destination"),
    "package missing": (["--destination", "clickhouse"], {}, "pip install"),
    "foreign address": ([], {"API_URL": "http://example.com/v2/"}, "https"),
    "assignments": (
        [],
        {"ASSIGNMENTS": "both"},
        "not one of its values; they are: account, project",
    ),
    "start date": ([], {"START_DATE": "last year"}, "start_date 'last year' is not a date"),
    "unknown setting": (
        [],
        {"DELETED_ROW": "keep"},
        "did you mean SOURCES__HARVEST__DELETED_ROWS?",
    ),
    "overlap": ([], {"OVERLAP_SECONDS": "-5"}, "overlap_seconds is -5"),
    "option": (["--no-such-option"], {}, "No such option"),
    "a word too many": (["roles"], {}, "roles"),
}


@pytest.mark.parametrize(("arguments", "settings", "said"), WRONG.values(), ids=WRONG)
def test_wrong_usage_says_in_one_line_what_to_do(
    tmp_path: Path, type_command: Type, arguments: list[str], settings: dict[str, str], said: str
) -> None:
    """Exit 2, one line on standard error, nothing loaded, with `--json` as well."""
    account = tiny()
    account.id = 1000
    with serving(account) as sandbox:
        done = type_command(*arguments, "--quiet", harvest=sandbox, **settings)
        assert (done.code, done.out) == (2, "")
        as_json = (
            type_command("--json", *arguments, harvest=sandbox, **settings)
            if "a word" not in said
            else done
        )
    assert said in done.err
    assert len(done.err.strip().splitlines()) <= 2
    assert "Traceback" not in done.err
    assert as_json.code == 2
    assert as_json.out == "" or as_json.json()["exit_code"] == 2
    assert loaded_tables(tmp_path) == []


def test_exit_code_of_wrong_usage_reaches_the_shell(tmp_path: Path) -> None:
    """The program itself ends with 2; nothing is written but the one line."""
    done = command(tmp_path, "--since", "yesterday")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.strip().splitlines()) == 1


UNREADABLE: dict[str, tuple[bytes, str]] = {
    "without quotes": (
        b"[sources.harvest]\naccess_token = SECRET-TOKEN-123\n",
        "line 2: Invalid value; text stands in quotes",
    ),
    "in UTF-16": (
        '[sources.harvest]\naccess_token = "SECRET-TOKEN-123"'.encode("utf-16"),
        "line 1: is saved in UTF-16; save it as UTF-8",
    ),
}


@pytest.mark.parametrize("case", UNREADABLE)
@pytest.mark.parametrize("name", ["secrets.toml", "config.toml"])
def test_unreadable_settings_say_file_line_and_reason(tmp_path: Path, name: str, case: str) -> None:
    """Exit 2 and one line, without what stands in the file; tests/unit/test_settings_files.py has more reasons."""
    settings = tmp_path / "run" / ".dlt"
    settings.mkdir(parents=True)
    content, said = UNREADABLE[case]
    (settings / name).write_bytes(content)
    done = command(tmp_path / "run", "--quiet")
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert f"error: .dlt/{name}, {said}" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert SECRET not in done.stderr
    assert loaded_tables(tmp_path / "run") == []


def test_files_that_begin_with_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    """As editors on Windows write them: the mark is passed over, the settings count."""
    (tmp_path / "run" / ".dlt").mkdir(parents=True)
    with serving(tiny()) as sandbox:
        secrets = f'[sources.harvest]\naccess_token = "{TOKEN}"\n'
        config = f'[sources.harvest]\napi_url = "{sandbox.api_url}"\nid_url = "{sandbox.id_url}"\n'
        for name, text in {"secrets.toml": secrets, "config.toml": config}.items():
            (tmp_path / "run" / ".dlt" / name).write_text(text, encoding="utf-8-sig")
        done = command(tmp_path / "run", "--reports", "clients", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    assert count(tmp_path / "run", "clients") == 3


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write into every folder"
)
def test_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """Exit 2: nothing could be kept there."""
    folder = tmp_path / "read-only"
    folder.mkdir(mode=0o555)
    with serving(tiny()) as sandbox:
        done = command(folder, env=environment(sandbox))
    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot write here" in done.stderr


def test_state_that_cannot_be_written_is_said(tmp_path: Path, type_command: Type) -> None:
    """A file stands where the folder of the working state belongs: as in a read-only folder, nothing can be made there."""
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "state").write_text("in the way")
    with serving(tiny()) as sandbox:
        done = type_command("--quiet", harvest=sandbox)
    assert (done.code, done.out) == (2, "")
    assert "cannot write here" in done.err
    assert len(done.err.splitlines()) == 1


def test_file_that_is_no_database_is_said(tmp_path: Path, type_command: Type) -> None:
    """Another file in the database's place is left as it is: one line, no traceback."""
    path = tmp_path / "harvest_pipeline.duckdb"
    path.write_bytes(b"this is no database" * 1000)
    with serving(tiny()) as sandbox:
        done = type_command("--quiet", harvest=sandbox)
    assert done.code in {1, 2}
    assert len(done.err.splitlines()) == 1
    assert "unexpected" not in done.err
    assert path.read_bytes().startswith(b"this is no database")


def test_json_is_one_document_with_the_fields_of_the_contract(
    tmp_path: Path, type_command: Type
) -> None:
    """Nothing else on standard output; the same whether the option stands before the command or after it."""
    with serving(tiny()) as sandbox:
        first = type_command("--json", "run", "--reports", "clients,roles", harvest=sandbox)
        second = type_command("run", "--reports", "clients,roles", "--json", harvest=sandbox)
    assert (first.code, second.code) == (0, 0)
    summary = first.json()
    assert set(summary) == {"exit_code", "reports", "waits", "new_fields", "pending_loaded"}
    assert [each["report"] for each in summary["reports"]] == ["clients", "roles"]
    fields = {
        "report",
        "account_id",
        "new",
        "changed",
        "deleted",
        "total",
        "requests",
        "seconds",
        "verified",
        "error",
    }
    assert {frozenset(each) for each in summary["reports"]} == {frozenset(fields)}
    assert [each["new"] for each in second.json()["reports"]] == [0, 0]
    assert loaded_tables(tmp_path)


def test_quiet_says_nothing_and_a_plain_run_tells_what_it_does(type_command: Type) -> None:
    """The summary stands on standard output either way, progress on standard error; a module that is off is no mail every day."""
    account = tiny()
    account.company["expense_feature"] = False
    arguments = ("--reports", "clients,roles,expenses,expense_categories")
    with serving(account) as sandbox:
        loud = type_command(*arguments, harvest=sandbox)
        quiet = type_command(*arguments, "--quiet", harvest=sandbox)
    assert (loud.code, quiet.code, quiet.err) == (0, 0, "")
    assert "clients: 3 rows read, 1 request\n" in loud.err
    skipped = f"skipped, since their module is switched off in account {account.id}: expenses, expense_categories"
    assert loud.err.splitlines().count(skipped) == 1
    for done in (loud, quiet):
        head, *lines = done.out.splitlines()
        assert head.split() == [
            "report",
            "new",
            "changed",
            "deleted",
            "total",
            "requests",
            "seconds",
            "verified",
        ]
        assert [line.split()[0] for line in lines] == [
            "clients",
            "expenses",
            "roles",
            "expense_categories",
        ]


def test_verbose_shows_where_an_error_came_from(type_command: Type) -> None:
    """A traceback only where it was asked for."""
    with serving(tiny()) as sandbox:
        done = type_command("--account", "999", "--verbose", harvest=sandbox)
    assert done.code == 2
    assert "Traceback" in done.err
    assert TOKEN not in done.err


def test_reports_are_listed_without_credentials(type_command: Type) -> None:
    """Name, endpoint, key, cursor and table of each, as a table and as JSON."""
    shown, as_json = type_command("reports"), type_command("reports", "--json")
    assert (shown.code, as_json.code) == (0, 0)
    assert [line.split()[0] for line in shown.out.splitlines()[1:]] == list(ALL_NAMES)
    listed = {each["report"]: each for each in as_json.json()}
    for report in ALL_REPORTS:
        has_cursor = report.takes_updated_since and report.parent is None
        assert listed[report.name]["table"] == report.name
        assert listed[report.name]["cursor"] == ("updated_at" if has_cursor else "-")
        assert listed[report.name]["key"] == ", ".join(("account_id", *report.key))
    assert listed["invoice_payments"]["endpoint"] == "/invoices/{id}/payments"


@pytest.mark.long
def test_status_tells_the_last_run_of_each_report(type_command: Type) -> None:
    """Before anything is loaded it says how to; afterwards when, bookmark, rows, verified or not."""
    before = type_command("status")
    assert (before.code, before.out) == (0, "")
    assert "nothing is loaded yet" in before.err
    account = tiny()
    with serving(account) as sandbox:
        type_command("--reports", "clients,roles", harvest=sandbox)
        type_command("--reports", "clients,company", harvest=sandbox)
    found = {each["report"]: each for each in type_command("status", "--json").json()}
    assert set(found) == {"clients", "company", "roles"}
    newest = max(row["updated_at"] for row in account.rows["clients"].values())
    assert (
        found["clients"]["bookmark"],
        found["clients"]["rows_here"],
        found["clients"]["verified"],
    ) == (newest, 3, "yes")
    assert "clients" in type_command("status").out


def test_show_prints_any_query_in_three_forms(type_command: Type) -> None:
    """A table, CSV and JSON; exact numbers; addresses that open public pages are hidden in each."""
    with serving(tiny()) as sandbox:
        type_command("--reports", "clients,invoices", harvest=sandbox)
    sql = "select id, amount, issue_date, client_key, null as nothing from invoices order by id"
    as_csv = list(csv.DictReader(io.StringIO(type_command("show", sql, "--csv").out)))
    as_json = type_command("--json", "show", sql).json()
    as_table = type_command("show", sql).out
    assert [int(row["id"]) for row in as_csv] == [row["id"] for row in as_json]
    assert (
        {row["client_key"] for row in as_csv}
        == {row["client_key"] for row in as_json}
        == {"(hidden)"}
    )
    assert {row["nothing"] for row in as_csv} == {""}
    assert "(hidden)" in as_table
    to_open = list(
        csv.DictReader(
            io.StringIO(type_command("show", sql, "--spreadsheet").out.removeprefix("\ufeff"))
        )
    )
    assert {row["client_key"] for row in to_open} == {"(hidden)"}
    assert all(row["issue_date"] in as_table for row in as_json)
    keys = [
        key
        for (key,) in duckdb.connect("harvest_pipeline.duckdb", read_only=True)
        .execute("select client_key from harvest.invoices")
        .fetchall()
    ]
    everything = (
        type_command("show", "select * from invoices").out
        + type_command("show", "select * from clients", "--csv").out
    )
    assert keys
    assert [key for key in keys if key in everything] == []


def test_query_that_cannot_be_understood_is_one_line(type_command: Type) -> None:
    """Exit 2, also where nothing is loaded yet, which is then said."""
    done = type_command("show", "select * from invoices")
    assert (done.code, done.out) == (2, "")
    assert "nothing is loaded yet" in done.err
    with serving(tiny()) as sandbox:
        type_command("--reports", "roles", harvest=sandbox)
    done = type_command("show", "selekt nonsense")
    assert (done.code, done.out) == (2, "")
    assert len(done.err.strip().splitlines()) <= 2


@pytest.mark.parametrize(
    "name", ["run", "reports", "status", "show", "verify", "login", "logout", "accounts", "check"]
)
def test_every_command_has_help(type_command: Type, name: str) -> None:
    """`--help` on each, before or after it, and a list of all of them."""
    assert type_command(name, "--help").out == type_command("--help", name).out
    assert type_command(name, "--help").code == 0
    assert name in type_command("--help").out


def ago(days: float) -> str:
    """Returns the instant so many days before now, as the API writes it."""
    return (datetime.now(UTC) - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


def totals(done: Done) -> dict[str, tuple[int, str]]:
    """Returns the rows and the verdict of each report of a run."""
    assert done.code == 0, done.err
    return {each["report"]: (each["total"], each["verified"]) for each in done.json()["reports"]}


def bookmarks_of(type_command: Type) -> dict[str, str]:
    """Returns the bookmark of each report as `status` shows it."""
    return {each["report"]: each["bookmark"] for each in type_command("status", "--json").json()}


@pytest.mark.long
def test_part_of_a_report_leaves_its_bookmark_alone(type_command: Type) -> None:
    """Without a bookmark the next plain run is still a whole first load; reports that take no date load whole."""
    option = ("--days-back", "10")
    names = ("--reports", "time_entries,invoices,invoice_payments,roles")
    with by_hand(users=3, invoices=5, entries=20) as harvest:
        harvest.now = ago(0)
        for place, entry in enumerate(harvest.tables["time_entries"]):
            entry["updated_at"] = ago(39 - 2 * place)
        for place, invoice in enumerate(harvest.tables["invoices"]):
            invoice["updated_at"] = ago(100 if place else 2)
            harvest.tables[f"invoices/{invoice['id']}/payments"] = [
                like("invoice_payments", place + 1, updated_at=ago(100))
            ]
        part = totals(type_command(*names, *option, "--json", harvest=harvest))
        assert part["time_entries"][0] == 5
        assert (
            part["time_entries"][1] == part["invoices"][1] == part["invoice_payments"][1] == "part"
        )
        assert (part["invoices"][0], part["invoice_payments"][0], part["roles"][0]) == (1, 1, 3)
        assert not any(
            bookmark for name, bookmark in bookmarks_of(type_command).items() if name != "roles"
        )
        whole = totals(type_command(*names, "--json", harvest=harvest))
        assert whole == {
            "time_entries": (20, "yes"),
            "invoices": (5, "yes"),
            "invoice_payments": (5, "read today"),
            "roles": (3, "yes"),
        }
        before = bookmarks_of(type_command)
        assert before["time_entries"] == harvest.tables["time_entries"][-1]["updated_at"]
        harvest.change("time_entries", harvest.tables["time_entries"][0]["id"], hours=3.75)
        totals(type_command(*names, *option, "--json", harvest=harvest))
        assert bookmarks_of(type_command) == before
        harvest.requests.clear()
        totals(type_command("--reports", "time_entries", "--json", harvest=harvest))
        asked = next(
            each.query["updated_since"] for each in harvest.requests if each.path == "time_entries"
        )
        assert datetime.fromisoformat(asked) == datetime.fromisoformat(
            before["time_entries"]
        ) - timedelta(seconds=300)


def test_since_takes_a_day_and_an_instant(type_command: Type) -> None:
    """A day begins at midnight, UTC."""
    with by_hand(users=2, invoices=1, entries=20) as harvest:
        harvest.now = ago(0)
        for place, entry in enumerate(harvest.tables["time_entries"]):
            entry["updated_at"] = ago(place / 4)
        for dataset, since in (("instant", ago(3)), ("day", ago(3)[:10])):
            expected = sum(entry["updated_at"] >= since for entry in harvest.tables["time_entries"])
            chosen = ("--reports", "time_entries", "--dataset", dataset)
            done = type_command(*chosen, "--since", since, "--json", harvest=harvest)
            assert totals(done)["time_entries"] == (expected, "part")


@pytest.mark.parametrize("report", ["clients", "time_entries"])
def test_fraction_of_a_second_in_a_date_is_no_difference(type_command: Type, report: str) -> None:
    """Harvest's change times have whole seconds: a row of that very second is in or out, but never a doubt."""
    with by_hand(users=2, invoices=1, entries=6) as harvest:
        for place, row in enumerate(harvest.tables[report]):
            row["updated_at"] = f"2026-0{1 + place}-01T00:00:00Z"
        done = type_command(
            "--reports", report, "--since", "2026-02-01T00:00:00.5Z", "--json", harvest=harvest
        )
    assert done.code == 0, done.err
    assert done.json()["reports"][0]["verified"] == "part"


@pytest.mark.long
def test_since_earlier_than_the_bookmark_reads_those_rows_again(type_command: Type) -> None:
    """What changed quietly since that date is brought; what changed before it is not looked at."""
    with by_hand(users=2, invoices=1, entries=6) as harvest:
        for place, entry in enumerate(harvest.tables["time_entries"]):
            entry["updated_at"] = f"2026-0{1 + place}-01T00:00:00Z"
        type_command("--reports", "time_entries", harvest=harvest)
        for entry in harvest.tables["time_entries"]:
            entry["notes"] = "quietly"
        done = type_command(
            "--reports", "time_entries", "--since", "2026-04-01", "--json", harvest=harvest
        )
        assert done.json()["reports"][0]["changed"] == 3
        assert bookmarks_of(type_command)["time_entries"] in {None, "2026-06-01T00:00:00Z"}
        again = type_command("--reports", "time_entries", "--json", harvest=harvest)
        assert (again.code, again.json()["reports"][0]["new"]) == (0, 0)


def change_here(folder: Path, sql: str) -> None:
    """Spoils the folder's database."""
    with duckdb.connect(str(folder / "harvest_pipeline.duckdb")) as database:
        database.execute(sql)


@pytest.mark.long
def test_full_refresh_replaces_the_rows_of_the_chosen_accounts_and_reports_only(
    tmp_path: Path, type_command: Type
) -> None:
    """What was spoiled here is as at Harvest again; another account's rows and other reports stay as they are, spoiled or not."""
    north, south = tiny(5), tiny(6)
    with serving(north, south) as sandbox:
        type_command(
            "--account", "all", "--reports", "clients,invoices,time_entries,tasks", harvest=sandbox
        )
        change_here(tmp_path, "update harvest.clients set name = 'spoiled'")
        change_here(tmp_path, "update harvest.tasks set name = 'spoiled'")
        change_here(tmp_path, "update harvest.time_entries set hours = -1")
        change_here(tmp_path, "delete from harvest.invoices__line_items")
        one_more = (
            f"select * replace (5 as id) from harvest.clients where account_id = {north.id} limit 1"
        )
        change_here(tmp_path, f"insert into harvest.clients by name {one_more}")
        done = type_command(
            "--account",
            str(north.id),
            "--reports",
            "clients,invoices,time_entries",
            "--full-refresh",
            "--json",
            harvest=sandbox,
        )
        assert done.code == 0, done.err
    with duckdb.connect(str(tmp_path / "harvest_pipeline.duckdb"), read_only=True) as database:

        def query(sql: str) -> list[tuple[Any, ...]]:
            return database.execute(sql).fetchall()

        assert query(
            "select account_id, count(*) from harvest.clients where name = 'spoiled' group by 1"
        ) == [(south.id, 3)]
        assert query("select count(*) from harvest.clients where id = 5") == [(0,)]
        assert query("select distinct name from harvest.tasks") == [("spoiled",)]
        assert query(
            "select account_id, count(*) from harvest.time_entries where hours = -1 group by 1"
        ) == [(south.id, 60)]
        lines = sum(len(invoice["line_items"]) for invoice in north.rows["invoices"].values())
        assert query(
            "select account_id, count(*) from harvest.invoices__line_items group by 1"
        ) == [(north.id, lines)]


def test_interrupted_full_refresh_leaves_what_was_there(tmp_path: Path, type_command: Type) -> None:
    """Rows are replaced once the new load is complete: a report that fails keeps its old ones."""
    with serving(tiny()) as sandbox:
        type_command("--reports", "time_entries,clients", harvest=sandbox)
        sandbox.faults.append(Fault("/time_entries$", status=403, times=None))
        done = type_command("--reports", "time_entries,clients", "--full-refresh", harvest=sandbox)
    assert done.code == 1
    assert "not loaded: time_entries" in done.err
    assert count(tmp_path, "time_entries") == 60


def test_datasets_of_one_file_have_their_own_tables_and_bookmarks(type_command: Type) -> None:
    """The second dataset gets a first load of its own."""
    with serving(tiny()) as sandbox:
        first = type_command("--reports", "clients", "--json", harvest=sandbox)
        other = type_command(
            "--reports", "clients", "--dataset", "other", "--json", harvest=sandbox
        )
    assert first.json()["reports"][0]["new"] == other.json()["reports"][0]["new"] == 3
    shown = type_command(
        "show", "--dataset", "other", "select count(*) as n from clients", "--json"
    )
    assert shown.json() == [{"n": 3}]


def test_load_report_keeps_a_row_of_every_run_and_report(type_command: Type) -> None:
    """Failed ones too, with the reason."""
    account = tiny()
    roles = len(account.rows["roles"])
    with serving(account) as sandbox:
        type_command("--reports", "clients,roles", harvest=sandbox)
        sandbox.faults.append(Fault("/roles$", status=403, times=None))
        assert type_command("--reports", "clients,roles", harvest=sandbox).code == 1
    sql = "select report, rows_new, rows_here, error is null as good from load_report order by started_at, report"
    assert [tuple(row.values()) for row in type_command("show", sql, "--json").json()] == [
        ("clients", 3, 3, True),
        ("roles", roles, roles, True),
        ("clients", 0, 3, True),
        ("roles", 0, roles, False),
    ]


@pytest.mark.long
def test_several_accounts_without_a_choice_are_listed(tmp_path: Path) -> None:
    """A token that reaches several accounts and no choice: exit 2 and the list; `all` loads them all."""
    north, south = tiny(5), tiny(6)
    with serving(north, south) as sandbox:
        done = command(tmp_path, env=environment(sandbox))
        assert done.returncode == 2
        assert f"{north.id} {north.name}" in done.stderr
        done = command(tmp_path, "--account", "all", "--json", env=environment(sandbox))
        assert done.returncode == 0, done.stderr
    assert {each["account_id"] for each in json.loads(done.stdout)["reports"]} == {
        north.id,
        south.id,
    }
    assert count(tmp_path, "time_entries") == 120


@pytest.mark.long
@pytest.mark.parametrize("pasted", ["Bearer {}", '"{}"', " {}\n", "'Bearer {}'"])
def test_token_pasted_with_more_than_itself_is_trimmed(tmp_path: Path, pasted: str) -> None:
    """What gets copied along with a token is taken off, with a note."""
    with serving(tiny()) as sandbox:
        done = command(
            tmp_path,
            "--reports",
            "roles",
            env=environment(sandbox, ACCESS_TOKEN=pasted.format(TOKEN)),
        )
    assert done.returncode == 0, done.stderr
    assert "was trimmed" in done.stderr


@pytest.mark.long
def test_deleted_database_means_a_first_load_and_is_said(tmp_path: Path) -> None:
    """The working state does not outlive the database it belongs to; two folders never meet."""
    with serving(tiny()) as sandbox:
        env, few = environment(sandbox), ("--reports", "time_entries,tasks")
        assert command(tmp_path / "a", *few, env=env).returncode == 0
        (tmp_path / "a" / "harvest_pipeline.duckdb").unlink()
        done = command(tmp_path / "a", *few, env=env)
        assert done.returncode == 0, done.stderr
        assert "first load" in done.stderr
        assert count(tmp_path / "a", "time_entries") == 60
        done = command(tmp_path / "b", *few, "--json", env=env)
    assert sum(each["new"] for each in json.loads(done.stdout)["reports"]) > 60
    assert count(tmp_path / "b", "time_entries") == 60


@pytest.mark.long
@pytest.mark.usefixtures("ctrl_c_heard")
def test_ctrl_c_in_the_middle_of_a_query_is_an_interruption(
    type_command: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB turns it into an error of its own, in which nothing but the words tells: 130, not 1."""
    connection = duckdb.connect()
    timer = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])

    def ask_for_long(*_: object, **__: object) -> None:
        timer.start()
        connection.execute("select count(*) from range(100000000000)").fetchall()

    monkeypatch.setattr("harvest_source.loading.loader.prepare", ask_for_long)
    with serving(tiny()) as sandbox:
        done = type_command("--reports", "clients", harvest=sandbox)
    assert done.code == 130
    assert "interrupted" in done.err
    assert "Query" not in done.err
