"""Refuses settings that another user of this machine may have written: they say where the token goes, and where the rows.

dlt reads a folder `.dlt` where the command is started, and one of the user: `~/.dlt`, or, where the home is missing or cannot be
written, `dlt` below the temporary folder, whoever has made it.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dlt.common.runtime.run_context import RunContext

from harvest_source.errors import SettingError
from harvest_source.settings_files import FILES, shown_path

ROOT_UID = 0
NOT_READ = "settings are not read from"
START_ELSEWHERE = ", or start in a folder of your own"
OF_NO_HOME = "dlt looks there since your home cannot be written: set HOME to a folder of your own"


@dataclass(frozen=True)
class Caller:
    """Who reads the settings, and who has written the program that does: both count as ourselves."""

    uid: int
    code_owner: int


@dataclass(frozen=True)
class Fault:
    """What is wrong with the rights of a file or folder."""

    what: str
    is_refused: bool
    mend: str  # what the owner does


def judge(mode: int, uid: int, caller: Caller, *, shared: bool) -> Fault | None:
    """Returns what speaks against settings in a file or folder, `None` where nobody else can have written them.

    Args:
        mode: its type and rights, as `stat` gives them.
        uid: of its owner.
        caller: who reads.
        shared: whether it lies in a place in which everybody may make folders.
    """
    if uid not in ({caller.uid, ROOT_UID} if shared else {caller.uid, ROOT_UID, caller.code_owner}):
        return Fault(f"belongs to {_user_name(uid)}", is_refused=True, mend="chown")
    if stat.S_ISLNK(mode):  # its rights say nothing: whoever owns it made it
        return None
    if mode & stat.S_IWOTH:
        return Fault("may be written by everybody", is_refused=True, mend="chmod o-w")
    if mode & stat.S_IWGRP:
        return Fault("may be written by its group", is_refused=shared, mend="chmod g-w")
    return None


def refuse_strangers() -> None:
    """Refuses folders and files of settings that somebody else may have written; to be called before a setting is read.

    Raises:
        SettingError: names the first of them, and what to do.
    """
    for path, shared, fault in _faults():
        if fault.is_refused:
            what_to_do = (
                OF_NO_HOME
                if shared
                else f"{fault.mend} it" + (START_ELSEWHERE if Path.cwd() in path.parents else "")
            )
            raise SettingError(
                f"{NOT_READ} {{}}, which {{}}; {what_to_do}",
                quoted=(shown_path(str(path)), fault.what),
            )


def notes_on_groups() -> list[str]:
    """Returns a line that names the settings that their group may write, which is no fault where the group is meant."""
    paths = dict.fromkeys(
        shown_path(str(path)) for path, _, fault in _faults() if not fault.is_refused
    )
    return (
        [
            f"the group may write {', '.join(paths)}: if that is not meant, chmod g-w {' '.join(paths)}"
        ]
        if paths
        else []
    )


def _faults() -> Iterator[tuple[Path, bool, Fault]]:
    """Yields the faults of what dlt reads settings from, and whether each lies in a shared place."""
    # Windows has other rights, and its temporary folder is the user's own
    if not hasattr(os, "geteuid"):
        return
    caller = Caller(os.geteuid(), Path(__file__).stat().st_uid)
    context = RunContext(None)
    try:
        here = Path.cwd()
    except FileNotFoundError:
        raise SettingError(
            "the folder in which this was started is gone: change to one that exists"
        ) from None
    for folder in dict.fromkeys(
        here / place for place in (context.settings_dir, context.global_dir)
    ):
        shared = folder == Path(tempfile.gettempdir(), "dlt")
        for path in (folder, *(folder / name for name in FILES)):
            for status in _statuses(path):
                fault = judge(
                    status.st_mode & ~_taken_rights(path), status.st_uid, caller, shared=shared
                )
                if fault:
                    yield path, shared, fault


def _statuses(path: Path) -> list[os.stat_result]:
    """Returns the state of a path and, where it is a link, of what it leads to; nothing where dlt cannot read it either."""
    try:
        return [path.lstat(), path.stat()] if path.is_symlink() else [path.stat()]
    except OSError:
        return []


def _taken_rights(path: Path) -> int:
    """Returns the rights that nobody has, whatever stands in the mode: containers mount secrets read-only, with mode 1777."""
    return stat.S_IWGRP | stat.S_IWOTH if os.statvfs(path).f_flag & os.ST_RDONLY else 0


def _user_name(uid: int) -> str:
    from pwd import getpwuid  # noqa: PLC0415 - there is none on Windows

    try:
        return f"user {getpwuid(uid).pw_name}"
    except KeyError:
        return f"user {uid}"
