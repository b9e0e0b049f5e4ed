"""What happened to folder and destination between two runs: a backup put back, two databases in turn, a second machine."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import dlt
import psycopg2
import pytest
from compare import assert_equal
from destinations import on
from dlt.common.storages import load_package
from dlt.load.load import Load
from faults_support import Ears, errors_of
from pipelines import Make, duckdb_file, make_destination, make_pipeline
from postgres_server import Postgres
from second_harvest import HandMade, by_hand, like
from support import make_source, sync_once

from harvest_sandbox import Sandbox
from harvest_source.errors import LoadFailedError
from harvest_source.loading.summary import Summary
from harvest_source.loading.syncing import sync

NAMES = ("time_entries", "invoice_payments")


def sync_and_hear(
    folder: Path, harvest: HandMade, *names: str, **options: Any
) -> tuple[Summary, list[str]]:
    """Runs once; returns what was done and what was told."""
    ears = Ears()
    source = make_source(harvest, *names)
    return sync(make_pipeline(folder), source, listener=ears, **options), ears.notes


def leave_pending(folder: Path, harvest: HandMade, *names: str) -> None:
    """Runs once, and finds the destination gone when rows should be loaded: they wait in the folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Load, "initialize_package", _fail)
        with pytest.raises(LoadFailedError, match="gone"):
            sync_once(folder, harvest, *names)


def _fail(*_: Any, **__: Any) -> None:
    """Stands for a destination that went away."""
    raise OSError("gone")


@pytest.fixture
def put_back(
    request: pytest.FixtureRequest,
    load_into: Callable[[Make], None],
    tmp_path: Path,
    destination: str,
) -> Callable[[], None]:
    """Gives what keeps a backup of the destination when it is called first, and puts it back when it is called again."""
    what = {"duckdb": tmp_path / "harvest_pipeline.duckdb", "filesystem": tmp_path / "files"}
    calls = iter((True, False))

    def files() -> None:
        here, kept = what[destination], tmp_path / "backup"
        source, target = (here, kept) if next(calls) else (kept, here)
        if here.is_dir():
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)

    def database() -> None:
        server: Postgres = request.getfixturevalue("postgres")
        name = make_destination(tmp_path).config_params["credentials"].rpartition("/")[2]
        if next(calls):
            connection = psycopg2.connect(server.address("postgres"))
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f'create database "{name}_backup" template "{name}"')
            connection.close()
        else:
            address = server.address(f"{name}_backup")
            load_into(lambda _folder, _name: dlt.destinations.postgres(address))

    return files if destination in what else database


def equal(folder: Path, harvest: HandMade) -> None:
    """Asserts that the tables hold what the account holds now."""
    assert_equal(folder, cast("Sandbox", harvest), *NAMES)


def change(harvest: HandMade, day: int) -> None:
    """Changes an entry and an invoice on a day of July, and takes in a payment."""
    harvest.now = f"2026-07-{day:02}T08:00:00Z"
    harvest.change("time_entries", harvest.tables["time_entries"][day % 3]["id"], hours=day)
    invoice = harvest.tables["invoices"][day % 3]["id"]
    harvest.change("invoices", invoice, notes=f"as of {day} July")
    harvest.tables[f"invoices/{invoice}/payments"].append(
        like("invoice_payments", day, amount=day, updated_at=harvest.now)
    )


def file_named(name: str) -> Make:
    """Returns what gives a database file of that name."""
    return lambda folder, _name: duckdb_file(folder, name)


def small() -> HandMade:
    """Returns an account of few rows, whose clock moves by days, so that no overlap hides what is not read."""
    return by_hand(users=2, invoices=4, entries=8)


@pytest.mark.long
@on("duckdb", "postgres", "filesystem")
def test_backup_put_back_is_brought_up_to_date(
    tmp_path: Path, put_back: Callable[[], None]
) -> None:
    """Rows changed and loaded since the backup was made are read again, though the working state knows them as loaded."""
    with small() as harvest:
        assert errors_of(sync_once(tmp_path, harvest, *NAMES)) == {}
        put_back()
        for day in (10, 12):
            change(harvest, day)
            assert errors_of(sync_once(tmp_path, harvest, *NAMES)) == {}
        put_back()
        summary, notes = sync_and_hear(tmp_path, harvest, *NAMES)
        assert errors_of(summary) == {}
        equal(tmp_path, harvest)
        assert any("backup" in note for note in notes)
        summary, notes = sync_and_hear(tmp_path, harvest, *NAMES)
        assert sum(result.new + result.changed for result in summary.results) == 0
        assert notes == []


