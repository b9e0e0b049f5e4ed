"""The DuckDB file, which one program at a time may have open: a run has it only while it needs it, waits for it, and is told."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import dlt
import duckdb
import pytest
from clocks import FastClock
from command_line import ROOT, STATE_FOLDER, Type, environment
from compare import assert_equal
from faults_support import Ears, edit_all, errors_of, tiny
from pipelines import make_pipeline, rows
from second_harvest import by_hand
from support import make_source, serving, sync_once

from harvest_sandbox import Request, Sandbox
from harvest_source.api.recent import FILE_NAME
from harvest_source.loading.summary import Summary
from harvest_source.loading.syncing import sync

FILE = "harvest_pipeline.duckdb"
OK = 200
NAMES = ("clients", "time_entries", "invoices", "invoice_messages", "invoice_payments")
HOLD = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
LOOKS = """
import duckdb, sys
for line in sys.stdin:
    try:
        duckdb.connect(line.rstrip(), read_only=True).close()
        print("free", flush=True)
    except duckdb.IOException:
        print("held", flush=True)
"""


class Holder:
    """Another program that has the file open."""

    def __init__(self, path: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        assert self._process.stdout.readline() == "held\n"

    @property
    def pid(self) -> int:
        return self._process.pid

    def end(self) -> None:
        """Ends the program; the file is free afterwards."""
        self._process.communicate("")


@contextmanager
def another_program() -> Iterator[Callable[[Path], bool]]:
    """Gives whether another program can open a file."""
    with subprocess.Popen(
        [sys.executable, "-c", LOOKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        ask, answer, turn = process.stdin, process.stdout, threading.Lock()

        def can_open(path: Path) -> bool:
            with turn:
                ask.write(f"{path}\n")
                ask.flush()
                return answer.readline() == "free\n"

        yield can_open
        ask.close()


class Waiting(FastClock):
    """A clock that counts the seconds waited, and ends a program that holds the file after so many of them."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.waited = 0.0
        self.pid = 0
        self.ends: Holder | None = None
        self._seconds = seconds

    def pass_time(self, seconds: float, ended: threading.Event) -> None:
        super().pass_time(seconds, ended)
        self.waited += seconds
        if self.ends and self.waited >= self._seconds and not self.pid:
            self.ends.end()
            self.pid = self.ends.pid


def run(folder: Path, sandbox: Sandbox, clock: FastClock, ears: Ears) -> Summary:
    """Runs once, by a clock on which waiting takes no time."""
    return sync(make_pipeline(folder), make_source(sandbox, *NAMES, clock=clock), listener=ears)


@pytest.mark.long
def test_file_is_free_whenever_a_run_asks_harvest(tmp_path: Path) -> None:
    """At each request of a first run, of one without changes and of one that looks closer, another program can open the file."""
    path = tmp_path / FILE
    account = tiny()
    asked: list[str] = []
    refused: list[str] = []

    def look(request: Request) -> None:
        asked.append(request.path)
        if path.exists() and not can_open(path):
            refused.append(request.path)

    with serving(account) as sandbox, another_program() as can_open:
        assert (
            errors_of(sync_once(tmp_path, sandbox, "clients", "time_entries", "expenses", "tasks"))
            == {}
        )
        sandbox.before_answer = look
        for change in ("nothing", "a deletion, and rows taken away here"):
            if change != "nothing":
                account.delete("time_entries", next(iter(account.rows["time_entries"])))
                rows(tmp_path, "delete from time_entries where id % 7 = 3")
            assert (
                errors_of(
                    sync_once(tmp_path, sandbox, "clients", "time_entries", "expenses", "tasks")
                )
                == {}
            )
            assert refused == [], change
        assert len(asked) > 20
        assert_equal(tmp_path, sandbox, "clients", "time_entries", "expenses", "tasks")


