"""Planted secrets are searched for in everything that a run says and leaves behind."""

from __future__ import annotations

import base64
import gzip
import os
import subprocess
import sys
import zlib
from collections.abc import Iterable
from pathlib import Path

import duckdb
import pytest
from command_line import ROOT, command, environment
from planted import CLIENT_KEY, STATEMENT, contents, keyed, unpacked
from support import TOKEN, serving

from harvest_sandbox import Fault, Sandbox

ACCESS = "planted-access-token-7Q2"
REFRESH = "planted-refresh-token-8R3"
CLIENT = "planted-client-secret-9S4"
PASSWORD = "planted-database-password-1T5"
SECRETS = (ACCESS, REFRESH, CLIENT, PASSWORD)
LOG = "every-logger.log"

LISTENER = f"""
import logging, os

def _keep(logger, record):
    with open({LOG!r}, "a", errors="replace") as log:
        log.write(logging.Formatter("%(name)s %(levelname)s %(message)s").format(record) + "\\n")

logging.Logger.isEnabledFor = lambda self, level: True
logging.Logger.callHandlers = _keep
"""


def planted(folder: Path, sandbox: Sandbox, **settings: str) -> dict[str, str]:
    """Returns an environment with a secret in every setting that holds one, in which every logger writes everything."""
    folder.mkdir(exist_ok=True)
    ears = folder.parent / f"{folder.name}-ears"
    ears.mkdir(exist_ok=True)
    (ears / "sitecustomize.py").write_text(LISTENER)
    sandbox.callers[ACCESS] = sandbox.callers[TOKEN]
    named = {
        "ACCESS_TOKEN": ACCESS,
        "REFRESH_TOKEN": REFRESH,
        "CLIENT_ID": "an-id",
        "CLIENT_SECRET": CLIENT,
        **settings,
    }
    more = {
        "PYTHONPATH": str(ears),
        "RUNTIME__LOG_LEVEL": "DEBUG",
        "DESTINATION__POSTGRES__CREDENTIALS": f"postgresql://loader:{PASSWORD}@127.0.0.1:9/warehouse",
    }
    return {**environment(sandbox, **named), **more}


def leaks(said: str, folder: Path, secrets: Iterable[str] = SECRETS) -> list[tuple[str, str]]:
    """Returns where secrets stand: in what was said, in files of the folder, in any column of any table."""
    found = [("output", secret) for secret in secrets if secret in said]
    for path in folder.rglob("*"):
        if path.is_file():
            held = contents(path)
            found += [(path.name, secret) for secret in secrets if secret.encode() in held]
    for path in folder.glob("*.duckdb"):
        with duckdb.connect(str(path), read_only=True) as database:
            tables = database.execute(
                "select table_schema, table_name from information_schema.tables"
            ).fetchall()
            for schema, table in tables:
                held = repr(
                    database.execute(f'select * from "{schema}"."{table}"').fetchall()
                ).encode()
                held += unpacked(held)
                found += [(table, secret) for secret in secrets if secret.encode() in held]
    return found


def test_search_itself_finds_what_is_planted(tmp_path: Path) -> None:
    """The search sees plain files, packed files and packed states in tables."""
    state = base64.b64encode(
        zlib.compress((f'{{"token": "{ACCESS}"}}' + " " * 200).encode())
    ).decode()
    (tmp_path / "plain.txt").write_text(f"x {REFRESH} y")
    (tmp_path / "packed.gz").write_bytes(gzip.compress(CLIENT.encode()))
    (tmp_path / "state.json").write_text(state)
    with duckdb.connect(str(tmp_path / "a.duckdb")) as database:
        database.execute("create table t (state varchar)")
        database.execute("insert into t values (?)", [state])
    assert {where for where, _ in leaks("", tmp_path)} >= {
        "plain.txt",
        "packed.gz",
        "state.json",
        "t",
    }


def listened(folder: Path) -> str:
    """Returns what all loggers said; there is something, or the search proves nothing."""
    text = (folder / LOG).read_text()
    assert "urllib3" in text
    assert "dlt" in text
    return text


RUNS: dict[str, tuple[int, list[Fault]]] = {
    "good": (0, []),
    "401 later": (1, [Fault(path="/v2/", status=401, times=None, after=5)]),
    "403 that repeats the header": (
        1,
        [Fault(path="/clients$", status=403, body=f'{{"message": "{ACCESS}"}}', times=None)],
    ),
    "page that repeats the header": (
        1,
        [Fault(path="/clients$", status=400, body=f"<p>Bearer {ACCESS}</p>", times=None)],
    ),
    "foreign link": (
        1,
        [
            Fault(
                path="/clients$",
                status=200,
                body=f'{{"clients": [], "links": {{"next": "http://{ACCESS}.example/"}}}}',
                times=None,
            )
        ],
    ),
    "reset that passes": (0, [Fault(path="/roles$", kind="reset", times=1)]),
}


@pytest.mark.long
@pytest.mark.parametrize("name", RUNS)
def test_run_leaks_no_secret(tmp_path: Path, name: str) -> None:
    """Every logger at DEBUG, with --verbose: nothing in output, logs, traces, state, spool or tables."""
    code, faults = RUNS[name]
    folder = tmp_path / "run"
    with serving(keyed()) as sandbox:
        env = planted(folder, sandbox)
        sandbox.faults.extend(Fault(**{**vars(fault), "hits": 0}) for fault in faults)
        done = command(
            folder,
            "--verbose",
            "--reports",
            "clients,roles,invoices,invoice_messages,estimates",
            env=env,
        )
        assert done.returncode == code, done.stderr
    said = done.stdout + done.stderr
    log = listened(folder)
    assert leaks(said, folder) == []
    assert [key for key in (STATEMENT, CLIENT_KEY) if key in said + log] == []


