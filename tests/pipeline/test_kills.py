"""Runs that end in the middle: kills, Ctrl-C, a destination that is locked or full, two at once. The next one completes."""

from __future__ import annotations

import json
import random
import resource
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import dlt
import pytest
from command_line import COVERAGE, command, environment, started
from compare import assert_equal
from destinations import on
from dlt.common.destination.client import LoadJob
from dlt.common.storages.load_package import PackageStorage
from dlt.load.load import Load
from faults_support import Ears, Forked, edit_all, errors_of, fast_run, tables_of, tiny
from pipelines import make_pipeline, rows
from support import make_source, serving, sync_once

from harvest_sandbox import Fault, Request, Sandbox, Size, build_account
from harvest_source.errors import LoadFailedError, SettingError
from harvest_source.loading.syncing import sync

PATIENCE_SECONDS = 60.0
FEW = ("--reports", "clients,tasks,time_entries,invoices,invoice_messages")
LOADED = tuple(FEW[1].split(","))
HISTORY_TWICE = "select count(*) - count(distinct (run_id, account_id, report)) from load_report"
NAMES = ("clients", "time_entries", "invoices", "invoice_messages", "invoice_payments")


Process = subprocess.Popen[str] | Forked


def wait_until(process: Process, happened: Callable[[], bool]) -> None:
    """Waits until something happened, or the process ended."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not happened() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.002)


def kill_at(process: Process, sandbox: Sandbox, requests: int, seconds: float = 0.0) -> None:
    """Kills a process some time after the sandbox had so many requests."""
    wait_until(process, lambda: len(sandbox.requests) >= requests)
    until = time.monotonic() + seconds
    wait_until(process, lambda: time.monotonic() >= until)
    process.kill()
    process.wait(PATIENCE_SECONDS)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 3))
def test_kills_of_a_first_load_and_of_a_second_run(tmp_path: Path, seed: int) -> None:
    """SIGKILL at random moments, while it reads and while it loads: the run after it ends equal, nothing twice, no lock."""
    chance = random.Random(seed)  # noqa: S311 - moments of kills
    account = tiny(seed + 1)
    with serving(account) as sandbox:
        for text in ("", "second"):
            if text:
                edit_all(account, text)
                account.insert("time_entries")
            sandbox.clear()
            with started(tmp_path, "--quiet", env=environment(sandbox)) as process:
                kill_at(process, sandbox, chance.choice([2, 10, 25, 40]), chance.uniform(0, 2.5))
            done = command(tmp_path, "--quiet", "--json", env=environment(sandbox))
            assert done.returncode == 0, done.stderr
            assert {each["verified"][:2] for each in json.loads(done.stdout)["reports"]} <= {
                "ye",
                "re",
            }
            assert_equal(tmp_path, sandbox)


@pytest.mark.long
def test_requests_after_a_kill_late_in_a_long_first_load_are_few(tmp_path: Path) -> None:
    """A first load of 300 invoices that is killed at nine tenths goes on from there, not from the start."""
    account = build_account(
        Size(
            projects=4, users=3, invoices=300, estimates=2, time_entries=60, expenses=6, clients=3
        ),
        seed=8,
    )
    names = ("invoices", "invoice_messages", "invoice_payments")
    with serving(account) as sandbox:

        def take_time(request: Request) -> None:
            if request.path.count("/") > 3:
                # behind the 550th it waits for the kill, also on a busy machine
                time.sleep(0.01 if len(sandbox.requests) < 550 else 0.5)

        sandbox.before_answer = take_time
        with fast_run(tmp_path, sandbox, *names) as process:
            kill_at(process, sandbox, 550)
            assert process.returncode == -signal.SIGKILL
        before = len(sandbox.requests)
        sandbox.clear()
        assert errors_of(sync_once(tmp_path, sandbox, *names, overlap_seconds=0)) == {}
        whole = 2 * len(account.rows["invoices"]) + 5
        assert 550 <= before < whole
        assert len(sandbox.requests) <= whole // 5
        assert before + len(sandbox.requests) <= whole * 1.1
        assert_equal(tmp_path, sandbox, *names)


@pytest.mark.long
def test_thirty_kills_at_random_moments_end_equal_and_a_first_load_goes_on_from_near(
    tmp_path: Path,
) -> None:
    """Ten in a first load, ten in each of two later runs: nothing lost or doubled; the first load asks few things twice."""
    chance = random.Random(30)  # noqa: S311 - moments of kills
    account = tiny(
        size=Size(
            projects=4, users=3, invoices=150, estimates=2, time_entries=400, expenses=6, clients=3
        )
    )
    names = (
        "clients",
        "time_entries",
        "expenses",
        "invoices",
        "invoice_messages",
        "invoice_payments",
    )
    struck = 0
    with serving(account) as sandbox:
        for text in ("", "second", "third"):
            if text:
                edit_all(account, text)
                account.delete("time_entries", chance.choice(list(account.rows["time_entries"])))
                for invoice in chance.sample(list(account.rows["invoices"]), 75):
                    account.update("invoices", invoice, notes=text)
            asked: Counter[str] = Counter()
            for _ in range(10):
                sandbox.clear()
                with fast_run(tmp_path, sandbox, *names) as process:
                    kill_at(
                        process,
                        sandbox,
                        chance.randrange(1, 60),
                        chance.choice([0, chance.uniform(0, 2)]),
                    )
                    struck += process.returncode == -signal.SIGKILL
                asked.update(each.path for each in sandbox.requests if each.path.count("/") > 3)
            sandbox.clear()
            assert errors_of(sync_once(tmp_path, sandbox, *names)) == {}
            asked.update(each.path for each in sandbox.requests if each.path.count("/") > 3)
            assert_equal(tmp_path, sandbox, *names)
            # later, children of parents that have just changed are looked at once more by each run that completes
            if not text:
                twice = asked.total() - len(asked)
                assert twice <= len(asked) // 2, f"{twice} of {len(asked)} asked again"
        assert rows(tmp_path, HISTORY_TWICE) == [(0,)]
        assert struck >= 20


@pytest.mark.long
@pytest.mark.parametrize("left", ["extracted", "new"])
def test_kill_between_normalize_and_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    """A package that dlt had moved on, whose first copy a kill left behind, or that it had only half made, is no obstacle."""
    account = tiny()
    real = dlt.Pipeline.normalize

    def normalize_and_die(pipeline: dlt.Pipeline, *arguments: Any, **options: Any) -> None:
        base = Path(pipeline.working_dir)
        extracted = base / "normalize" / "extracted"
        shutil.copytree(extracted, tmp_path / "kept")
        if left == "extracted":
            real(pipeline, *arguments, **options)
        else:
            (package,) = extracted.iterdir()
            shutil.copytree(package, base / "load" / "new" / package.name)
        shutil.copytree(tmp_path / "kept", extracted, dirs_exist_ok=True)
        raise OSError("killed")

    with serving(account) as sandbox:
        assert errors_of(sync_once(tmp_path, sandbox, *NAMES)) == {}
        edit_all(account, "before the kill")
        with monkeypatch.context() as patch:
            patch.setattr(dlt.Pipeline, "normalize", normalize_and_die)
            with pytest.raises(Exception, match="killed"):
                sync_once(tmp_path, sandbox, *NAMES)
        account.insert("time_entries")
        assert errors_of(sync_once(tmp_path, sandbox, *NAMES)) == {}
        assert_equal(tmp_path, sandbox, *NAMES)


def _note_nothing(*_: Any, **__: Any) -> None:
    """Stands for the note that dlt had no time to make after the destination committed."""


@pytest.mark.long
@on("duckdb", "postgres", "filesystem")
def test_kill_after_a_table_was_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that reached the destination, whose file dlt had not yet put away, are not doubled: not in the history either."""
    account = tiny()
    names = (*NAMES, "roles")
    real = Load.complete_jobs

    def die_before_they_are_put_away(
        load: Load, load_id: str, jobs: Sequence[LoadJob], schema: Any
    ) -> Any:
        until = time.monotonic() + 10
        while (
            jobs
            and time.monotonic() < until
            and not all(job.state() == "completed" for job in jobs)
        ):
            time.sleep(0.01)
        if jobs:
            raise OSError("killed")
        return real(load, load_id, jobs, schema)

    with serving(account) as sandbox:
        assert errors_of(sync_once(tmp_path, sandbox, *names)) == {}
        edit_all(account, "before the kill")
        account.delete("time_entries", next(iter(account.rows["time_entries"])))
        with monkeypatch.context() as patch:
            patch.setattr(Load, "complete_jobs", die_before_they_are_put_away)
            patch.setattr(PackageStorage, "save_pending_transition", _note_nothing)
            with pytest.raises(Exception, match="killed"):
                sync_once(tmp_path, sandbox, *names)
        account.insert("time_entries")
        assert errors_of(sync_once(tmp_path, sandbox, *names)) == {}
        assert_equal(tmp_path, sandbox, *names)
    for table, key in (
        ("load_report", "run_id, account_id, report"),
        ("deleted_rows", "account_id, report, id"),
    ):
        twice = f"select count(*) - count(distinct ({key})) from {table}"
        assert rows(tmp_path, twice) == [(0,)], table


