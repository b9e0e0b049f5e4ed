"""What commands say and show: words that fit what was typed, names that hold anything, outputs of any encoding."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from command_line import SCRIPT, Type, environment, without_announcement
from faults_support import tiny
from second_harvest import by_hand
from signing import Login
from support import serving

from harvest_sandbox import Fault
from harvest_source.catalogue.reports import NAMES

COLOURED = "\x1b[31mRed\x1b]0;title\x07 \x9b1m\u202eLtd"
SEEN = r"\x1b[31mRed\x1b]0;title\x07 \x9b1m\u202eLtd"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["shwo", "select 1"], "there is no command 'shwo'; did you mean show?"),
        (["--quiet", "statsu"], "did you mean status?"),
        (["zzz"], "there is no command 'zzz'; commands are: run, login"),
    ],
)
def test_misspelt_command_is_told_with_the_one_that_was_meant(
    type_command: Type, typed: list[str], said: str
) -> None:
    """Exit 2; a word after a command is not taken for one."""
    done = type_command(*typed)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert "extra argument" in type_command("status", "shwo").err


TOKENS = {"ASSIGNMENTS": "assignments", "DELETED_ROWS": "deleted_rows", "START_DATE": "start_date", "ACCOUNT_ID": "account_id",
          "REPORT_PERIOD": "report_period", "OVERLAP_SECONDS": "overlap_seconds", "API_URL": "api_url"}  # fmt: skip


@pytest.mark.parametrize(("setting", "name"), TOKENS.items())
def test_message_about_a_setting_does_not_repeat_what_may_be_a_token(
    type_command: Type, setting: str, name: str
) -> None:
    """A token pasted into the wrong line stays off the screen; the name of the setting is said."""
    done = type_command(
        "--reports", "clients", ACCESS_TOKEN="x", **{setting: "1234567.pt.SECRET-TOKEN-123"}
    )
    assert done.code == 2
    assert name in done.err
    assert "SECRET" not in done.err


def test_name_of_a_report_stands_once_in_its_message(type_command: Type) -> None:
    """In progress and in the end; that of the list which a report hangs on is said as well."""
    with serving(tiny()) as sandbox:
        sandbox.faults.append(Fault("/invoices$", status=422, times=None))
        done = type_command("--reports", "invoices,invoice_messages", harvest=sandbox)
    assert done.code == 1
    assert "invoices: invoices:" not in done.err
    lines = done.err.splitlines()
    assert any(line.startswith("invoices: Harvest refused the request (422") for line in lines)
    assert any(
        line.startswith("invoice_messages: invoices: Harvest refused the request (422")
        for line in lines
    )
    assert any(
        line.startswith("not loaded: invoices (account") and "): Harvest refused" in line
        for line in lines
    )


ROLES: dict[str, tuple[list[str], dict[str, str]]] = {
    "nothing": ([], {"time_entries": "not known", "clients": "not known", "company": "full"}),
    "own": (
        ["timers:read:own", "invoices:read:all"],
        {"time_entries": "own rows only", "invoices": "full", "clients": "not known"},
    ),
    "all and own": (["timers:read:own", "timers:read:all"], {"time_entries": "full"}),
}


@pytest.mark.parametrize(("claims", "expected"), ROLES.values(), ids=ROLES)
def test_check_without_a_role_does_not_say_that_everything_is_loaded(
    type_command: Type, claims: list[str], expected: dict[str, str]
) -> None:
    """`users/me` without `access_roles`, as recorded in 2019 and 2022: unknown, but for what the claims tell."""
    with by_hand(users=2, invoices=2, entries=5) as harvest:
        harvest.now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        me = json.dumps({"id": 1, "is_admin": True, "permissions_claims": claims}).encode()
        harvest.spoil = lambda asked: (200, me) if asked.path == "users/me" else None
        done = type_command("check", harvest=harvest)
        found = type_command("check", "--json", harvest=harvest).json()
    assert done.code == 0, done.err
    assert "all is well" not in done.err
    assert "everything" not in done.err
    assert "Harvest does not say this user's role" in done.err
    told = {name: found["accounts"][0]["reports"][name] for name in expected}
    assert told == expected


def test_verify_shows_progress_and_takes_reports(type_command: Type) -> None:
    """Of the chosen ones only; each as it is read, and the comparison of sums."""
    account = tiny()
    with serving(account) as sandbox:
        assert type_command("--reports", "clients,tasks,time_entries", harvest=sandbox).code == 0
        done = type_command(
            "verify", "--reports", "tasks,time_entries", "--exclude", "tasks", harvest=sandbox
        )
        assert done.code == 0, done.err
        assert f"time_entries: {len(account.rows['time_entries'])} rows read" in done.err
        assert "comparing sums with Harvest's reports" in done.err
        assert "tasks" not in done.err + done.out
        wrong = type_command("verify", "--reports", "nonsense", harvest=sandbox)
    assert wrong.code == 2
    assert NAMES[0] in wrong.err


def test_escape_sequences_of_names_are_seen_and_not_obeyed(type_command: Type) -> None:
    """In tables and messages; CSV and JSON keep the name as it is."""
    account = tiny()
    with serving(account) as sandbox:
        account.update("clients", next(iter(account.rows["clients"])), name=COLOURED)
        account.name = COLOURED
        assert type_command("--reports", "clients", harvest=sandbox).code == 0
        listed = type_command("accounts", harvest=sandbox)
        refused = type_command("--account", "999", harvest=sandbox)
    sql = "select name from clients where name like '%Ltd' and name like '%Red%'"
    table = type_command("show", sql)
    for text in (listed.out, refused.err, table.out):
        assert SEEN in text
        assert not {"\x1b", "\x07", "\x9b"} & set(text)
    assert type_command("show", sql, "--json").json() == [{"name": COLOURED}]
    assert list(csv.reader(io.StringIO(type_command("show", sql, "--csv").out)))[1] == [COLOURED]
    assert "\x1b" not in type_command("show", f'select 1 as "{COLOURED}"').out


FORMULAS = ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1"]


def test_spreadsheet_shows_what_csv_hands_on(type_command: Type) -> None:
    """Texts and names of columns that begin like a formula get a `'`; numbers and days, and all of `--csv`, stay as they are."""
    account = tiny()
    with serving(account) as sandbox:
        for client, name in zip(account.rows["clients"], FORMULAS, strict=False):
            account.update("clients", client, name=name, address="Größe;=1")
        assert type_command("--reports", "clients", harvest=sandbox).code == 0
    made = '-1 as number, -1.50::decimal(9, 2) as exact, -1e0 as rough, current_date as day, null as "=none"'
    sql = f"select name, address, {made} from clients order by id"
    exact = type_command("show", sql, "--csv").out
    shown = type_command("show", sql, "--spreadsheet").out
    assert shown.startswith("\ufeffname,"), (
        "Excel reads what lacks the mark in the system's old encoding"
    )
    head, *rows = csv.reader(io.StringIO(shown.removeprefix("\ufeff")))
    told, *values = csv.reader(io.StringIO(exact))
    assert told[-1] == "=none"
    assert head == [*told[:-1], "'=none"]
    assert [row[0] for row in values] == FORMULAS[: len(rows)]
    assert [row[:2] for row in rows] == [
        [f"'{name}", "Größe;'=1"] for name in FORMULAS[: len(rows)]
    ]
    assert [row[2:] for row in rows] == [row[2:] for row in values]
    assert values[0][2:5] == ["-1", "-1.50", "-1.0"]


@pytest.mark.parametrize("others", [["--csv"], ["--json"], ["--csv", "--json"]])
def test_rows_are_shown_in_one_form(type_command: Type, others: list[str]) -> None:
    done = type_command("show", "select 1", "--spreadsheet", *others)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert "--csv, --spreadsheet and --json" in done.err


@pytest.mark.long
@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_output_that_is_not_utf_8(tmp_path: Path, encoding: str) -> None:
    """What it cannot show is replaced, in tables and messages; JSON stays exact; CSV says what became of it."""
    account = tiny()
    with serving(account) as sandbox:
        account.update("clients", next(iter(account.rows["clients"])), name="Zoë → Ж")
        account.name = "Łódź"
        env = {**environment(sandbox), "PYTHONIOENCODING": encoding}

        def typed(*arguments: str) -> tuple[int, str, str]:
            done = subprocess.run(
                [sys.executable, str(SCRIPT), *arguments], cwd=tmp_path, env=env, stdin=subprocess.DEVNULL, capture_output=True,
                check=False,
            )  # fmt: skip
            return (
                done.returncode,
                done.stdout.decode(encoding),
                without_announcement(done.stderr.decode(encoding)),
            )

        assert typed("accounts")[:2] != (1, "")
        code, out, err = typed("accounts")
        assert (code, err) == (0, "")
        assert "?" in out
        assert typed("--reports", "clients", "--quiet")[0] == 0
        sql = "select name from clients where name like 'Zo%'"
        zoe = "Zoë" if encoding == "latin-1" else "Zo?"
        assert f"{zoe} ? ?" in typed("show", sql)[1]
        assert json.loads(typed("show", sql, "--json")[1]) == [{"name": "Zoë → Ж"}]
        code, out, err = typed("show", sql, "--csv")
        assert (code, out.splitlines()[1]) == (0, f"{zoe} ? ?")
        assert "PYTHONUTF8=1" in err
        for_excel = subprocess.run(
            [sys.executable, str(SCRIPT), "show", sql, "--spreadsheet"],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            check=True,
        )
        assert for_excel.stdout == "\ufeffname\r\nZoë → Ж\r\n".encode(), (
            "whatever the output's encoding"
        )
        assert without_announcement(for_excel.stderr.decode(encoding)) == ""


def test_ctrl_c_while_the_sign_in_is_waited_for(tmp_path: Path) -> None:
    """130, and the truth: nobody is signed in."""
    with serving(tiny()) as sandbox, Login(tmp_path, sandbox) as login:
        assert login.address
        login.stop(signal.SIGINT)
        assert login.finish() == 130
    assert login.output.endswith("interrupted: not signed in\n")
    assert "loaded" not in login.output
    assert not list(login.config.rglob("*.json"))
