"""Refuses a dataset whose name or tables are taken, before anything is read from Harvest."""

from __future__ import annotations

from collections.abc import Iterable

import dlt
from dlt.destinations.job_client_impl import SqlJobClientBase

from harvest_source.errors import SettingError
from harvest_source.loading import calendar, figure_history, history, removals

# beside those of reports
KEPT_TABLES = (
    history.TABLE,
    history.ACCOUNTS_TABLE,
    removals.TABLE,
    calendar.TABLE,
    *figure_history.HISTORY_TABLES,
)
OUR_COLUMNS = frozenset({"account_id"})  # of every table of this product but these
OTHER_COLUMNS = {calendar.TABLE: frozenset(calendar.COLUMNS)} | dict.fromkeys(
    figure_history.HISTORY_TABLES, frozenset({*figure_history.KEY, history.AS_OF})
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
        found = {
            name: {column.lower() for column in columns}
            for name, columns in client.get_storage_tables(tables)
        }
    refuse(
        pipeline,
        (
            name
            for name, columns in found.items()
            if columns and not OTHER_COLUMNS.get(name, OUR_COLUMNS) <= columns
        ),
    )


def refuse(pipeline: dlt.Pipeline, foreign: Iterable[str]) -> None:
    """Refuses a dataset for tables that are known to be another tool's, if there are any. Raises as `refuse_tables_of_others`."""
    names = ", ".join(sorted(foreign))
    if names:
        raise SettingError(
            f"dataset {pipeline.dataset_name} has tables of another tool ({{}}): "
            "give another one with --dataset, or move those tables",
            quoted=(names,),
        )