@pytest.mark.long
@pytest.mark.parametrize("first", [True, False])
def test_kill_while_the_history_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, first: bool
) -> None:
    """The rows of `load_report` are not doubled by a kill after they were committed."""
    account = tiny()
    real = Load.complete_jobs

    def die_after_the_history(
        load: Load, load_id: str, jobs: Sequence[LoadJob], schema: Any
    ) -> Any:
        until = time.monotonic() + 10
        while (
            jobs
            and time.monotonic() < until
            and not all(job.state() == "completed" for job in jobs)
        ):
            time.sleep(0.01)
        if any("load_report" in job.job_id() for job in jobs):
            raise OSError("killed")
        return real(load, load_id, jobs, schema)

    with serving(account) as sandbox:
        if not first:
            sync_once(tmp_path, sandbox, "roles")
        with monkeypatch.context() as patch:
            patch.setattr(Load, "complete_jobs", die_after_the_history)
            patch.setattr(PackageStorage, "save_pending_transition", _note_nothing)
            with pytest.raises(Exception, match="killed"):
                sync_once(tmp_path, sandbox, "roles")
        assert errors_of(sync_once(tmp_path, sandbox, "roles")) == {}
        assert_equal(tmp_path, sandbox, "roles")
    assert rows(tmp_path, HISTORY_TWICE) == [(0,)]


