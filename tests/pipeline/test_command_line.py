"""The commands as a user types them: what they print, their exit codes, what they leave behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest
from support import TOKEN, serving

from harvest_sandbox import Account, Fault, Sandbox, Size, build_account
from harvest_source.reports.catalogue import NAMES

SCRIPT = Path(__file__).parents[2] / "harvest_pipeline.py"
TINY = Size(projects=4, users=4, invoices=4, estimates=2, time_entries=60, expenses=6, clients=3)
SECRET = "SECRET-TOKEN-123"


def environment(sandbox: Sandbox | None = None, **settings: str) -> dict[str, str]:
    """Returns an environment without this machine's settings, with those given."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "SYSTEMROOT"}}
    if sandbox:
        settings = {"API_URL": sandbox.api_url, "ID_URL": sandbox.id_url, "ACCESS_TOKEN": TOKEN, **settings}
    return {
        **kept,
        "XDG_CONFIG_HOME": "no-configuration",
        **{f"SOURCES__HARVEST__{name}": value for name, value in settings.items()},
    }


def command(folder: Path, *arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs the command line in a folder."""
    folder.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        cwd=folder,
        env=env or environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def tiny(seed: int = 5) -> Account:
    return build_account(TINY, seed=seed)


def count(folder: Path, table: str, name: str = "harvest_pipeline") -> int:
    """Returns the number of rows of a table: anyone can open the file after the program ended."""
    with duckdb.connect(str(folder / f"{name}.duckdb"), read_only=True) as database:
        found = database.execute(f"select count(*) from harvest.{table}").fetchone()
        assert found
        return int(found[0])


def test_demo_fills_every_table_and_shows_answers(tmp_path: Path) -> None:
    """`--demo` needs no setting, ends with answers from the data and how to ask more."""
    done = command(tmp_path, "--demo")
    assert done.returncode == 0, done.stderr
    assert all(count(tmp_path, name, "harvest_demo") > 0 for name in NAMES)
    assert "Which clients take the most hours?" in done.stdout
    assert "Ask more: python harvest_pipeline.py show --demo" in done.stdout
    shown = command(tmp_path, "show", "--demo", "select name, statement_key from clients order by 1", "--csv")
    assert shown.returncode == 0
    assert shown.stdout.splitlines()[0] == "name,statement_key"
    assert all(line.endswith("(hidden)") for line in shown.stdout.splitlines()[1:])
    again = command(tmp_path, "--json", "run", "--demo", "--quiet")
    summary = json.loads(again.stdout)
    assert summary["exit_code"] == 0
    assert sum(each["new"] + each["changed"] + each["deleted"] for each in summary["reports"]) == 0
    assert {each["verified"] for each in summary["reports"]} == {"yes", "read 0 days ago"}
    status = json.loads(command(tmp_path, "status", "--demo", "--json").stdout)
    assert {each["report"] for each in status} == set(NAMES)


def test_run_loads_the_chosen_reports_only(tmp_path: Path) -> None:
    """Tables of other reports are not created; `--exclude` takes away."""
    with serving(tiny()) as sandbox:
        done = command(tmp_path, "--reports", "clients,time_entries", "--exclude", "clients", "--json", env=environment(sandbox))
    assert done.returncode == 0, done.stderr
    assert [each["report"] for each in json.loads(done.stdout)["reports"]] == ["time_entries"]
    assert count(tmp_path, "time_entries") == 60
    with pytest.raises(duckdb.CatalogException):
        count(tmp_path, "clients")


WRONG = {
    "unknown report": (["--reports", "time_entrys"], {}, "known are: clients"),
    "date": (["--since", "yesterday"], {}, "is not a date"),
    "a year is no date": (["--since", "2025"], {}, "is not a date"),
    "both": (["--since", "2025-01-01", "--days-back", "3"], {}, "exclude each other"),
    "days": (["--days-back", "some"], {}, "not a valid integer"),
    "negative days": (["--days-back", "-1"], {}, "0 or more"),
    "no token": ([], {"ACCESS_TOKEN": ""}, "no access token"),
    "account is no number": (["--account", "North"], {}, "is not a number"),
    "account not reached": (["--account", "999"], {}, "account 999 is not one of: 1000"),
    "destination": (["--destination", "dukdb"], {}, "not known to dlt"),
    "package missing": (["--destination", "clickhouse"], {}, "pip install"),
    "foreign address": ([], {"API_URL": "http://example.com/v2/"}, "https"),
    "assignments": ([], {"ASSIGNMENTS": "both"}, "must be one of"),
    "option": (["--no-such-option"], {}, "No such option"),
}


@pytest.mark.parametrize(("arguments", "settings", "said"), WRONG.values(), ids=WRONG)
def test_wrong_usage_says_in_one_line_what_to_do(
    tmp_path: Path, arguments: list[str], settings: dict[str, str], said: str
) -> None:
    """Exit 2, one line on standard error, nothing loaded."""
    with serving(tiny()) as sandbox:
        done = command(tmp_path, *arguments, "--quiet", env=environment(sandbox, **settings))
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_several_accounts_without_a_choice_are_listed(tmp_path: Path) -> None:
    """A token that reaches several accounts and no choice: exit 2 and the list; `all` loads them all."""
    north, south = tiny(5), tiny(6)
    with serving(north, south) as sandbox:
        done = command(tmp_path, env=environment(sandbox))
        assert done.returncode == 2
        assert f"{north.id} {north.name}" in done.stderr
        done = command(tmp_path, "--account", "all", "--json", env=environment(sandbox))
        assert done.returncode == 0, done.stderr
    assert {each["account_id"] for each in json.loads(done.stdout)["reports"]} == {north.id, south.id}
    assert count(tmp_path, "time_entries") == 120


@pytest.mark.parametrize("pasted", ["Bearer {}", '"{}"', " {}\n", "'Bearer {}'"])
def test_token_pasted_with_more_than_itself_is_trimmed(tmp_path: Path, pasted: str) -> None:
    """What gets copied along with a token is taken off, with a note."""
    with serving(tiny()) as sandbox:
        done = command(tmp_path, "--reports", "roles", env=environment(sandbox, ACCESS_TOKEN=pasted.format(TOKEN)))
    assert done.returncode == 0, done.stderr
    assert "was trimmed" in done.stderr


def test_refused_token_leaves_the_tables_and_is_never_shown(tmp_path: Path) -> None:
    """401: exit 1, the reason, tables as before; no secret in output or files, with a traceback too."""
    with serving(tiny()) as sandbox:
        assert command(tmp_path, env=environment(sandbox)).returncode == 0
        done = command(tmp_path, "--verbose", env=environment(sandbox, ACCESS_TOKEN=SECRET, CLIENT_SECRET=SECRET + "-client"))
    assert done.returncode == 1
    assert "refuses the token" in done.stderr
    assert count(tmp_path, "time_entries") == 60
    assert SECRET not in done.stdout + done.stderr
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in files if SECRET.encode() in path.read_bytes() or TOKEN.encode() in path.read_bytes()] == []


def test_secrets_stay_out_of_output_and_files_when_a_run_fails(tmp_path: Path) -> None:
    """Errors of reports, at DEBUG of every library, show no token."""
    env = environment() | {"RUNTIME__LOG_LEVEL": "DEBUG", "PYTHONWARNINGS": "default"}
    with serving(tiny()) as sandbox:
        sandbox.callers[SECRET] = sandbox.callers[TOKEN]
        sandbox.faults.append(Fault(path=r"/clients$", kind="status", status=422, times=None))
        env |= environment(sandbox, ACCESS_TOKEN=SECRET)
        done = command(tmp_path, "--verbose", env=env)
    assert done.returncode == 1
    assert "not loaded: clients" in done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()] == []


def test_deleted_database_means_a_first_load_and_is_said(tmp_path: Path) -> None:
    """The working state does not outlive the database it belongs to; two folders never meet."""
    with serving(tiny()) as sandbox:
        env = environment(sandbox)
        assert command(tmp_path / "a", env=env).returncode == 0
        (tmp_path / "a" / "harvest_pipeline.duckdb").unlink()
        done = command(tmp_path / "a", env=env)
        assert done.returncode == 0, done.stderr
        assert "first load" in done.stderr
        assert count(tmp_path / "a", "time_entries") == 60
        done = command(tmp_path / "b", "--json", env=env)
    assert sum(each["new"] for each in json.loads(done.stdout)["reports"]) > 100
    assert count(tmp_path / "b", "time_entries") == 60


@pytest.mark.parametrize("number", range(4))
def test_killed_run_loses_and_doubles_nothing(tmp_path: Path, number: int) -> None:
    """SIGKILL at some moment, Ctrl-C at another: the next run completes, and no lock is left."""
    with serving(tiny()) as sandbox:
        env = environment(sandbox)
        process = subprocess.Popen(
            [sys.executable, str(SCRIPT)], cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while len(sandbox.requests) < 4 + 11 * number and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL if number % 2 else signal.SIGINT)
        code = process.wait(60)
        assert code in {130, -signal.SIGINT, -signal.SIGKILL, 0}
        done = command(tmp_path, "--json", env=env)
        assert done.returncode == 0, done.stderr
        totals = {each["report"]: each["total"] for each in json.loads(done.stdout)["reports"]}
        fresh = command(tmp_path / "fresh", "--json", env=env)
    assert totals == {each["report"]: each["total"] for each in json.loads(fresh.stdout)["reports"]}
    assert {each["verified"] for each in json.loads(done.stdout)["reports"]} == {"yes", "read 0 days ago"}


def test_children_read_before_a_kill_are_not_asked_again(tmp_path: Path) -> None:
    """A long first load keeps what it has: after a kill late in it, few requests are left."""
    account = build_account(Size(projects=4, users=3, invoices=120, estimates=2, time_entries=60, expenses=6, clients=3), seed=8)
    with serving(account) as sandbox:
        env = environment(sandbox)
        process = subprocess.Popen(
            [sys.executable, str(SCRIPT), "--reports", "invoice_messages,invoice_payments"],
            cwd=tmp_path,
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while len(sandbox.requests) < 95 and process.poll() is None:
            time.sleep(0.005)
        process.kill()
        process.wait(60)
        before = len(sandbox.requests)
        sandbox.clear()
        env["SOURCES__HARVEST__OVERLAP_SECONDS"] = "0"
        done = command(tmp_path, "--reports", "invoice_messages,invoice_payments", "--json", env=env)
        assert done.returncode == 0, done.stderr
        assert before >= 95
        assert len(sandbox.requests) <= 240 + 10 - 80
    assert count(tmp_path, "invoice_messages") == len(account.rows["invoice_messages"])
    assert count(tmp_path, "invoice_payments") == len(account.rows["invoice_payments"])


def test_second_run_at_once_is_kept_out(tmp_path: Path) -> None:
    """Two runs of one pipeline: the second says so and exits 2."""
    with serving(tiny()) as sandbox:
        env = environment(sandbox)
        sandbox.faults.append(Fault(path=r"/clients$", kind="timeout", times=1))
        process = subprocess.Popen(
            [sys.executable, str(SCRIPT)], cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while not any(request.path.endswith("/clients") for request in sandbox.requests) and process.poll() is None:
            time.sleep(0.01)
        done = command(tmp_path, env=env)
        process.kill()
        process.wait(60)
    assert done.returncode == 2
    assert "another run" in done.stderr