def test_lasting_time_out_leaks_no_secret(tmp_path: Path) -> None:
    """Nobody answers at the address: the errors of sockets and retries show no header."""
    folder = tmp_path / "run"
    account = keyed()
    with serving(account) as sandbox:
        env = planted(folder, sandbox)
        sandbox.faults.append(Fault(path="/clients$", kind="timeout", times=None))
        script = (
            "import sys\n"
            "from harvest_source.api import client\n"
            "from harvest_source.patience import Tries\n"
            "from tenacity import wait_none\n"
            "client.OF_HARVEST, client.LONGEST_WAIT_SECONDS = Tries(7, 10, 0.2, 120), 0.01\n"
            "client.wait_exponential_jitter = lambda **_: wait_none()\n"
            "from harvest_source.commands.cli import main\n"
            "sys.exit(main(['--verbose', '--reports', 'clients,roles']))\n"
        )
        done = run_script(folder, script, env)
    assert done[0] == 1, done[1]
    assert "not loaded: clients" in done[1]
    listened(folder)
    assert leaks(done[1], folder) == []


def run_script(folder: Path, script: str, env: dict[str, str]) -> tuple[int, str]:
    """Runs Python code in a folder; returns its exit code and all it said."""
    env = {**env, "PYTHONPATH": os.pathsep.join((env["PYTHONPATH"], str(ROOT)))}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.long
def test_database_password_is_not_in_the_error_of_a_destination(tmp_path: Path) -> None:
    """A destination that cannot be reached is named without its credentials, on every command that opens it."""
    folder = tmp_path / "run"
    with serving(keyed()) as sandbox:
        env = planted(folder, sandbox)
        for arguments in (["run"], ["check"], ["status"]):
            done = command(folder, *arguments, "--destination", "postgres", "--verbose", env=env)
            assert done.returncode != 0
            assert leaks(done.stdout + done.stderr, folder) == [], arguments


WRONG = {
    "account": {"ACCOUNT_ID": "x"},
    "address": {"API_URL": f"http://user:{PASSWORD}@example.com/v2/"},
    "days": {"SWEEP_DAYS": "many"},
    "token with a space": {"ACCESS_TOKEN": f"{ACCESS} {CLIENT}"},
    "token beyond ascii": {"ACCESS_TOKEN": f"{ACCESS}é"},
    "account that is a token": {"ACCOUNT_ID": ACCESS},
    "notify": {"NOTIFY_URL": f"https://127.0.0.1:9/{PASSWORD}", "ASSIGNMENTS": "both"},
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_setting_leaks_no_secret(tmp_path: Path, name: str) -> None:
    """The error says which setting is wrong, and shows no secret that another setting, or this one, holds."""
    folder = tmp_path / "run"
    with serving(keyed()) as sandbox:
        done = command(folder, "--verbose", env=planted(folder, sandbox, **WRONG[name]))
    assert done.returncode == 2, done.stderr
    assert leaks(done.stdout + done.stderr, folder) == []


def test_unreadable_secrets_file_leaks_no_secret(tmp_path: Path) -> None:
    """A broken line of `.dlt/secrets.toml` is not shown: it holds a token."""
    folder = tmp_path / "run"
    (folder / ".dlt").mkdir(parents=True)
    (folder / ".dlt" / "secrets.toml").write_text(
        f'[sources.harvest]\naccess_token = "{ACCESS}\nclient_secret = {CLIENT}\n'
    )
    with serving(keyed()) as sandbox:
        env = {
            key: value
            for key, value in planted(folder, sandbox).items()
            if "ACCESS_TOKEN" not in key
        }
        done = command(folder, "--verbose", env=env)
    (folder / ".dlt" / "secrets.toml").unlink()
    assert done.returncode == 2
    assert leaks(done.stdout + done.stderr, folder) == []


@pytest.mark.long
def test_keys_of_public_pages_are_loaded_but_in_no_other_place(tmp_path: Path) -> None:
    """`statement_key` and `client_key` stand in their columns; not in output, logs, or what is kept of deleted rows."""
    folder = tmp_path / "run"
    account = keyed()
    with serving(account) as sandbox:
        env = planted(folder, sandbox)
        assert (
            command(
                folder, "--verbose", "--reports", "clients,invoices,estimates", env=env
            ).returncode
            == 0
        )
        account.delete("invoices", next(iter(account.rows["invoices"])))
        done = command(folder, "--verbose", "--reports", "clients,invoices,estimates", env=env)
        assert done.returncode == 0, done.stderr
        shown = command(folder, "show", "select * from clients", env=env)
    with duckdb.connect(str(folder / "harvest_pipeline.duckdb"), read_only=True) as database:
        assert database.execute(
            "select count(*) from harvest.clients where statement_key = ?", [STATEMENT]
        ).fetchone() == (1,)
        assert database.execute(
            "select count(*) from harvest.estimates where client_key = ?", [CLIENT_KEY]
        ).fetchone() == (1,)
        gone = repr(database.execute("select * from harvest.deleted_rows").fetchall())
    said = done.stdout + done.stderr + shown.stdout + shown.stderr + listened(folder) + gone
    assert "invoices" in gone
    assert [key for key in (STATEMENT, CLIENT_KEY) if key in said] == []
