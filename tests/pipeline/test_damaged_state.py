"""Working state that a power cut left without its content is made anew from the destination, and a run says so."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest
from command_line import Type
from dlt import Pipeline
from dlt.load.load import Load
from second_harvest import HandMade, by_hand

from harvest_source.loading.alone import lock_of

FEW = ("--reports", "clients")
STATE = Path(".dlt/state/duckdb__harvest/harvest_pipeline")
NOT_WRITABLE = 2  # what an error of the disk is, to a user


def change(harvest: HandMade, day: int) -> str:
    """Changes one client on a day of July; returns its address."""
    harvest.now = f"2026-07-{day:02}T08:00:00Z"
    harvest.change("clients", harvest.tables["clients"][0]["id"], address=f"as of {day} July")
    harvest.requests.clear()
    return f"as of {day} July"


def address(folder: Path) -> str | None:
    """Returns the address of the client that `change` changes."""
    with duckdb.connect(str(folder / "harvest_pipeline.duckdb"), read_only=True) as database:
        found = database.execute(
            "select address from harvest.clients order by id limit 1"
        ).fetchone()
    return found[0] if found else None


STEPS: dict[str, tuple[type, str, int]] = {
    "normalize": (Pipeline, "normalize", NOT_WRITABLE),
    "load": (Load, "initialize_package", 1),
}
"""Of dlt, by the folder in which rows wait for it: what takes the step, and the exit code of a run that ends there."""


def leave_waiting(type_command: Type, harvest: HandMade, step: str) -> None:
    """Ends a run in a step of dlt's: its rows wait for it."""
    owner, name, code = STEPS[step]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, _fail)
        assert type_command(*FEW, harvest=harvest).code == code


def _fail(*_: object, **__: object) -> None:
    raise OSError("gone")


@pytest.mark.long
def test_state_that_cannot_be_read_is_made_anew_from_the_destination(
    tmp_path: Path, type_command: Type
) -> None:
    """Every file that dlt needs, empty or of zeros: the run is complete, says so once, and goes on from the bookmarks."""
    with by_hand(users=2, invoices=1, entries=1) as harvest:
        assert type_command(*FEW, harvest=harvest).code == 0
        damages = [
            ("state.json", b""),
            ("state.json", b"\0" * 512),
            ("schemas/harvest.schema.json", b'{"version": 5, "tab'),
            ("load/.version", b""),
        ]
        for day, (name, content) in enumerate(damages, 10):
            new = change(harvest, day)
            (tmp_path / STATE / name).write_bytes(content)
            done = type_command(*FEW, "--quiet", harvest=harvest)
            assert done.code == 0, done.err
            where = f"the working state in {tmp_path / STATE.parent}"
            assert (
                done.err
                == f"{where} could not be read ({name}): it is rebuilt from the destination\n"
            )
            assert address(tmp_path) == new
            assert any(
                "updated_since" in each.query for each in harvest.requests if each.path == "clients"
            )
        assert type_command(*FEW, "--quiet", harvest=harvest).err == ""


@pytest.mark.long
def test_folder_that_a_kill_left_unmade_is_made(tmp_path: Path, type_command: Type) -> None:
    """A kill may come while dlt makes its folders, one after another: the next run is complete."""
    with by_hand(users=2, invoices=1, entries=1) as harvest:
        assert type_command(*FEW, harvest=harvest).code == 0
        for day, missing in enumerate(
            ["load/normalized", "load/new", "normalize/extracted", "load"], 20
        ):
            shutil.rmtree(tmp_path / STATE / missing)
            text = change(harvest, day)
            typed = type_command(*FEW, harvest=harvest)
            assert typed.code == 0, typed.err
            assert address(tmp_path) == text


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("load/normalized/*/schema.json", marks=pytest.mark.long),
        pytest.param("load/normalized/*/.restore/state.json", marks=pytest.mark.long),
        pytest.param("load/normalized/*/new_jobs/clients.*", marks=pytest.mark.long),
        "normalize/extracted/*/new_jobs/clients.*",
    ],
)
def test_load_that_waits_and_cannot_be_read_is_read_again(
    tmp_path: Path, type_command: Type, name: str
) -> None:
    """An empty file of rows is a table without rows to dlt, whose bookmark then moves for good."""
    with by_hand(users=2, invoices=1, entries=1) as harvest:
        assert type_command(*FEW, harvest=harvest).code == 0
        new = change(harvest, 10)
        # a day later: the overlap of the bookmark does not reach the first change
        harvest.now = "2026-07-11T08:00:00Z"
        harvest.change("clients", harvest.tables["clients"][1]["id"], address="newest")
        leave_waiting(type_command, harvest, Path(name).parts[0])
        (file,) = (tmp_path / STATE).glob(name)
        file.write_bytes(b"")
        done = type_command(*FEW, "--quiet", harvest=harvest)
        assert done.code == 0, done.err
        assert "rebuilt" in done.err
        assert address(tmp_path) == new


def spoil_rows(folder: Path) -> None:
    """Writes something else into the file of waiting rows in a folder of dlt's."""
    (file,) = folder.glob("*/new_jobs/clients.*")
    file.write_bytes(b"nonsense")


@pytest.mark.long
def test_load_that_waits_and_can_never_be_loaded_is_dropped_and_read_again(
    tmp_path: Path, type_command: Type
) -> None:
    """It fails on this machine already, before the destination: every later run would fail like that."""
    with by_hand(users=2, invoices=1, entries=1) as harvest:
        assert type_command(*FEW, harvest=harvest).code == 0
        new = change(harvest, 10)
        leave_waiting(type_command, harvest, "normalize")
        spoil_rows(tmp_path / STATE / "normalize/extracted")
        done = type_command(*FEW, "--quiet", harvest=harvest)
        assert done.code == 0, done.err
        assert "it cannot be loaded" in done.err
        assert address(tmp_path) == new


@pytest.mark.long
def test_load_that_the_destination_refuses_again_is_said_with_the_option_that_drops_it(
    tmp_path: Path, type_command: Type
) -> None:
    with by_hand(users=2, invoices=1, entries=1) as harvest:
        assert type_command(*FEW, harvest=harvest).code == 0
        new = change(harvest, 10)
        leave_waiting(type_command, harvest, "load")
        spoil_rows(tmp_path / STATE / "load/normalized")
        done = type_command(*FEW, "--quiet", harvest=harvest)
        assert done.code == 1
        assert "--drop-pending" in done.err
        assert "Parquet" in done.err
        done = type_command(*FEW, "--quiet", "--drop-pending", harvest=harvest)
        assert done.code == 0, done.err
        assert address(tmp_path) == new


def test_working_state_of_a_run_under_way_is_not_taken_away(
    tmp_path: Path, type_command: Type
) -> None:
    """A command beside a run that meets a damaged file leaves it to the run that owns it, or to the next one."""
    with by_hand(users=2, invoices=1, entries=1) as harvest:
        assert type_command(*FEW, harvest=harvest).code == 0
        state = tmp_path / STATE
        schema = state / "schemas/harvest.schema.json"
        whole = schema.read_bytes()
        schema.write_bytes(b"")
        with lock_of(state.parent, state.name):
            assert "rebuilt" not in type_command("status", harvest=harvest).err
            assert (state / "state.json").is_file()
        schema.write_bytes(whole)
        assert type_command("status", harvest=harvest).code == 0
