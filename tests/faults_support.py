"""What the tests of faults share: faults by name, endpoints, clocks, copies of tables and bookmarks, the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import duckdb
from support import TOKEN, FastClock, make_pipeline, sync_once

from harvest_sandbox import Account, Fault, Sandbox, Size, build_account
from harvest_source.reports.catalogue import NAMES, REPORTS, Report, by_name
from harvest_source.reports.parents import lists_needed
from harvest_source.syncing import Summary
from harvest_source.syncing.listener import Listener

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "harvest_pipeline.py"
TINY = Size(projects=4, users=4, invoices=4, estimates=3, time_entries=40, expenses=6, clients=3)
TABLES_OF_RUNS = frozenset({"load_report", "deleted_rows", "accounts"})


def tiny(seed: int = 5, size: Size = TINY) -> Account:
    """Returns a small account with rows in every table, whose timers are stopped: their hours would grow meanwhile."""
    account = build_account(size, seed=seed)
    for entry in [entry for entry in account.rows["time_entries"].values() if entry["is_running"]]:
        account.update("time_entries", entry["id"], is_running=False, timer_started_at=None)
    assert all(account.rows[name] for name in account.rows)
    return account


# endpoints


def path_of(report: Report) -> str:
    """Returns a regular expression of the paths of a report, and of no other's."""
    return "/v2/" + report.path.replace("{parent_id}", r"\d+") + "$"


def hanging_on(name: str) -> set[str]:
    """Returns the reports that cannot be read without the list of that name."""
    return {report.name for report in REPORTS if report.parent and name in lists_needed(report)}


# faults that pass

PASSING: dict[str, dict[str, Any]] = {
    "429, seconds": {"status": 429, "retry_after": "2"},
    "429, date": {"status": 429, "retry_after": "date"},
    "429, nonsense": {"status": 429, "retry_after": "soon"},
    "500": {"status": 500},
    "503": {"status": 503, "body": b""},
    "time-out": {"kind": "timeout"},
    "reset": {"kind": "reset"},
    "cut body": {"kind": "cut"},
    "200 with a page": {"kind": "html"},
    "200, empty": {"kind": "empty"},
    "200, no rows key": {"kind": "wrong_shape"},
    "200, a list": {"body": b'[{"id": 1}]', "status": 200},
}


def passing_fault(name: str, path: str, **more: Any) -> Fault:
    """Returns a passing fault of the table above."""
    options = {**PASSING[name], **more}
    if options.get("retry_after") == "date":
        options["retry_after"] = format_datetime(datetime.now(UTC) + timedelta(seconds=3), usegmt=True)
    return Fault(path=path, **options)


# clocks


class ThreadClock(FastClock):
    """A clock on which waiting takes no time, which knows how long each thread would have waited."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: dict[int, list[float]] = defaultdict(list)  # thread: its waits

    def sleep(self, seconds: float) -> None:
        self.waits[threading.get_ident()].append(seconds)
        super().sleep(seconds)

    @property
    def longest(self) -> float:
        """Returns the seconds that the thread which waited longest would have waited."""
        return max((sum(waits) for waits in self.waits.values()), default=0.0)


class Ears(Listener):
    """Keeps what a run tells."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)


# tables and bookmarks


def tables_of(folder: Path, *, with_dlt: bool = True) -> dict[str, list[tuple[Any, ...]]]:
    """Returns all rows of all tables, by name; without dlt's tables and those that every run adds to.

    Args:
        folder: of the database.
        with_dlt: keep dlt's columns, which show whether a row was written again.
    """
    path = folder / "harvest_pipeline.duckdb"
    if not path.exists():
        return {}
    with duckdb.connect(str(path), read_only=True) as database:
        found = database.execute(
            "select table_name from information_schema.tables where table_schema = 'harvest' order by 1"
        ).fetchall()
        names = [name for (name,) in found if not name.startswith("_dlt") and name not in TABLES_OF_RUNS]
        tables = {}
        for name in names:
            cursor = database.execute(f"select * from harvest.{name}")
            columns = [column[0] for column in cursor.description or ()]
            kept = [place for place, column in enumerate(columns) if with_dlt or not column.startswith("_dlt")]
            tables[name] = sorted((tuple(row[place] for place in kept) for row in cursor.fetchall()), key=repr)
    return tables


