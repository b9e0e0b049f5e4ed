"""`status --max-age`: whether each report was complete lately enough, which is not, and since when."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
from clocks import LaterClock
from command_line import Done, Type
from faults_support import tiny
from loopback import free_port
from support import serving

from harvest_sandbox import Account, Fault
from harvest_source.commands import status as status_command

REPORTS = ("--reports", "clients,roles,tasks")


@pytest.fixture
def ask_at(type_command: Type, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """Gives `status --max-age 26h` as it is typed so many hours after the tests began."""

    def ask(hours: int, *arguments: str, max_age: str = "26h") -> Done:
        with monkeypatch.context() as patch:
            patch.setattr(status_command, "Clock", lambda: LaterClock(hours))
            return type_command("status", "--max-age", max_age, *arguments)

    return ask


Ask = Callable[..., Done]


def ended_at(folder: Path, account: Account, report: str = "clients") -> datetime:
    """Returns when the last run of a report ended."""
    with duckdb.connect(str(folder / "harvest_pipeline.duckdb")) as database:
        database.execute("set timezone = 'UTC'")
        found = database.execute(
            "select max(finished_at) from harvest.load_report where account_id = ? and report = ?",
            [account.id, report],
        ).fetchone()
    assert found
    ended: datetime = found[0]
    return ended


def shown(instant: datetime) -> str:
    """Returns an instant as the line has it."""
    return instant.isoformat(sep=" ", timespec="seconds")


def test_fresh_tables_end_with_0_and_old_ones_with_1(
    tmp_path: Path, type_command: Type, ask_at: Ask
) -> None:
    """The line says which and since when; standard output is that of `status`, as a table and as JSON."""
    account = tiny()
    with serving(account) as sandbox:
        assert type_command(*REPORTS, harvest=sandbox).code == 0
    fresh = ask_at(25, *REPORTS)
    assert (fresh.code, fresh.err) == (0, "")
    assert fresh.out == type_command("status").out
    old, quiet = ask_at(27, *REPORTS), ask_at(27, *REPORTS, "--quiet")
    since = ended_at(tmp_path, account)
    assert (old.code, old.out) == (1, fresh.out)
    said = f"no complete run within 26h: account {account.id}, all reports, since {shown(since)}\n"
    assert (old.err, quiet.err) == (said, said)
    as_json = ask_at(27, *REPORTS, "--json")
    assert (as_json.code, as_json.err) == (1, said)
    assert [
        (each["report"], each["too_old"], datetime.fromisoformat(each["last_complete_at"]))
        for each in as_json.json()
    ] == [(name, True, since) for name in ("clients", "roles", "tasks")]
    assert {each["too_old"] for each in ask_at(25, *REPORTS, "--json").json()} == {False}
    assert ask_at(27, *REPORTS, max_age="2d").code == 0


@pytest.mark.long
def test_run_of_some_reports_does_not_hide_that_the_others_are_missing(
    tmp_path: Path, type_command: Type, ask_at: Ask
) -> None:
    """Nor does one of some dates, or one that failed; without names every report of a plain run is meant."""
    account = tiny()
    with serving(account) as sandbox:
        assert type_command(*REPORTS, harvest=sandbox).code == 0
        back(tmp_path, 27)
        since = ended_at(tmp_path, account)
        assert type_command("--reports", "clients", harvest=sandbox).code == 0
        sandbox.faults.append(Fault("/roles$", status=403, times=None))
        done = type_command("--reports", "roles,tasks", "--days-back", "3", harvest=sandbox)
        assert done.code == 1
    done = ask_at(0, *REPORTS)
    assert done.code == 1
    assert done.err.endswith(f"account {account.id}, roles, tasks, since {shown(since)}\n")
    assert ask_at(0, "--exclude", "roles,tasks", "--reports", "clients").code == 0
    done = ask_at(0)
    assert done.code == 1
    assert done.err.endswith("more, never\n")
    loaded = {each["report"]: each for each in ask_at(0, "--json").json()}
    never = loaded["time_entries"]
    assert (never["last_complete_at"], never["finished_at"], never["too_old"]) == (None, None, True)


def back(folder: Path, hours: int, where: str = "true") -> None:
    """Has runs lie further back."""
    with duckdb.connect(str(folder / "harvest_pipeline.duckdb")) as database:
        database.execute(
            f"update harvest.load_report set started_at = started_at - interval '{hours} hours', "
            f"finished_at = finished_at - interval '{hours} hours' where {where}"
        )


@pytest.mark.long
def test_each_account_must_be_fresh(tmp_path: Path, type_command: Type, ask_at: Ask) -> None:
    """One of two whose runs stopped; one that was never loaded, where it is named."""
    ours, theirs = tiny(5), tiny(6)
    with serving(ours, theirs) as sandbox:
        done = type_command("--reports", "clients", "--account", "all", harvest=sandbox)
        assert done.code == 0
    back(tmp_path, 48, f"account_id = {theirs.id}")
    asked = ("--reports", "clients")
    done = ask_at(1, *asked)
    since = shown(ended_at(tmp_path, theirs))
    assert (done.code, done.err) == (
        1,
        f"no complete run within 26h: account {theirs.id}, clients, since {since}\n",
    )
    assert ask_at(1, *asked, "--account", str(ours.id)).code == 0
    done = ask_at(1, *asked, "--account", f"{ours.id},999")
    assert done.err == "no complete run within 26h: account 999, clients, never\n"


@pytest.mark.long
def test_run_that_lies_in_the_future_is_not_fresh(
    tmp_path: Path, type_command: Type, ask_at: Ask
) -> None:
    """A clock was wrong, then or now; the line says so."""
    account = tiny()
    with serving(account) as sandbox:
        assert type_command(*REPORTS, harvest=sandbox).code == 0
    back(tmp_path, -24 * 30)
    done = ask_at(0, *REPORTS)
    at = shown(ended_at(tmp_path, account))
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        f"no complete run within 26h: account {account.id}, all reports, never; "
        f"a run lies in the future, {at}: look at this machine's clock and that of runs\n"
    )
    assert all(each["too_old"] for each in ask_at(0, *REPORTS, "--json").json())


def test_nothing_loaded_is_too_old(type_command: Type, ask_at: Ask) -> None:
    """Also where a first run failed before anything was loaded."""
    done, as_json = ask_at(0), ask_at(0, "--json")
    assert (done.code, done.err) == (1, "no complete run within 26h: there is none\n")
    assert (as_json.code, json.loads(as_json.out)) == (1, [])
    with serving(tiny()) as sandbox:
        assert type_command(*REPORTS, harvest=sandbox, ACCESS_TOKEN="wrong").code == 1
    assert ask_at(0).code == 1


def test_destination_that_cannot_be_reached_is_never_fresh(
    ask_at: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exit code of `status`, and its line."""
    address = f"postgresql://loader:x@127.0.0.1:{free_port()}/warehouse"
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", address)
    done = ask_at(0, "--destination", "postgres")
    assert done.code == 1
    assert done.err.startswith("error: ")
    assert "no complete run" not in done.err


@pytest.mark.parametrize(
    "age",
    ["26", "h", "1.5h", "0h", "-1h", "26 h", "26H", "1w", "", "99999999999d", "9" * 5000 + "m"],
)
def test_age_that_is_none_is_one_line(ask_at: Ask, age: str) -> None:
    done = ask_at(0, max_age=age)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: --max-age ")
    assert done.err.endswith("write a whole number with m, h or d, such as 90m, 26h or 2d\n")


def test_name_that_is_no_report_is_one_line(type_command: Type) -> None:
    done = type_command("status", "--reports", "client")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: unknown report client; known are: ")


@pytest.mark.long
def test_status_shows_the_named_reports_alone(type_command: Type) -> None:
    """And without names all that were ever loaded."""
    with serving(tiny()) as sandbox:
        assert type_command(*REPORTS, harvest=sandbox).code == 0
    named = type_command("status", "--reports", "roles", "--json").json()
    assert [each["report"] for each in named] == ["roles"]
    every = type_command("status", "--json").json()
    assert [each["report"] for each in every] == ["clients", "roles", "tasks"]
    assert set(every[0]) == set(named[0]) == set(status_command.COLUMNS)
