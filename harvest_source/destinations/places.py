"""Where a destination on this machine lies: folders in which a load would fail are refused before Harvest is asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dlt

from harvest_source.destinations import of
from harvest_source.destinations.duckdb import ELSEWHERE, refuse_paths, refuse_sign
from harvest_source.file_modes import made_for_owner, set_modes

OF_PATHS = "%"  # dlt puts names into the path with Python's % (seen with 1.31)


def refuse_folders(pipeline: dlt.Pipeline) -> None:
    """Refuses a folder whose name dlt or DuckDB cannot take.

    Raises:
        SettingError: names the folder, the sign and what to do.
    """
    refuse_sign(
        str(Path(pipeline.working_dir).absolute()), OF_PATHS, f"{ELSEWHERE}, or set DLT_DATA_DIR"
    )
    refuse_paths(pipeline)


@contextmanager
def run_made_for_owner(pipeline: dlt.Pipeline, *, share_with_group: bool) -> Iterator[None]:
    """Has what a run of a pipeline makes be the owner's alone: its working folder, and a destination on this machine."""
    folder = Path(pipeline.working_dir)
    set_modes(folder, share_with_group=share_with_group)
    with made_for_owner(of(pipeline).place(pipeline), share_with_group=share_with_group):
        try:
            yield
        finally:  # beside a database that others may read, more was allowed
            set_modes(folder, share_with_group=share_with_group)
