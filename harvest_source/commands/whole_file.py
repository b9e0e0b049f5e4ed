"""Writes a file that a person asked for whole or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from harvest_source.errors import HarvestError, SettingError


def checked_path(name: str) -> Path:
    """Returns where a file is to be written, links followed.

    Raises:
        SettingError: nothing can be written there.
    """
    try:
        path = Path(name).resolve()
        if path.is_dir():
            raise SettingError("{} is a folder: give the name of a file", quoted=(name or "''",))
        if path.exists() and not path.is_file():
            raise SettingError("{} is no file that could be replaced", quoted=(name,))
        if not path.parent.is_dir():
            raise SettingError(
                "there is no folder {}: make it, or name another file", quoted=(path.parent,)
            )
    except OSError as error:
        raise SettingError("{}: {}", quoted=(name, error.strerror)) from error
    return path


def write_whole(path: Path, text: str, *, share_with_group: bool) -> None:
    """Writes a file beside the place of an earlier one and puts it there; an error leaves the earlier one as it was.

    Args:
        path: of the file.
        text: that it holds then.
        share_with_group: the group may read a new file; one that was there is for whom it was.

    Raises:
        SettingError: its folder cannot be written.
        HarvestError: it cannot be written to its end, since the disk is full for one.
    """
    try:
        number, beside = tempfile.mkstemp(prefix=".harvest-report-", dir=path.parent)
    except OSError as error:
        raise SettingError(
            "cannot write in {}: {}", quoted=(path.parent, error.strerror)
        ) from error
    try:
        with os.fdopen(number, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(number)
        Path(beside).chmod(_mode(path, share_with_group=share_with_group))
        Path(beside).replace(path)
    except OSError as error:
        raise HarvestError("cannot write {}: {}", quoted=(path, error.strerror)) from error
    finally:
        Path(beside).unlink(missing_ok=True)


def _mode(path: Path, *, share_with_group: bool) -> int:
    if path.exists():
        return stat.S_IMODE(path.stat().st_mode)
    return stat.S_IRUSR | stat.S_IWUSR | (stat.S_IRGRP if share_with_group else 0)
