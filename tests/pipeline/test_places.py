"""Folders with any name: a run works there, or one line says beforehand why it cannot."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from command_line import Type
from second_harvest import by_hand

from harvest_source.catalogue.reports import NAMES

REFUSED = {
    "an apostrophe": ("Bob's data", "duckdb", "for the sign ' in its name"),
    "per cent": ("100%", "duckdb", "for the sign % in its name"),
    "a question mark": ("what?", "duckdb", "for the sign ? in its name"),
    "a backslash": ("back\\slash", "duckdb", "for the sign \\ in its name"),
    "files below an apostrophe": ("Bob's files", "filesystem", "for the sign ' in its name"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_folder_that_cannot_be_worked_in_is_refused(
    tmp_path: Path, type_command: Type, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    """By `check` and by `run`, with 2 and a line that names it; nothing is read, no file is made."""
    name, destination, said = REFUSED[case]
    folder = tmp_path / name
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", (folder / "files").as_uri())
    with by_hand(users=3, invoices=1, entries=2) as harvest:
        for command in (["run", "--quiet"], ["check", "--quiet"]):
            done = type_command(*command, "--destination", destination, harvest=harvest)
            assert done.code == 2, done.err
            assert said in done.err
            assert "unexpected" not in done.err
            assert command[0] == "check" or not {each.path for each in harvest.requests} & set(
                NAMES
            ) - {"company"}
    assert not list(folder.glob("*.duckdb")) + list(folder.glob("files"))


def test_database_file_in_a_folder_that_is_not_there_is_refused(
    tmp_path: Path, type_command: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 2 and the folder's name, by `check` and by `run`."""
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", "missing/x.duckdb")
    with by_hand(users=3, invoices=1, entries=2) as harvest:
        for command in ("run", "check"):
            done = type_command(command, "--quiet", harvest=harvest)
            assert (
                done.code,
                f"there is no folder {tmp_path / 'missing'} for the database file" in done.err,
            ) == (2, True)


def test_working_state_elsewhere_lets_a_folder_with_an_apostrophe_be_worked_in(
    tmp_path: Path, type_command: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the line says: DuckDB's own file may lie there."""
    folder = tmp_path / "Bob's data"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "state"))
    with by_hand(users=3, invoices=1, entries=2) as harvest:
        assert type_command("--reports", "clients,time_entries", harvest=harvest).code == 0
    with duckdb.connect(str(folder / "harvest_pipeline.duckdb"), read_only=True) as database:
        assert database.execute("select count(*) from harvest.time_entries").fetchone() == (2,)


def test_other_signs_are_worked_with(
    tmp_path: Path, type_command: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blanks, brackets, stars, quotes, letters of any language."""
    folder = tmp_path / ' Zoë [2024] {a} * "b" & #1; $HOME 🙂\n'
    folder.mkdir()
    monkeypatch.chdir(folder)
    with by_hand(users=3, invoices=1, entries=2) as harvest:
        for _ in range(2):
            assert type_command("--reports", "clients,time_entries", harvest=harvest).code == 0
    with duckdb.connect("harvest_pipeline.duckdb", read_only=True) as database:
        assert database.execute("select count(*) from harvest.time_entries").fetchone() == (2,)
