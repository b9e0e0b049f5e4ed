"""The name of a dataset as it is typed, and as it is stored."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from command_line import Type
from second_harvest import by_hand

from harvest_source.loading.alone import lock_of


@pytest.mark.parametrize("name", ["", "  "])
def test_empty_dataset_is_refused(tmp_path: Path, type_command: Type, name: str) -> None:
    """By every command; it would be loaded into a schema of another name."""
    with by_hand(users=3, invoices=1, entries=2) as harvest:
        for command in (["run"], ["check"], ["status"], ["show", "select 1"], ["verify"]):
            done = type_command(*command, "--dataset", name, harvest=harvest)
            assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1)
            assert "--dataset is empty" in done.err
        assert harvest.requests == []
    assert not list(tmp_path.rglob("*.duckdb"))


@pytest.mark.parametrize(
    "name", ["x/../../y", "..", "a/b", "a\\b", "a..b", "a\nb", "a\x1b[31m", "a\u202eb"]
)
def test_dataset_that_is_a_path_is_refused(
    tmp_path: Path, type_command: Type, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """By every command, before anything is asked or made: kept as typed it would lead out of the folder of the files."""
    monkeypatch.setenv(
        "DESTINATION__FILESYSTEM__BUCKET_URL", (tmp_path / "files" / "here").as_uri()
    )
    monkeypatch.setenv("DESTINATION__FILESYSTEM__ENABLE_DATASET_NAME_NORMALIZATION", "false")
    with by_hand(users=3, invoices=1, entries=2) as harvest:
        for command in (["run"], ["check"], ["status"], ["show", "select 1"], ["verify"]):
            done = type_command(
                *command, "--dataset", name, "--destination", "filesystem", harvest=harvest
            )
            assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1)
            assert "reads like a path" in done.err
        assert harvest.requests == []
    assert list(tmp_path.iterdir()) == []


def test_dataset_that_is_stored_under_another_name_is_said_and_is_one(
    tmp_path: Path, type_command: Type
) -> None:
    """By `run` and `check`; every spelling goes on where another stopped, and keeps a run of another out."""
    with by_hand(users=3, invoices=1, entries=2) as harvest:
        loaded = type_command("--reports", "clients", "--dataset", "My Data", harvest=harvest)
        assert (loaded.code, "dataset My Data is stored as my_data" in loaded.err) == (0, True)
        assert (
            "dataset My Data is stored as my_data"
            in type_command("check", "--dataset", "My Data", harvest=harvest).err
        )
        again = type_command(
            "--reports", "clients", "--dataset", "my_data", "--json", harvest=harvest
        )
        assert [(each["new"], each["total"]) for each in again.json()["reports"]] == [(0, 3)]
        assert "stored as" not in again.err
        (state,) = (tmp_path / ".dlt" / "state").glob("*/")
        with lock_of(state, "harvest_pipeline"):
            for name in ("My Data", "my_data", "MY-DATA"):
                done = type_command("--reports", "clients", "--dataset", name, harvest=harvest)
                assert (done.code, "another run is working" in done.err) == (2, True), name
    with duckdb.connect("harvest_pipeline.duckdb", read_only=True) as database:
        assert database.execute("select count(*) from my_data.clients").fetchone() == (3,)


def test_dataset_is_stored_as_typed_where_dlt_is_told_so(
    tmp_path: Path, type_command: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then two spellings are two datasets, with working states of their own."""
    monkeypatch.setenv("DESTINATION__DUCKDB__ENABLE_DATASET_NAME_NORMALIZATION", "false")
    with by_hand(users=3, invoices=1, entries=2) as harvest:
        done = type_command("--reports", "clients", "--dataset", "My Data", harvest=harvest)
    assert (done.code, "stored as" in done.err) == (0, False)
    assert [each.name for each in (tmp_path / ".dlt" / "state").glob("*/")] == ["duckdb__My Data"]