@pytest.mark.long
def test_answers_kept_of_a_killed_run_are_not_used_once_their_invoice_changed(
    tmp_path: Path,
) -> None:
    """Children of a parent that changed between the kill and the next run are read anew."""
    account = build_account(
        Size(projects=4, users=3, invoices=40, estimates=2, time_entries=60, expenses=6, clients=3),
        seed=8,
    )
    names = ("invoices", "invoice_messages", "invoice_payments")
    with serving(account) as sandbox:
        sandbox.faults.append(Fault(path=r"/payments$", kind="timeout", after=39, times=None))
        with fast_run(tmp_path, sandbox, *names) as process:
            kill_at(process, sandbox, 82, 0.2)
        sandbox.faults.clear()
        for payment in list(account.rows["invoice_payments"])[:5]:
            account.update("invoice_payments", payment, notes="changed after the kill")
        assert errors_of(sync_once(tmp_path, sandbox, *names)) == {}
        assert_equal(tmp_path, sandbox, *names)


@pytest.mark.long
@pytest.mark.parametrize("held", ["list", "child", "wait"])
def test_ctrl_c_ends_at_once_with_130(tmp_path: Path, held: str) -> None:
    """Ctrl-C while an answer is awaited, or a pause that Harvest asked for: 130 within seconds, one line, no traceback."""
    account = tiny()
    with serving(account) as sandbox:
        path = {"list": r"/clients$", "child": r"/messages$", "wait": r"/clients$"}[held]
        fault = Fault(path=path, kind="timeout", times=None)
        if held == "wait":
            fault = Fault(path=path, status=429, retry_after="600", times=None)
        sandbox.faults.append(fault)
        with started(tmp_path, *FEW, env=environment(sandbox)) as process:
            wait_until(process, lambda: fault.hits > 0)
            time.sleep(0.3)
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=PATIENCE_SECONDS)
            taken = time.monotonic() - began
        assert process.returncode == 130
        assert "interrupted" in said
        assert "Traceback" not in said
        assert taken < 10
        sandbox.faults.clear()
        done = command(tmp_path, "--quiet", *FEW, env=environment(sandbox))
        assert done.returncode == 0, done.stderr
        assert_equal(tmp_path, sandbox, *LOADED)


