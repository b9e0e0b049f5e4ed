"""Finds working state that cannot be read, such as a file that a power cut left without its content, and removes it.

Nothing is lost by it: the destination keeps the bookmarks, and what was not loaded yet is read again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from filelock import Timeout

from harvest_source.dlt_corners import JSON_FILES, VERSION_FILES, WAITING_ROWS
from harvest_source.loading.alone import lock_of


def remove_unreadable(folder: Path, name: str) -> str | None:
    """Removes a pipeline's working folder if a file in it cannot be read; not while a run works in it.

    Args:
        folder: of the working state.
        name: of the pipeline, whose own folder lies in it.

    Returns:
        the file's path in the pipeline's folder; `None` where all is well, or a run is under way.
    """
    damaged = next(_unreadable(folder / name), None)
    if damaged is None:
        return None
    try:
        with lock_of(folder, name):
            shutil.rmtree(folder / name)
    except Timeout:
        return None
    return str(damaged.relative_to(folder / name))


def _unreadable(folder: Path) -> Iterator[Path]:
    for pattern in JSON_FILES:
        for path in sorted(folder.glob(pattern)):
            if not _is_json(path):
                yield path
    for pattern in WAITING_ROWS:
        # an empty one would be taken for a table without rows
        yield from (
            path
            for path in sorted(folder.glob(pattern))
            if path.is_file() and not path.stat().st_size
        )
    for name in VERSION_FILES:
        path = folder / name
        if path.is_file() and not path.read_bytes()[:1].isdigit():
            yield path


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except FileNotFoundError:  # a run that is under way puts it away
        return True
    except ValueError:
        return False
    return True