@pytest.mark.long
def test_file_in_use_for_five_seconds_is_waited_for_and_said_once(tmp_path: Path) -> None:
    """At the start of a run, and in the middle of it, when another program took the file while Harvest was asked."""
    account = tiny()
    path = tmp_path / FILE
    with serving(account) as sandbox:
        assert errors_of(sync_once(tmp_path, sandbox, *NAMES)) == {}
        for moment in ("start", "middle"):
            edit_all(account, moment)
            clock, ears = Waiting(5), Ears()

            def take(request: Request, clock: Waiting = clock) -> None:
                if request.path.endswith("/clients") and clock.ends is None:
                    clock.ends = Holder(path)

            if moment == "start":
                clock.ends = Holder(path)
            else:
                sandbox.before_answer = take
            assert errors_of(run(tmp_path, sandbox, clock, ears)) == {}
            assert 5 <= clock.waited < 6
            (said,) = [note for note in ears.notes if "waiting" in note]
            assert f"(PID {clock.pid})" in said
            assert "up to 30 s" in said
            sandbox.before_answer = lambda _request: None
        assert_equal(tmp_path, sandbox, *NAMES)


def test_file_in_use_for_longer_ends_the_run_and_names_the_program(
    tmp_path: Path, type_command: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 1 after 30 s, one line beside the one that said it waits, no list is read; the next run is well."""
    account = tiny()
    few = ("--quiet", "--reports", "clients,time_entries")
    clock = Waiting(999)
    monkeypatch.setattr("harvest_source.connection.Clock", lambda: clock)
    with serving(account) as sandbox:
        assert type_command(*few, harvest=sandbox).code == 0
        edit_all(account, "while in use")
        sandbox.clear()
        holder = Holder(tmp_path / FILE)
        done = type_command(*few, harvest=sandbox)
        holder.end()
        assert done.code == 1
        assert 30 <= clock.waited < 31
        waited, error = done.err.strip().splitlines()
        assert f"(PID {holder.pid})" in waited
        assert error.startswith("error: the destination cannot be used: ")
        assert error.endswith(f"(PID {holder.pid}). Wait until that program has ended.")
        assert not [
            each for each in sandbox.requests if each.path.endswith(("/clients", "/time_entries"))
        ]
        assert type_command(*few, harvest=sandbox).code == 0
        assert_equal(tmp_path, sandbox, "clients", "time_entries")


HELD_RUN = """
import sys
import dlt
from harvest_source.commands.cli import main

real = dlt.Pipeline.load

def load(*arguments, **options):
    print("loading", flush=True)
    sys.stdin.read()
    return real(*arguments, **options)

dlt.Pipeline.load = load
sys.exit(main(["--quiet", "--reports", "clients,tasks"]))
"""


@pytest.mark.long
def test_show_and_status_work_while_a_run_waits_and_name_it_while_it_holds_the_file(
    tmp_path: Path, type_command: Type
) -> None:
    """While Harvest is waited for they show what is loaded; while rows are loaded they end with 1 and say since when."""
    account = tiny()
    asked, go = threading.Event(), threading.Event()
    sql = "select count(*) as n from clients"

    def keep(request: Request) -> None:
        if request.path.endswith("/tasks"):
            asked.set()
            go.wait(60)

    with serving(account) as sandbox:
        assert type_command("--reports", "clients,tasks", harvest=sandbox).code == 0
        edit_all(account, "second")
        sandbox.before_answer = keep
        env = {**environment(sandbox), "PYTHONPATH": str(ROOT)}
        with subprocess.Popen(
            [sys.executable, "-c", HELD_RUN],
            cwd=tmp_path,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout
            assert asked.wait(60)
            assert type_command("show", sql, "--json").json() == [{"n": 3}]
            assert {each["report"] for each in type_command("status", "--json").json()} == {
                "clients",
                "tasks",
            }
            go.set()
            assert process.stdout.readline() == "loading\n"
            for arguments in (("show", sql), ("status",), ("check", "--json")):
                done = type_command(*arguments, harvest=sandbox)
                assert done.code == 1
                (said,) = (
                    done.json()["problems"]
                    if "check" in arguments
                    else done.err.strip().splitlines()
                )
                assert f"a run is under way since {datetime.now().astimezone():%Y-%m-%d}" in said
                assert str(process.pid) in said
            process.communicate("")
            assert process.returncode == 0
        assert type_command("status").code == 0
        assert_equal(tmp_path, sandbox, "clients", "tasks")


def test_connection_that_is_handed_in_stays_as_it_is(tmp_path: Path) -> None:
    """In a library: dlt loads by an open connection of the user's own, which no run closes or opens again."""
    with serving(tiny()) as sandbox, duckdb.connect(str(tmp_path / "own.duckdb")) as own:
        pipeline = dlt.pipeline(
            "own",
            destination=dlt.destinations.duckdb(own),
            dataset_name="harvest",
            pipelines_dir=str(tmp_path / "state"),
        )
        assert errors_of(sync(pipeline, make_source(sandbox, "clients"))) == {}
        assert own.execute("select count(*) from harvest.clients").fetchone() == (3,)


def test_another_program_is_not_taken_for_a_run(tmp_path: Path, type_command: Type) -> None:
    """A run that was killed left its note; the file is open in another program: that one is named."""
    with serving(tiny()) as sandbox:
        assert type_command("--reports", "clients", harvest=sandbox).code == 0
    left = tmp_path / ".dlt" / "state" / "duckdb__harvest" / "harvest_pipeline.running.json"
    assert not left.exists()
    left.write_text(json.dumps({"pid": 1, "started_at": "2026-01-01T00:00:00+00:00"}))
    holder = Holder(tmp_path / FILE)
    done = type_command("status")
    holder.end()
    assert done.code == 1
    assert "under way" not in done.err
    assert f"(PID {holder.pid}). Wait until that program has ended." in done.err
    left.write_text("{")
    assert type_command("status").code == 0


def test_looking_makes_no_database_and_leaves_no_folder(tmp_path: Path, type_command: Type) -> None:
    """`show` and `status` before the first load, and a destination that there is not; `check` notes what it asked."""
    assert type_command("status").code == 0
    assert "nothing is loaded yet" in type_command("status").err
    done = type_command("show", "select 1")
    assert done.code == 2
    assert "nothing is loaded yet" in done.err
    for arguments in (("status",), ("show", "select 1"), ("run", "--reports", "clients")):
        assert type_command(*arguments, "--destination", "dukdb", ACCESS_TOKEN="x").code == 2
    assert list(tmp_path.iterdir()) == []
    assert type_command("check", "--destination", "dukdb", ACCESS_TOKEN="x").code == 2
    left = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
    assert left == [STATE_FOLDER / FILE_NAME]


@pytest.mark.long
@pytest.mark.parametrize(
    ("account", "status", "code"),
    [("9999", 200, 2), ("77", 401, 1)],
    ids=["an account not reached", "no token"],
)
def test_run_that_loads_nothing_leaves_no_empty_file(
    tmp_path: Path, type_command: Type, account: str, status: int, code: int
) -> None:
    """Nor does it touch a file that was there; the next run makes the file and loads."""
    file = tmp_path / FILE
    few = ("--quiet", "--reports", "clients", "--account")
    with by_hand(users=2, invoices=1, entries=1) as harvest:
        for is_there in (False, True):
            harvest.spoil = lambda asked: (
                (status, b"{}") if status != OK and asked.path != "api/v2/accounts" else None
            )
            done = type_command(*few, account, harvest=harvest)
            assert (done.code, done.err.count("\n")) == (code, 1)
            assert file.exists() is is_there
            assert not list(tmp_path.glob("*.wal"))
            harvest.spoil = lambda _asked: None
            assert type_command(*few, "77", harvest=harvest).code == 0
            assert json.loads(
                type_command("show", "select count(*) as n from clients", "--json").out
            ) == [{"n": 3}]
