"""Tells which files of this product others on the machine can read, and how that ends."""

from __future__ import annotations

from pathlib import Path

import dlt

from harvest_source.commands.workplace import Workplace
from harvest_source.destinations import of
from harvest_source.file_modes import EVERYBODY, readers_of, shut_to_group
from harvest_source.settings_files import secrets_files, shown_path


def notes_on_secrets() -> list[str]:
    """Returns a line for each file of secrets that somebody else can read."""
    return [
        f"{shown_path(str(file))} can be read by {readers}: chmod 600 {shown_path(str(file))}"
        for file in secrets_files()
        if (readers := readers_of(file))
    ]


def notes_on_readers(place: Workplace, pipeline: dlt.Pipeline) -> list[str]:
    """Returns a line for the working state and the destination each, where somebody else can read it than is meant to."""
    shares = place.shares_with_group
    paths = [
        path
        for path in (Path(pipeline.working_dir), of(pipeline).place(pipeline))
        if path is not None
    ]
    notes = [
        f"{shown_path(str(path))} can be read by {readers}: {_remedy(path, readers, shares=shares)}"
        for path in paths
        if (readers := readers_of(path, share_with_group=shares))
    ]
    shut = dict.fromkeys(
        each for path in paths if shares and (each := shut_to_group(path, place.base_folder))
    )
    return notes + [
        f"share_with_group is set, but the group cannot read {shown_path(str(path))}: {_opened(path)}"
        for path in shut
    ]


def _opened(path: Path) -> str:
    return f"chmod {'g+rx' if path.is_dir() else 'g+r'} {shown_path(str(path))}"


def _remedy(path: Path, readers: str, *, shares: bool) -> str:
    if shares:
        return f"chmod o-rwx {shown_path(str(path))}"
    only = f"chmod {700 if path.is_dir() else 600} {shown_path(str(path))}"
    return (
        only if readers == EVERYBODY else f"{only}, or set share_with_group = true if that is meant"
    )
