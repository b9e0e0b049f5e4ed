"""A load that an earlier run left, and a destination that is another than the working state knows."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from destinations import on
from dlt.load.load import Load
from dlt.pipeline.exceptions import PipelineStepFailed
from loads import (
    CLIENTS,
    FIRST_DAY,
    SECOND_DAY,
    Loads,
    client,
    killed_at,
    loads_of_a_client,
    raising,
)

from harvest_source.errors import LoadFailedError
from harvest_source.loading import package


def leave_pending(loads: Loads) -> None:
    """Ends a run whose rows are normalized and not loaded: a new client and a changed one."""
    loader = loads.begun()
    rows = client(1, 2, address="second"), client(2, 2)
    with killed_at(package, "load_normalized"):
        list(loader.load([loads.delivery("clients", *rows)]))


def waiting(loads: Loads, pattern: str) -> list[Path]:
    """Returns what lies in the working folder."""
    return sorted((loads.folder / loads.state / "harvest_pipeline").glob(pattern))


def nothing(_loads: Loads) -> None:
    """Leaves everything as it is."""


def another_machine(loads: Loads) -> None:
    """Loads elsewhere, as of a later day."""
    other = Loads(loads.folder, "clients", state="other")
    other.load(other.delivery("clients", client(3, 9)))
    other.close()


def a_hand(loads: Loads) -> None:
    """Takes a column away."""
    loads.rows("alter table clients drop column address")


def nonsense(loads: Loads) -> None:
    """Writes something else into the file of rows that waits to be normalized, as if the run had ended before that."""
    (normalized,) = waiting(loads, "load/normalized/*")
    extracted = waiting(loads, "normalize/extracted")[0]
    shutil.rmtree(normalized)
    loader = loads.begun()
    with killed_at(type(loader.pipeline), "normalize"):
        list(loader.load([loads.delivery("clients", client(2, 2))]))
    (file,) = extracted.glob("*/new_jobs/clients.*")
    file.write_bytes(b"nonsense")


def a_kill_in_a_job(loads: Loads) -> None:
    """Has a file be under way, whose rows may be committed all the same."""
    (file,) = waiting(loads, "load/normalized/*/new_jobs/clients.*")
    file.rename(file.parents[1] / "started_jobs" / file.name)


def a_copy_of_the_package(loads: Loads) -> None:
    """Leaves a package in both of dlt's places, as a kill between the two does."""
    (normalized,) = waiting(loads, "load/normalized/*")
    shutil.copytree(normalized, waiting(loads, "normalize/extracted")[0] / normalized.name)


def a_lost_snapshot(loads: Loads) -> None:
    """Takes away what the package was made from."""
    for place in waiting(loads, "load/normalized/*/.restore"):
        shutil.rmtree(place)


AGAIN = "its rows are read again"
DROPPED = "dropped a pending load of an earlier run"
FINISHED = "an earlier run left a pending load: it is loaded first, then today's data"
TAKEN_BACK = (
    "an earlier run was killed in the middle of a load: that load is taken back and read again"
)
CASES: dict[str, tuple[Callable[[Loads], None], bool, list[str], set[int]]] = {
    "finished": (nothing, False, [FINISHED], {1, 2}),
    "dropped": (nothing, True, [DROPPED], {1}),
    "another machine": (
        another_machine,
        False,
        [f"{DROPPED}: the destination was loaded by another, or is another one; {AGAIN}"],
        {1, 3},
    ),
    "a hand": (
        a_hand,
        False,
        [
            f"{DROPPED}: tables were changed in the destination; {AGAIN}",
            "clients.address was taken away in the destination: made anew, and clients is read from the beginning",
        ],
        {1},
    ),
    "nonsense": (nonsense, False, [FINISHED, f"{DROPPED}: it cannot be loaded ("], {1}),
    "a kill in a job": (a_kill_in_a_job, False, [TAKEN_BACK], {1}),
    "a copy": (a_copy_of_the_package, False, [FINISHED], {1, 2}),
    "a lost snapshot": (a_lost_snapshot, False, [FINISHED], {1, 2}),
}


