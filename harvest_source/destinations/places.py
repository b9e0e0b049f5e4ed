"""Where a destination on this machine lies: folders in which a load would fail are refused before Harvest is asked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import dlt

from harvest_source.destinations.clients import client_to_ask
from harvest_source.destinations.duckdb import database_file
from harvest_source.errors import SettingError
from harvest_source.file_modes import made_for_owner, set_modes

DUCKDB_DIALECT = "duckdb"
OF_DLT = "%"  # dlt puts names into the path with Python's % (seen with 1.31)
OF_QUERIES = "'"  # dlt writes paths into DuckDB's queries as they are (seen with 1.31)
OF_DATABASE_FILES = "?" if os.name == "nt" else "?\\"  # DuckDB takes them for options and for folders (seen with 2.0.1)
ELSEWHERE = "rename the folder, or start in another one"


def refuse_folders(pipeline: dlt.Pipeline) -> None:
    """Refuses a folder whose name dlt or DuckDB cannot take, and a database file in a folder that is not there.

    Raises:
        SettingError: names the folder, the sign and what to do.
    """
    for path, signs, remedy in _places(pipeline):
        sign = next((each for each in signs if each in path), None)
        if sign:
            raise SettingError(f"a load cannot work in {path}, for the sign {sign} in its name: {remedy}")
    file = database_file(pipeline)
    if file is not None and not file.absolute().parent.is_dir():
        raise SettingError(f"there is no folder {file.absolute().parent} for the database file: make it, or set another")


def _places(pipeline: dlt.Pipeline) -> Iterator[tuple[str, str, str]]:
    """Yields paths, the signs that may not be in them, and what to do."""
    client = client_to_ask(pipeline)
    reads_by_duckdb = client.capabilities.sqlglot_dialect == DUCKDB_DIALECT
    state = str(Path(pipeline.working_dir).absolute())
    yield state, OF_DLT + (OF_QUERIES if reads_by_duckdb else ""), f"{ELSEWHERE}, or set DLT_DATA_DIR"
    file = database_file(pipeline)
    if file is not None:
        yield str(file.absolute()), OF_DATABASE_FILES, ELSEWHERE
    bucket = getattr(client.config, "bucket_url", None)
    if reads_by_duckdb and isinstance(bucket, str):
        yield unquote(bucket), OF_QUERIES, f"{ELSEWHERE}, or set another bucket_url"


def refuse_name_of_file(pipeline: dlt.Pipeline) -> None:
    """Refuses a DuckDB file and a dataset of one name: DuckDB could not tell which of them is meant.

    Raises:
        SettingError: says what to name otherwise.
    """
    file = database_file(pipeline)
    if file is None:
        return
    catalog = file.name.lstrip(".").split(".")[0]  # as DuckDB names what it finds in a file (seen with 2.0.1)
    client = client_to_ask(pipeline).sql_client
    for dataset in (client.dataset_name, client.staging_dataset_name):
        if catalog.lower() == dataset.lower():
            raise SettingError(
                f"the file {file.name} and the dataset {dataset} have one name, which DuckDB cannot tell apart: "
                "name the file otherwise, or give another --dataset"
            )


@contextmanager
def run_made_for_owner(pipeline: dlt.Pipeline, *, share_with_group: bool) -> Iterator[None]:
    """Has what a run of a pipeline makes be the owner's alone: its working folder, and a destination on this machine."""
    folder = Path(pipeline.working_dir)
    set_modes(folder, share_with_group=share_with_group)
    with made_for_owner(place_on_this_machine(pipeline), share_with_group=share_with_group):
        try:
            yield
        finally:  # beside a database that others may read, more was allowed
            set_modes(folder, share_with_group=share_with_group)


def place_on_this_machine(pipeline: dlt.Pipeline) -> Path | None:
    """Returns the file or folder in which a destination keeps the tables; `None` where that is not on this machine."""
    file = database_file(pipeline)
    if file is not None:
        return file.absolute()
    config: Any = client_to_ask(pipeline).config
    if getattr(config, "is_local_filesystem", False):
        return Path(config.make_local_path(config.bucket_url))
    credentials: Any = getattr(config, "credentials", None)
    if str(getattr(credentials, "drivername", "")).startswith("sqlite") and credentials.database:
        file = Path(credentials.database).absolute()
        own = file.with_name(f"{file.stem}__{pipeline.dataset_name}{file.suffix}")  # dlt gives each dataset a file beside it
        return own if own.exists() else file
    return None
