"""One run at a time: a second one of the same pipeline is kept out, and others can be told since when the first is under way."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import dlt
from filelock import FileLock, Timeout

from harvest_source.errors import SettingError


@dataclass(frozen=True)
class UnderWay:
    """A run that has not ended, or was killed."""

    pid: int
    started_at: datetime

    def __str__(self) -> str:
        return f"a run is under way since {self.started_at.astimezone():%Y-%m-%d %H:%M:%S} (process {self.pid})"


@contextmanager
def alone(pipeline: dlt.Pipeline) -> Iterator[None]:
    """Keeps a second run of the same pipeline out; the lock goes with the process, however it ends.

    Raises:
        SettingError: another run is working.
    """
    folder, name = Path(pipeline.pipelines_dir), pipeline.pipeline_name
    try:
        with lock_of(folder, name):
            note = _note(folder, name)
            note.write_text(
                json.dumps({"pid": os.getpid(), "started_at": datetime.now(UTC).isoformat()}),
                encoding="utf-8",
            )
            try:
                yield
            finally:
                note.unlink(missing_ok=True)
    except Timeout as error:
        raise SettingError(
            "another run is working on this pipeline: wait until it has ended"
        ) from error


def lock_of(folder: Path, name: str) -> FileLock:
    """Returns the lock that a run holds; entering it raises `filelock.Timeout` at once where another holds it.

    Args:
        folder: of the working state.
        name: of the pipeline.
    """
    return FileLock(folder / f"{name}.lock", timeout=0)


def under_way(folder: Path, name: str) -> UnderWay | None:
    """Returns what the last run that has not ended in good order wrote down of itself.

    Args:
        folder: of the working state.
        name: of the pipeline.
    """
    try:
        written = json.loads(_note(folder, name).read_text(encoding="utf-8"))
        return UnderWay(int(written["pid"]), datetime.fromisoformat(written["started_at"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _note(folder: Path, name: str) -> Path:
    return folder / f"{name}.running.json"
