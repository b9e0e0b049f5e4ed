"""Parquet files in a folder or bucket, which DuckDB reads back (`duckdb.reads_for`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dlt

from harvest_source.destinations.clients import client_to_ask
from harvest_source.destinations.facts import Facts


def folder_of(pipeline: dlt.Pipeline) -> Path | None:
    """Returns the folder of the files; `None` where they are not on this machine."""
    config: Any = client_to_ask(pipeline).config
    return Path(config.make_local_path(config.bucket_url)) if config.is_local_filesystem else None


# one after another: twenty at once, dlt's default, cost memory
FACTS = Facts(load_workers=1, is_tested=True, place=folder_of)
