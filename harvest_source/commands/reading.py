"""Reads a destination for a person: apart from the working state of runs, so that one that is under way is not disturbed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dlt

from harvest_source.commands.workplace import Workplace
from harvest_source.destinations.duckdb import database_file, user_of_file
from harvest_source.destinations.failures import explained
from harvest_source.destinations.places import run_made_for_owner
from harvest_source.destinations.set_up import setting_errors
from harvest_source.errors import HarvestError, LoadFailedError
from harvest_source.loading.alone import under_way


@contextmanager
def reading(place: Workplace) -> Iterator[dlt.Pipeline | None]:
    """Gives the pipeline whose destination is read, as it stands there; `None` where there is no database file yet.

    dlt brings the working state in line with the destination before it reads. In the folder of a run that is under way this would
    take away what that run is working on, so it is done in a folder that lasts as long as the `with`.

    Raises:
        SettingError: as `Workplace.pipeline`.
        LoadFailedError: the destination cannot be read, for one since a run has the file open.
    """
    with tempfile.TemporaryDirectory(prefix="harvest-") as folder:
        pipeline = place.pipeline(Path(folder))
        file = database_file(pipeline)
        if file is not None and not file.exists():
            yield None
            return
        files = run_made_for_owner(pipeline, share_with_group=place.shares_with_group)
        with setting_errors(place.destination), run_named(place), explained(), files:
            pipeline.sync_destination()
            yield pipeline


@contextmanager
def run_named(place: Workplace) -> Iterator[None]:
    """Says since when a run is under way, where it is one that has the database file open.

    Raises:
        LoadFailedError: in place of the error of the file.
    """
    try:
        yield
    except HarvestError as error:
        user, run = user_of_file(error), under_way(place.state_folder, place.pipeline_name)
        if user is None or run is None or f"PID {run.pid})" not in user:
            raise
        raise LoadFailedError(
            f"{run} and has the database file open: ask again when it has ended"
        ) from error
