"""A folder that was moved or copied, with its working state: it goes on, and touches no other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import duckdb
import pytest
from command_line import Type
from destinations import long
from second_harvest import HandMade, by_hand

FIRST_IN_TWO = 11  # the day
FEW = ("--quiet", "--json", "--reports", "clients")
RELATIVE = {"duckdb": {}, "filesystem": {"DESTINATION__FILESYSTEM__BUCKET_URL": "files"}}


def addresses(folder: Path) -> set[str]:
    """Returns the addresses of all clients in a folder's DuckDB file, or in its Parquet files."""
    file = folder / "harvest_pipeline.duckdb"
    with duckdb.connect() as database:
        if file.exists():
            database.execute(f"attach '{file}' as kept (read_only)")
        source = (
            "kept.harvest.clients"
            if file.exists()
            else f"'{folder}/files/harvest/clients/*.parquet'"
        )
        return {
            address for (address,) in database.execute(f"select address from {source}").fetchall()
        }


def change(harvest: HandMade, day: int) -> str:
    """Changes one client on a day of July; returns its address."""
    harvest.now = f"2026-07-{day:02}T08:00:00Z"
    harvest.change("clients", harvest.tables["clients"][0]["id"], address=f"as of {day} July")
    harvest.requests.clear()
    return f"as of {day} July"


def goes_on(harvest: HandMade) -> bool:
    """Returns whether what changed was asked for first; a later request compares the whole list."""
    asked = [each for each in harvest.requests if each.path == "clients"]
    return bool(asked) and "updated_since" in asked[0].query


@pytest.mark.parametrize("name", ["duckdb", long("filesystem")])
def test_copied_folder_works_on_its_own_and_a_moved_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, type_command: Type, name: str
) -> None:
    """What a run in the copy loads is in the copy, and not in the original; what both commands say is about their own folder."""
    for key, value in RELATIVE[name].items():
        monkeypatch.setenv(key, value)
    original, copy, moved = (tmp_path / each for each in ("original", "copy", "moved"))
    original.mkdir()

    def type_in(folder: Path, *arguments: str) -> str:
        monkeypatch.chdir(folder)
        done = type_command(*arguments, "--destination", name, harvest=harvest)
        assert done.code == 0, done.err
        return done.out

    with by_hand(users=2, invoices=1, entries=1) as harvest:
        type_in(original, "run", *FEW)
        shutil.copytree(original, copy)
        new = change(harvest, 10)
        type_in(copy, "run", *FEW)
        assert goes_on(harvest)
        assert new in addresses(copy)
        assert new not in addresses(original)
        count = "select count(*) as n from clients where address like 'as of%'"
        for folder, n, runs in ((original, 0, 1), (copy, 1, 2)):
            assert json.loads(type_in(folder, "show", count, "--json")) == [{"n": n}]
            assert json.loads(
                type_in(folder, "show", "select count(*) as n from load_report", "--json")
            ) == [{"n": runs}]
        original.rename(moved)
        assert len(json.loads(type_in(moved, "status", "--json"))) == 1
        newer = change(harvest, 12)
        type_in(moved, "run", *FEW)
        assert goes_on(harvest)
        assert newer in addresses(moved)
        assert newer not in addresses(copy)
        assert not original.exists()
        found = type_command("check", "--json", "--destination", name, harvest=harvest).json()
        assert found["destination"].startswith(f"{name}: reached")


@pytest.mark.long
def test_folders_that_share_their_working_state_have_a_file_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, type_command: Type
) -> None:
    """With `DLT_DATA_DIR` set for the machine, two folders meet in one working state: each file's own bookmarks count."""
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "shared"))
    with by_hand(users=2, invoices=1, entries=1) as harvest:
        for day, name in enumerate(("one", "two", "two", "one"), 10):
            new = change(harvest, day)
            (tmp_path / name).mkdir(exist_ok=True)
            monkeypatch.chdir(tmp_path / name)
            harvest.change(
                "clients", harvest.tables["clients"][1 + day % 2]["id"], address=f"{new}, too"
            )
            done = type_command("run", *FEW, harvest=harvest)
            assert done.code == 0, done.err
            assert ("first load" in done.err) is (day == FIRST_IN_TWO)
            assert {row["address"] for row in harvest.tables["clients"]} == addresses(
                tmp_path / name
            )
    assert not (tmp_path / "one" / ".dlt").exists()
