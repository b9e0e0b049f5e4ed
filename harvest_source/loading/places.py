"""Refuses folders in which a load would fail, before anything is read from Harvest."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import dlt

from harvest_source.errors import SettingError
from harvest_source.loading.clients import client_to_ask
from harvest_source.loading.database_file import database_file

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