@pytest.mark.long
@pytest.mark.usefixtures("ctrl_c_heard")
def test_ctrl_c_during_the_last_file_of_a_load_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a load ends in good order dlt holds the signal back, and then forgets it."""
    real = Load.complete_package

    def complete_after_ctrl_c(load: Load, *arguments: Any, **options: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        real(load, *arguments, **options)

    account = tiny()
    with serving(account) as sandbox:
        with monkeypatch.context() as patch:
            patch.setattr(Load, "complete_package", complete_after_ctrl_c)
            with pytest.raises(KeyboardInterrupt):
                sync_once(tmp_path, sandbox, *NAMES)
        assert errors_of(sync_once(tmp_path, sandbox, *NAMES)) == {}
        assert_equal(tmp_path, sandbox, *NAMES)


def test_ctrl_c_during_the_load_ends_with_130(tmp_path: Path) -> None:
    """Ctrl-C when rows are on their way into the tables: 130; the next run completes."""
    account = tiny()
    with serving(account) as sandbox:
        with started(tmp_path, *FEW, env=environment(sandbox)) as process:
            wait_until(process, lambda: len(sandbox.requests) >= 8)
            wait_until(process, (tmp_path / "harvest_pipeline.duckdb").exists)
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode in {130, 0}
        assert "Traceback" not in said
        done = command(tmp_path, "--quiet", *FEW, env=environment(sandbox))
        assert done.returncode == 0, done.stderr
        assert_equal(tmp_path, sandbox, *LOADED)


# the destination


def test_pending_load_is_finished_first_and_said_then_new_data_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The destination is gone when rows should be loaded (R44): both days' rows are there after the next command."""
    account = tiny()
    with serving(account) as sandbox:
        assert errors_of(sync_once(tmp_path, sandbox, *NAMES)) == {}
        first = account.insert("time_entries", notes="first day")
        with monkeypatch.context() as patch:
            patch.setattr(Load, "initialize_package", _fail)
            with pytest.raises(LoadFailedError, match=r"destination.*gone"):
                sync_once(tmp_path, sandbox, *NAMES)
        assert rows(tmp_path, "select count(*) from time_entries where notes = 'first day'") == [
            (0,)
        ]
        second = account.insert("time_entries", notes="second day")
        ears = Ears()
        summary = sync(make_pipeline(tmp_path), make_source(sandbox, *NAMES), listener=ears)
        assert summary.pending_loaded
        assert errors_of(summary) == {}
        assert any("pending" in note for note in ears.notes)
        found = {
            row_id
            for (row_id,) in rows(tmp_path, "select id from time_entries where notes like '%day'")
        }
        assert {first["id"], second["id"]} <= found
        assert_equal(tmp_path, sandbox, *NAMES)


