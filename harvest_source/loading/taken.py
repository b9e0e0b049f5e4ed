"""Refuses a dataset whose name or tables are taken, before anything is read from Harvest."""

from __future__ import annotations

from collections.abc import Iterable

import dlt
from dlt.destinations.job_client_impl import SqlJobClientBase

from harvest_source.errors import SettingError
from harvest_source.loading import deletions, history
from harvest_source.loading.clients import client_to_ask
from harvest_source.loading.database_file import database_file

KEPT_TABLES = (history.TABLE, history.ACCOUNTS_TABLE, deletions.TABLE)  # beside those of reports
OUR_COLUMN = "account_id"  # of every table of this product


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


def refuse_tables_of_others(pipeline: dlt.Pipeline, tables: Iterable[str]) -> None:
    """Refuses a dataset in which tables of another tool stand where this product's would.

    Args:
        pipeline: of the destination.
        tables: that would be made or are there; one of this product's own is left alone.

    Raises:
        SettingError: names them, and the option that gives another dataset.
    """
    with pipeline.destination_client() as client:
        if not isinstance(client, SqlJobClientBase) or not client.is_storage_initialized():
            return
        found = {name: [column.lower() for column in columns] for name, columns in client.get_storage_tables(tables)}
    foreign = sorted(name for name, columns in found.items() if columns and OUR_COLUMN not in columns)
    if foreign:
        raise SettingError(
            f"dataset {pipeline.dataset_name} has tables of another tool ({', '.join(foreign)}): "
            "give another one with --dataset, or move those tables"
        )