@pytest.mark.long
def test_two_databases_in_turn_from_one_folder_are_both_whole(
    tmp_path: Path, load_into: Callable[[Make], None]
) -> None:
    """Each database's own state counts: what was loaded into one was not loaded into the other."""
    with small() as harvest:
        for day, name in enumerate(("one", "two", "two", "one"), 10):
            change(harvest, day)
            load_into(file_named(name))
            assert errors_of(sync_once(tmp_path, harvest, *NAMES)) == {}
            equal(tmp_path, harvest)


@pytest.mark.long
@on("duckdb", "filesystem")
def test_bookmarks_move_on_after_a_load_made_while_the_clock_was_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To dlt the load of the latest date is the newest: a state that came after it is not given up for that."""
    with small() as harvest:
        with monkeypatch.context() as patch:
            patch.setattr(load_package, "precise_time", lambda: time.time() + 365 * 24 * 3600)
            assert errors_of(sync_once(tmp_path, harvest, *NAMES)) == {}
        change(harvest, 10)
        assert errors_of(sync_once(tmp_path, harvest, *NAMES)) == {}
        harvest.requests.clear()
        _, notes = sync_and_hear(tmp_path, harvest, *NAMES)
        assert notes == []
        # later ones compare
        first = next(each.query for each in harvest.requests if each.path == "time_entries")
        assert first["updated_since"] >= "2026-07-10"
        equal(tmp_path, harvest)


@pytest.mark.long
@on("duckdb", "postgres", "filesystem")
def test_load_finished_late_does_not_undo_a_newer_one(
    tmp_path: Path, load_into: Callable[[Make], None]
) -> None:
    """Machine A's rows wait in its folder, B loads newer ones: A drops what it has and reads it again."""
    into = make_destination(tmp_path)
    load_into(lambda _folder, _name: into)
    a, b = tmp_path / "a", tmp_path / "b"
    with small() as harvest:
        assert errors_of(sync_once(a, harvest, *NAMES)) == {}
        entry = harvest.tables["time_entries"][0]["id"]
        for folder, day, hours in ((a, 10, 2), (b, 12, 8)):
            change(harvest, day)
            harvest.change("time_entries", entry, hours=hours)
            if folder == a:
                leave_pending(a, harvest, *NAMES)
            else:
                assert errors_of(sync_once(b, harvest, *NAMES)) == {}
        summary, notes = sync_and_hear(a, harvest, *NAMES)
        assert errors_of(summary) == {}
        assert not summary.pending_loaded
        assert [note for note in notes if "dropped" in note]
        equal(a, harvest)
        change(harvest, 14)
        leave_pending(a, harvest, *NAMES)
        summary, notes = sync_and_hear(a, harvest, *NAMES)
        assert summary.pending_loaded  # nobody loaded meanwhile
        equal(a, harvest)


@pytest.mark.long
@pytest.mark.parametrize("there", ["nothing", "a first load"])
def test_load_that_waits_for_one_database_is_not_finished_in_another(
    tmp_path: Path, there: str
) -> None:
    """Rows that changed would make a table of them alone there, and the bookmarks would call it whole."""
    with small() as harvest:
        if there == "a first load":
            sync_once(tmp_path, harvest, *NAMES)
            (tmp_path / "harvest_pipeline.duckdb").rename(tmp_path / "first.duckdb")
        change(harvest, 10)
        assert errors_of(sync_once(tmp_path, harvest, *NAMES)) == {}
        change(harvest, 12)
        leave_pending(tmp_path, harvest, *NAMES)
        (tmp_path / "harvest_pipeline.duckdb").unlink()
        if there == "a first load":
            (tmp_path / "first.duckdb").rename(tmp_path / "harvest_pipeline.duckdb")
        summary, notes = sync_and_hear(tmp_path, harvest, *NAMES)
        assert errors_of(summary) == {}
        assert not summary.pending_loaded
        assert any("this is a first load" in note for note in notes) is (there == "nothing")
        equal(tmp_path, harvest)


def test_first_load_that_waits_is_finished(tmp_path: Path) -> None:
    """No bookmark was there when it was read, and none is there now."""
    with small() as harvest:
        leave_pending(tmp_path, harvest, *NAMES)
        summary, _ = sync_and_hear(tmp_path, harvest, *NAMES)
        assert errors_of(summary) == {}
        assert summary.pending_loaded
        equal(tmp_path, harvest)