@pytest.mark.long
def test_pending_load_can_be_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--drop-pending`: what was pending is dropped, its bookmark too: the same run reads it again."""
    account = tiny()
    with serving(account) as sandbox:
        sync_once(tmp_path, sandbox, *NAMES)
        account.insert("time_entries", notes="first day")
        with monkeypatch.context() as patch:
            patch.setattr(dlt.Pipeline, "load", _fail)
            with pytest.raises(SettingError, match="gone"):
                sync_once(tmp_path, sandbox, *NAMES)
        ears = Ears()
        source = make_source(sandbox, *NAMES)
        summary = sync(make_pipeline(tmp_path), source, listener=ears, drop_pending=True)
        assert not summary.pending_loaded
        assert any("dropped" in note for note in ears.notes)
        assert_equal(tmp_path, sandbox, *NAMES)


def _fail(*_: Any, **__: Any) -> None:
    """Stands for a destination that went away."""
    raise OSError("gone")


@pytest.mark.long
@pytest.mark.parametrize("megabytes", [0.02, 1.5])
def test_full_disk_loses_nothing(tmp_path: Path, megabytes: float) -> None:
    """Files cannot grow beyond some size, wherever that strikes: 0 only where all is there; with room the next run completes."""
    account = tiny(
        size=Size(
            projects=4, users=4, invoices=4, estimates=3, time_entries=400, expenses=6, clients=3
        )
    )
    limit = int(megabytes * 1024 * 1024)
    with serving(account) as sandbox:
        env = environment(sandbox)
        env.pop(COVERAGE, None)  # what it would write is cut as well
        done = command(
            tmp_path,
            "--quiet",
            *FEW,
            env=env | {"PYTHONDONTWRITEBYTECODE": "1"},  # else Python leaves cut files of its own
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        )
        # the write-ahead log may be enough
        assert done.returncode in ({0, 1} if megabytes > 1 else {1, 2}), done.stderr
        if done.returncode == 0:
            assert_equal(tmp_path, sandbox, *LOADED)
        assert "Traceback" not in done.stderr
        assert "unexpected" not in done.stderr
        assert len(done.stderr.strip().splitlines()) <= 2
        done = command(tmp_path, "--quiet", *FEW, env=env)
        assert done.returncode == 0, done.stderr
        assert_equal(tmp_path, sandbox, *LOADED)


# two at once


@pytest.mark.long
def test_second_run_at_once_says_so_and_the_first_completes(tmp_path: Path) -> None:
    """The second exits 2 and asks Harvest nothing more than it must; the first ends well; a kill leaves no lock."""
    account = tiny()
    go = threading.Event()
    with serving(account) as sandbox:
        env = environment(sandbox)

        def keep(request: Request) -> None:
            if request.path.endswith("/tasks"):
                go.wait(PATIENCE_SECONDS)

        sandbox.before_answer = keep
        with started(tmp_path, *FEW, env=env) as process:
            wait_until(
                process, lambda: any(each.path.endswith("/tasks") for each in sandbox.requests)
            )
            second = command(tmp_path, *FEW, env=env)
            assert second.returncode == 2
            assert "another run" in second.stderr
            assert "Traceback" not in second.stderr
            go.set()
            _, said = process.communicate(timeout=PATIENCE_SECONDS)
            assert process.returncode == 0, said
        assert_equal(tmp_path, sandbox, *LOADED)
        go.clear()
        sandbox.clear()
        with started(tmp_path, *FEW, env=env) as process:
            wait_until(
                process, lambda: any(each.path.endswith("/tasks") for each in sandbox.requests)
            )
            process.kill()
            process.wait(PATIENCE_SECONDS)
        go.set()
        assert command(tmp_path, "--quiet", *FEW, env=env).returncode == 0
        before = tables_of(tmp_path)
        assert command(tmp_path, "--quiet", *FEW, env=env).returncode == 0
        assert tables_of(tmp_path) == before
