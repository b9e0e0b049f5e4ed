"""Working state that a power cut left without its content: a table of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from harvest_source.loading.alone import lock_of
from harvest_source.loading.damage import remove_unreadable

NAME = "harvest_pipeline"
WHOLE = {
    "state.json": b"{}",
    "schemas/harvest.schema.json": b'{"version": 5}',
    "load/.version": b"1.0.0",
    "normalize/.version": b"1.0.1",
    "load/normalized/1.5/schema.json": b"{}",
    "load/normalized/1.5/new_jobs/clients.0.parquet": b"PAR1",
    "normalize/extracted/1.6/new_jobs/clients.0.parquet": b"PAR1",
    "load/loaded/1.4/anything": b"",
}


def lay_out(folder: Path, changed: dict[str, bytes]) -> None:
    """Writes the files of a working folder."""
    for name, content in {**WHOLE, **changed}.items():
        path = folder / NAME / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("state.json", b""),
        ("state.json", b"\0" * 512),
        ("state.json", b'{"version": 5, "tab'),
        ("state.json", b'"\xff"'),
        ("schemas/harvest.schema.json", b""),
        ("load/.version", b""),
        ("normalize/.version", b"\0\0"),
        ("load/normalized/1.5/schema.json", b"{"),
        ("load/normalized/1.5/new_jobs/clients.0.parquet", b""),
        ("normalize/extracted/1.6/new_jobs/clients.0.parquet", b""),
    ],
)
def test_folder_with_a_damaged_file_is_removed_whole_and_the_file_named(
    tmp_path: Path, name: str, content: bytes
) -> None:
    lay_out(tmp_path, {name: content})
    with lock_of(tmp_path, NAME):
        assert remove_unreadable(tmp_path, NAME) is None  # a run works in it
    assert (tmp_path / NAME / name).is_file()
    assert remove_unreadable(tmp_path, NAME) == name
    assert not (tmp_path / NAME).exists()
    assert remove_unreadable(tmp_path, NAME) is None


@pytest.mark.parametrize("changed", [{}, {"load/loaded/1.4/more.json": b""}])
def test_folder_in_which_all_can_be_read_stays(tmp_path: Path, changed: dict[str, bytes]) -> None:
    lay_out(tmp_path, changed)
    assert remove_unreadable(tmp_path, NAME) is None
    assert (tmp_path / NAME / "state.json").read_bytes() == b"{}"


@pytest.mark.parametrize("file", ["state.json", "schemas/harvest.schema.json"])
def test_file_that_a_run_puts_away_meanwhile_is_no_damage(tmp_path: Path, file: str) -> None:
    lay_out(tmp_path, {})
    (tmp_path / NAME / file).unlink()
    (tmp_path / NAME / file).symlink_to(tmp_path / "gone")
    assert remove_unreadable(tmp_path, NAME) is None
