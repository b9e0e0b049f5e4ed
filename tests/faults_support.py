"""What the tests of faults share: faults by name, endpoints, clocks, copies of tables and bookmarks."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
from clocks import FastClock
from command_line import ROOT, environment
from pipelines import forget_dlt, make_pipeline
from support import stop_timers, sync_once

from harvest_sandbox import Account, Fault, Sandbox, Size, build_account
from harvest_source.catalogue.lookup import by_name
from harvest_source.catalogue.report import Report
from harvest_source.catalogue.reports import NAMES, REPORTS
from harvest_source.loading.listener import Listener
from harvest_source.loading.summary import Summary
from harvest_source.loading.taken import KEPT_TABLES
from harvest_source.reading.plan import lists_needed

TINY = Size(projects=4, users=4, invoices=4, estimates=3, time_entries=40, expenses=6, clients=3)
TABLES_OF_RUNS = frozenset(KEPT_TABLES)


def tiny(seed: int = 5, size: Size = TINY) -> Account:
    """Returns a small account with rows in every table, whose timers are stopped: their hours would grow meanwhile."""
    account = build_account(size, seed=seed)
    stop_timers(account)
    assert all(account.rows[name] for name in account.rows)
    return account


# endpoints


def path_of(report: Report) -> str:
    """Returns a regular expression of the paths of a report, and of no other's."""
    return "/v2/" + report.path.partition("?")[0].replace("{parent_id}", r"\d+") + "$"


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
        options["retry_after"] = format_datetime(
            datetime.now(UTC) + timedelta(seconds=30), usegmt=True
        )
    return Fault(path=path, **options)


# clocks


class ThreadClock(FastClock):
    """A clock on which waiting takes no time, which knows how long each thread would have waited."""

    def __init__(self) -> None:
        super().__init__()
        self.waits_of: dict[int, list[float]] = defaultdict(list)  # thread: its waits

    def pass_time(self, seconds: float, ended: threading.Event) -> None:
        self.waits_of[threading.get_ident()].append(seconds)
        super().pass_time(seconds, ended)

    @property
    def longest(self) -> float:
        """Returns the seconds that the thread which waited longest would have waited."""
        return max((sum(waits) for waits in self.waits_of.values()), default=0.0)


class Ears(Listener):
    """Keeps what a run tells."""

    def __init__(self) -> None:
        super().__init__()
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
        names = [
            name for (name,) in found if not name.startswith("_dlt") and name not in TABLES_OF_RUNS
        ]
        tables = {}
        for name in names:
            cursor = database.execute(f"select * from harvest.{name}")
            columns = [column[0] for column in cursor.description or ()]
            kept = [
                place
                for place, column in enumerate(columns)
                if with_dlt or not column.startswith("_dlt")
            ]
            tables[name] = sorted(
                (tuple(row[place] for place in kept) for row in cursor.fetchall()), key=repr
            )
    return tables


def tables_under(
    tables: dict[str, list[tuple[Any, ...]]], name: str
) -> dict[str, list[tuple[Any, ...]]]:
    """Returns the tables of one report, its child tables too."""
    return {
        each: rows for each, rows in tables.items() if each == name or each.startswith(f"{name}__")
    }


def bookmarks(folder: Path) -> dict[str, Any]:
    """Returns what the working state keeps of each report."""
    state: dict[str, Any] = (
        make_pipeline(folder).state.get("sources", {}).get("harvest", {}).get("resources", {})
    )
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
        found = database.execute(
            f"select count(*) from harvest.{name} where {EDITS[name]} = ?", [text]
        ).fetchone()
    return bool(found and found[0] >= 1)


def permission_of(name: str) -> str:
    """Returns who may read a report."""
    return str(by_name(name).access)


# a run of its own


class Forked:
    """A process that was forked for one run, with the names of `Popen`."""

    def __init__(self, server: subprocess.Popen[str], order: dict[str, Any]) -> None:
        assert server.stdin
        assert server.stdout
        server.stdin.write(json.dumps(order) + "\n")
        server.stdin.flush()
        self._said = server.stdout
        self._pid = int(self._said.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Returns the exit code once it has ended, or the negative number of the signal that ended it."""
        if self.returncode is None and select.select([self._said], [], [], 0)[0]:
            self.returncode = int(self._said.readline())
        return self.returncode

    def wait(self, timeout: float) -> int | None:
        """Waits for its end."""
        if self.returncode is None:
            select.select([self._said], [], [], timeout)
        return self.poll()

    def kill(self) -> None:
        """Kills it."""
        if self.poll() is None:
            os.kill(self._pid, signal.SIGKILL)


@cache
def _forks() -> subprocess.Popen[str]:
    """Starts the process that forks one for each run, with all that is imported by then; it ends with the tests."""
    return subprocess.Popen(
        [sys.executable, __file__],
        env={**environment(), "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


@contextmanager
def fast_run(folder: Path, sandbox: Sandbox, *names: str) -> Iterator[Forked]:
    """Starts a process that runs once, on a clock that never waits for the limit."""
    process = Forked(_forks(), {"folder": str(folder), "url": sandbox.id_url, "names": names})
    try:
        yield process
    finally:
        process.kill()
        process.wait(60)


class Elsewhere:
    """Stands for a sandbox that another process serves."""

    def __init__(self, id_url: str) -> None:
        self.id_url = id_url
        self.api_url = f"{id_url}v2/"


def run(order: dict[str, Any]) -> int:
    """Runs once as `fast_run` orders."""
    os.chdir(order["folder"])
    forget_dlt()
    elsewhere: Any = Elsewhere(order["url"])
    return sync_once(Path(order["folder"]), elsewhere, *order["names"]).exit_code


def fork_runs() -> None:
    """Forks a process for each order on standard input; tells its id, and how it ended once it has."""
    for line in sys.stdin:
        child = os.fork()
        if not child:
            code = 1
            try:
                os.dup2(2, 1)
                code = run(json.loads(line))
            finally:
                os._exit(code)
        _tell(child)
        _tell(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def _tell(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    fork_runs()
