"""Whose settings count: by the rights of the folder, its owner, and who reads."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from harvest_source.errors import SettingError
from harvest_source.strangers import Caller, judge, notes_on_groups, refuse_strangers

ROOT, ME, DEPLOY, STRANGER = 0, 1000, 1001, 1002
FOLDER, FILE, LINK = stat.S_IFDIR, stat.S_IFREG, stat.S_IFLNK
COUNTS, NOTED, REFUSED = None, False, True


@pytest.mark.parametrize(
    ("who", "mode", "owner", "here", "shared"),
    [
        ("my own", FOLDER | 0o755, ME, COUNTS, COUNTS),
        ("my own, for me alone", FOLDER | 0o700, ME, COUNTS, COUNTS),
        ("my own file", FILE | 0o644, ME, COUNTS, COUNTS),
        ("root's, as in an image", FOLDER | 0o755, ROOT, COUNTS, COUNTS),
        ("of whoever installed the program", FOLDER | 0o755, DEPLOY, COUNTS, REFUSED),
        ("a stranger's", FOLDER | 0o755, STRANGER, REFUSED, REFUSED),
        ("a stranger's, whom alone it lets in", FOLDER | 0o700, STRANGER, REFUSED, REFUSED),
        ("a stranger's file", FILE | 0o644, STRANGER, REFUSED, REFUSED),
        ("a stranger's link", LINK | 0o777, STRANGER, REFUSED, REFUSED),
        ("my own link, which always has all rights", LINK | 0o777, ME, COUNTS, COUNTS),
        ("my own, open to all", FOLDER | 0o777, ME, REFUSED, REFUSED),
        ("my own, open to all but for deleting", FOLDER | 0o1777, ME, REFUSED, REFUSED),
        ("root's, open to all", FOLDER | 0o777, ROOT, REFUSED, REFUSED),
        ("my own file, open to all", FILE | 0o666, ME, REFUSED, REFUSED),
        ("my own, open to the group", FOLDER | 0o775, ME, NOTED, REFUSED),
        ("my own file, open to the group", FILE | 0o660, ME, NOTED, REFUSED),
        ("a stranger's, open to the group", FOLDER | 0o775, STRANGER, REFUSED, REFUSED),
    ],
)
def test_settings_count_that_nobody_else_can_have_written(
    who: str,
    mode: int,
    owner: int,
    here: bool | None,  # noqa: FBT001 - pytest names it
    shared: bool | None,  # noqa: FBT001
) -> None:
    """In the folder of the run, and in a place in which everybody may make folders."""
    for expected, in_shared_place in ((here, False), (shared, True)):
        fault = judge(mode, owner, Caller(ME, code_owner=DEPLOY), shared=in_shared_place)
        assert (fault and fault.is_refused) == expected, who


def test_root_reads_no_settings_of_others_but_those_of_whoever_installed_the_program() -> None:
    """As a container does that runs as root in a clone of somebody else."""
    assert judge(FOLDER | 0o755, ME, Caller(ROOT, code_owner=ME), shared=False) is None
    fault = judge(FOLDER | 0o755, STRANGER, Caller(ROOT, code_owner=ME), shared=False)
    assert fault is not None
    assert fault.is_refused


@pytest.mark.parametrize("name", [".dlt", ".dlt/secrets.toml", ".dlt/config.toml"])
def test_each_thing_that_everybody_may_write_is_refused_and_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings(tmp_path / ".dlt")
    refuse_strangers()
    (tmp_path / name).chmod(0o777)
    with pytest.raises(
        SettingError,
        match=rf"not read from {name}, which may be written by everybody; chmod o-w it",
    ):
        refuse_strangers()
    (tmp_path / name).chmod(0o770)
    refuse_strangers()
    assert notes_on_groups() == [
        f"the group may write {name}: if that is not meant, chmod g-w {name}"
    ]


def test_link_counts_by_what_it_leads_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings(tmp_path / "elsewhere")
    (tmp_path / ".dlt").symlink_to(tmp_path / "elsewhere")
    refuse_strangers()
    (tmp_path / "elsewhere").chmod(0o777)
    with pytest.raises(SettingError, match=r"from \.dlt, which may be written by everybody"):
        refuse_strangers()


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a folder away"
)
@pytest.mark.parametrize("name", [".dlt", ".dlt/secrets.toml", ".dlt/config.toml"])
def test_each_thing_of_a_stranger_is_refused_and_a_link_of_his_too(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings(tmp_path / ".dlt")
    os.chown(tmp_path / name, STRANGER, STRANGER)
    with pytest.raises(
        SettingError, match=rf"from {name}, which belongs to user {STRANGER}; chown it"
    ):
        refuse_strangers()
    os.chown(tmp_path / name, ROOT, ROOT)
    (tmp_path / name).rename(tmp_path / "moved")
    (tmp_path / name).symlink_to(tmp_path / "moved")
    refuse_strangers()
    os.chown(tmp_path / name, STRANGER, STRANGER, follow_symlinks=False)
    with pytest.raises(SettingError, match=rf"from {name}, which belongs to user {STRANGER}"):
        refuse_strangers()


def settings(folder: Path) -> None:
    """Makes a folder of settings that only its owner may write."""
    folder.mkdir(mode=0o755)
    for name in ("secrets.toml", "config.toml"):
        (folder / name).touch(mode=0o644)