def tables_under(tables: dict[str, list[tuple[Any, ...]]], name: str) -> dict[str, list[tuple[Any, ...]]]:
    """Returns the tables of one report, its child tables too."""
    return {each: rows for each, rows in tables.items() if each == name or each.startswith(f"{name}__")}


def bookmarks(folder: Path) -> dict[str, Any]:
    """Returns what the working state keeps of each report."""
    state: dict[str, Any] = make_pipeline(folder).state.get("sources", {}).get("harvest", {}).get("resources", {})
    return json.loads(json.dumps({name: kept for name, kept in state.items() if name in NAMES}))  # type: ignore[no-any-return]


def errors_of(summary: Summary) -> dict[str, str]:
    """Returns the errors of a run by report."""
    return {result.report: result.error for result in summary.results if result.error}


EDITS = {
    "clients": "address",
    "contacts": "title",
    "projects": "notes",
    "time_entries": "notes",
    "expenses": "notes",
    "users": "telephone",
    "invoices": "notes",
    "estimates": "notes",
    "invoice_payments": "notes",
}
"""A text of each report that nothing else copies."""


def edit_all(account: Account, text: str) -> None:
    """Changes one row of many reports."""
    for name, field in EDITS.items():
        changes: dict[str, Any] = {field: text}
        account.update(name, next(iter(account.rows[name])), **changes)
    for user in account.rows["users"].values():
        if "manager" in user["access_roles"]:  # the only ones who are asked for teammates
            account.update("users", user["id"], telephone=text)


def has_edit(folder: Path, name: str, text: str) -> bool:
    """Returns whether an edit of `edit_all` arrived."""
    with duckdb.connect(str(folder / "harvest_pipeline.duckdb"), read_only=True) as database:
        found = database.execute(f"select count(*) from harvest.{name} where {EDITS[name]} = ?", [text]).fetchone()
    return bool(found and found[0] >= 1)


def permission_of(name: str) -> str:
    """Returns who may read a report."""
    return by_name(name).permission


# the command line


def environment(sandbox: Sandbox | None = None, **settings: str) -> dict[str, str]:
    """Returns an environment without this machine's settings, with those given."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "SYSTEMROOT"}}
    if sandbox:
        settings = {"API_URL": sandbox.api_url, "ID_URL": sandbox.id_url, "ACCESS_TOKEN": TOKEN, **settings}
    named = {f"SOURCES__HARVEST__{name}": value for name, value in settings.items()}
    return {**kept, "XDG_CONFIG_HOME": "no-configuration", **named}


def command(folder: Path, *arguments: str, env: dict[str, str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs the command line in a folder."""
    folder.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
        **options,
    )


@contextmanager
def started(folder: Path, *arguments: str, env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Starts the command line in a folder; it does not outlive the `with`."""
    with program(folder, str(SCRIPT), *arguments, env=env) as process:
        yield process


@contextmanager
def fast_run(folder: Path, sandbox: Sandbox, *names: str) -> Iterator[subprocess.Popen[str]]:
    """Starts a process that runs once, on a clock that never waits for the limit."""
    env = {**environment(), "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))}
    order = json.dumps({"folder": str(folder), "url": sandbox.id_url, "names": names})
    with program(folder, __file__, order, env=env) as process:
        yield process


@contextmanager
def program(folder: Path, *arguments: str, env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Starts a Python program; it does not outlive the `with`."""
    folder.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


class Elsewhere:
    """Stands for a sandbox that another process serves."""

    def __init__(self, id_url: str) -> None:
        self.id_url = id_url
        self.api_url = f"{id_url}v2/"


def main(order: dict[str, Any]) -> int:
    """Runs once as `fast_run` orders."""
    elsewhere: Any = Elsewhere(order["url"])
    return sync_once(Path(order["folder"]), elsewhere, *order["names"]).exit_code


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
