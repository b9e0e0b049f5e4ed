"""Who may read what a run leaves on this machine: its owner, the group where that is set, and nobody else, whatever the umask.

The umask belongs to the whole process, so it is changed only for as long as files of this product are made, and given back: files
that a user asks for by name, and those of a program that uses the library, follow its own. Where a database or a folder of files
was there before, what is made beside it is for whom that is: a program of another user goes on reading it.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import reduce
from operator import or_
from pathlib import Path

HAS_MODES = os.name == "posix"  # on Windows what a folder allows counts
NOT_FOR_OTHERS = stat.S_IRWXG | stat.S_IRWXO
GROUP_READS = stat.S_IRGRP | stat.S_IXGRP
EVERYBODY = "every user of this machine"

_lock = threading.Lock()
_masks: list[int] = []  # of those who make files now
_umask_before = 0


@contextmanager
def made_for_owner(beside: Path | None = None, *, share_with_group: bool) -> Iterator[None]:
    """Has files and folders that are made within the `with` be the owner's alone.

    Where several threads are in one, the strictest counts; the last gives the process its own umask back.

    Args:
        beside: a database file or a folder: if it is there, what is made may also be read by those who may read it, as far as the
            process's own umask lets them.
        share_with_group: the setting: the group may read as well.
    """
    global _umask_before  # noqa: PLW0603 - the umask itself is global
    if not HAS_MODES:
        yield
        return
    with _lock:
        if not _masks:
            _umask_before = os.umask(NOT_FOR_OTHERS)
        mask = _mask(beside, _umask_before, share_with_group=share_with_group)
        _masks.append(mask)
        os.umask(reduce(or_, _masks))
    try:
        yield
    finally:
        with _lock:
            _masks.remove(mask)
            os.umask(reduce(or_, _masks) if _masks else _umask_before)


def _mask(beside: Path | None, users: int, *, share_with_group: bool) -> int:
    there = _seen(beside) if beside is not None else None
    granted = there.st_mode if there else 0
    mask = users & NOT_FOR_OTHERS
    for read, write, enter in (
        (stat.S_IRGRP, stat.S_IWGRP, stat.S_IXGRP),
        (stat.S_IROTH, stat.S_IWOTH, stat.S_IXOTH),
    ):
        mask |= 0 if granted & read else read | enter
        mask |= 0 if granted & write else write
    return mask & ~GROUP_READS if share_with_group else mask


def set_modes(folder: Path, *, share_with_group: bool) -> None:
    """Takes the rights of others from a folder and all that is in it, and gives or takes those of the group.

    What is another user's, or lies where there are no such rights, stays as it is.
    """
    _set_mode(folder, share_with_group=share_with_group)
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            _set_mode(Path(parent, name), share_with_group=share_with_group)


def _set_mode(path: Path, *, share_with_group: bool) -> None:
    if not HAS_MODES:
        return
    with suppress(OSError):
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            return
        wanted = mode & stat.S_IRWXU | (stat.S_IRGRP if share_with_group else 0)
        wanted |= stat.S_IXGRP if share_with_group and stat.S_ISDIR(mode) else 0
        if wanted != stat.S_IMODE(mode):
            path.chmod(wanted)


def shut_to_group(path: Path, within: Path) -> Path | None:
    """Returns what keeps the group from reading a file or folder: itself, or a folder above it; `None` where nothing does.

    Args:
        path: of the file or folder.
        within: folders from here on up are not this product's, and not looked at.
    """
    if not HAS_MODES or not path.exists():
        return None
    for each in (path, *path.parents):
        if each == within or within not in each.parents:
            return None
        wanted = stat.S_IRGRP | (stat.S_IXGRP if each.is_dir() else 0)
        if each.stat().st_mode & wanted != wanted:
            return each
    return None


def readers_of(path: Path, *, share_with_group: bool = False) -> str | None:
    """Returns who beside the owner and root may read a file or folder; `None` where nobody may, or it is not seen.

    Args:
        path: of the file or folder.
        share_with_group: the group is meant to read it, and so not named.
    """
    info = _seen(path)
    if not HAS_MODES or info is None:
        return None
    above = [each.stat() for each in path.resolve().parents]
    if info.st_mode & stat.S_IROTH and all(each.st_mode & stat.S_IXOTH for each in above):
        return EVERYBODY
    enters = all(
        each.st_mode & (stat.S_IXGRP if each.st_gid == info.st_gid else stat.S_IXOTH)
        for each in above
    )
    if share_with_group or not (info.st_mode & stat.S_IRGRP and enters):
        return None
    group = _group_of_several(info)
    return f"the group {group}" if group else None


def _seen(path: Path) -> os.stat_result | None:
    """Returns what is known of a path, `None` where nothing is there or one may not look: whoever opens it says why."""
    try:
        return path.stat()
    except OSError:
        return None


def _group_of_several(info: os.stat_result) -> str | None:
    """Returns the name of a file's group, `None` where it is the owner's own: many systems give each user one of their name."""
    import grp  # noqa: PLC0415 - these two are not there on Windows
    import pwd  # noqa: PLC0415

    try:
        group = grp.getgrgid(info.st_gid)
        owner = pwd.getpwuid(info.st_uid).pw_name
    except KeyError:  # of another machine, or a container
        return str(info.st_gid)
    return None if group.gr_name == owner and set(group.gr_mem) <= {owner} else group.gr_name