@pytest.mark.long
@pytest.mark.parametrize(("meanwhile", "drop", "said", "ids"), CASES.values(), ids=CASES)
def test_pending_load_is_finished_where_it_still_fits(
    clients: Loads, meanwhile: Callable[[Loads], None], said: list[str], ids: set[int], *, drop: bool
) -> None:  # fmt: skip
    """The working state is then in line with what the destination has; nothing is pending any more, and loads go on."""
    leave_pending(clients)
    meanwhile(clients)
    loader = clients.begun(drop_pending=drop)
    assert [note[: len(line)] for note, line in zip(clients.heard, said, strict=True)] == said
    assert clients.pending_loaded == (2 in ids)
    assert not loader.pipeline.has_pending_data
    assert {row_id for (row_id,) in clients.rows("select id from clients")} == ids
    list(loader.load([clients.delivery("clients", client(9, 10))]))
    assert {row_id for (row_id,) in clients.rows("select id from clients")} == ids | {9}


def test_first_load_that_is_pending_is_finished_where_nothing_is_there_yet(tmp_path: Path) -> None:
    loads = Loads(tmp_path, "clients")
    loader = loads.loader
    with killed_at(package, "load_normalized"):
        list(loader.load([loads.delivery("clients", client(1))]))
    (tmp_path / "harvest_pipeline.duckdb").unlink()  # dlt asked it for tables
    loads.begun()
    assert (loads.pending_loaded, loads.heard) == (True, [FINISHED])
    assert loads.rows("select id from clients") == [(1,)]
    loads.close()


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (OSError("not a Parquet file"), LoadFailedError),
        (ConnectionRefusedError(111, "Connection refused"), PipelineStepFailed),
    ],
)
def test_pending_load_that_the_destination_refuses_stays_pending(
    clients: Loads, error: OSError, raised: type[Exception]
) -> None:
    leave_pending(clients)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Load, "initialize_package", raising(error))
        with pytest.raises(raised) as told:
            clients.begun()
    assert ("--drop-pending" in str(told.value)) == (raised is LoadFailedError)
    assert clients.loader.pipeline.has_pending_data
    clients.begun()
    assert clients.pending_loaded


@on("filesystem")
def test_load_that_has_taken_files_away_is_finished_though_it_is_told_to_be_dropped(
    tmp_path: Path,
) -> None:
    """Nobody else has the rows of other accounts, which were in those files."""
    with loads_of_a_client(tmp_path) as loads:
        loader = loads.begun()
        with killed_at(Load, "start_new_jobs"):
            list(loader.load([loads.delivery("clients", client(2, 2))]))
        loads.begun(drop_pending=True)
        assert loads.pending_loaded
        assert loads.heard == [
            "the pending load is finished, not dropped: the files that it replaces are gone already",
            FINISHED,
        ]
        assert loads.rows("select id from clients order by id") == [(1,), (2,)]


# a destination that is another than the working state knows


def older_copy(loads: Loads) -> None:
    """Puts a backup back."""
    shutil.copy(loads.folder / "backup.duckdb", loads.folder / "harvest_pipeline.duckdb")


def deleted(loads: Loads) -> None:
    """Takes the file away."""
    (loads.folder / "harvest_pipeline.duckdb").unlink()


def clock_was_ahead(loads: Loads) -> None:
    """Has the first load be of a time to come: its state counts as the newest until then."""
    loads.rows("update _dlt_pipeline_state set _dlt_load_id = '9999999999.5' where version = 1")
    loads.rows(
        "insert into _dlt_loads select '9999999999.5', * exclude (load_id) from _dlt_loads limit 1"
    )


def clock_was_ahead_in_a_copy(loads: Loads) -> None:
    """The same in a backup."""
    older_copy(loads)
    clock_was_ahead(loads)


OLDER = "the destination is older than the working state (a backup, or another database?): its own state counts"
LOST = "the destination holds no earlier load (deleted or moved?): this is a first load"


@pytest.mark.long
@pytest.mark.parametrize(
    ("meanwhile", "said", "bookmark"),
    [
        (nothing, [], SECOND_DAY),
        (older_copy, [OLDER], FIRST_DAY),
        (deleted, [LOST], None),
        (clock_was_ahead, [], SECOND_DAY),
        (clock_was_ahead_in_a_copy, [OLDER], FIRST_DAY),
    ],
)
def test_bookmarks_are_those_of_the_rows_that_the_destination_holds(
    clients: Loads, meanwhile: Callable[[Loads], None], said: list[str], bookmark: str | None
) -> None:
    file = clients.folder / "harvest_pipeline.duckdb"
    shutil.copy(file, clients.folder / "backup.duckdb")
    clients.load(clients.delivery("clients", client(2, 2)))
    meanwhile(clients)
    loader = clients.begun()
    assert clients.heard == said
    assert loader.states().get(CLIENTS, {}).get("updated_at") == bookmark
