"""Tries a destination without loading: is it reached, and can a table be made there?"""

from __future__ import annotations

import secrets
import tempfile
from typing import Any

import dlt
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.destinations.sql_client import SqlClientBase

from harvest_source.catalogue.lookup import ALL_NAMES
from harvest_source.commands.exposure import notes_on_readers
from harvest_source.commands.reading import run_named
from harvest_source.commands.workplace import Workplace
from harvest_source.destinations import of
from harvest_source.destinations.abilities import check_abilities
from harvest_source.destinations.duckdb import database_file, user_of_file
from harvest_source.destinations.failures import reason
from harvest_source.destinations.places import run_made_for_owner
from harvest_source.destinations.postgres import WRITTEN
from harvest_source.destinations.set_up import setting_errors
from harvest_source.errors import LoadFailedError, SettingError
from harvest_source.loading.taken import KEPT_TABLES, refuse_tables_of_others
from harvest_source.loading.trial import is_tested, try_out


def try_destination(place: Workplace) -> tuple[str, list[str]]:
    """Returns what was seen of the destination, and what a person should know of who may read it; leaves nothing behind.

    Raises:
        SettingError: it is not known, not set up, not reached or not writable.
        LoadFailedError: another program has the database file open.
    """
    pipeline = place.pipeline()
    shares = place.shares_with_group
    with (
        setting_errors(place.destination),
        run_named(place),
        run_made_for_owner(pipeline, share_with_group=shares),
    ):
        check_abilities(pipeline)
        return _try(place, pipeline), notes_on_readers(place, pipeline)


def _try(place: Workplace, pipeline: dlt.Pipeline) -> str:
    file = database_file(pipeline)
    if file is not None and not file.exists():
        with tempfile.TemporaryFile(dir=file.parent):
            return f"{file.name} will be made on the first run; the folder is writable"
    try:
        return _try_sql(pipeline)
    except (ConfigurationException, ImportError, SettingError):
        raise
    except (
        Exception
    ) as error:  # of dlt, or of the database's own client, which has classes of its own
        passes = user_of_file(error) is not None  # once that program has ended: no setting is wrong
        kind = LoadFailedError if passes else SettingError
        raise kind(
            f"{place.destination} cannot be reached or written: {{}}", quoted=(reason(error),)
        ) from error


def _try_sql(pipeline: dlt.Pipeline) -> str:
    with pipeline.destination_client() as any_client:
        if not isinstance(any_client, SqlJobClientBase):
            any_client.is_storage_initialized()
            return "reached; whether it can be written, the first run will tell"
    if not is_tested(pipeline):
        try_out(pipeline)
        return (
            f"reached and writable, the self-test of a load passed; dataset {pipeline.dataset_name}"
        )
    facts = of(pipeline)
    with pipeline.sql_client() as client:
        told = facts.told(client)
        there = client.has_dataset()
        if there:
            refuse_tables_of_others(pipeline, (*ALL_NAMES, *KEPT_TABLES))
        else:
            client.create_dataset()
        try:
            _make_table(pipeline, client)
        finally:
            if not there:
                client.drop_dataset()
    return ", ".join(filter(None, ("reached and writable", f"dataset {client.dataset_name}", told)))


def _make_table(pipeline: dlt.Pipeline, client: SqlClientBase[Any]) -> None:
    """Does in small what a load does: makes a table, writes a row by the way that rows come, deletes it."""
    table = f"harvest_check_{secrets.token_hex(4)}"
    name = client.make_qualified_table_name(table)
    client.execute_sql(f"create table {name} (id bigint)")
    try:
        of(pipeline).write_one(pipeline, table)
        client.execute_sql(f"delete from {name} where id = {WRITTEN}")
    finally:
        client.execute_sql(f"drop table {name}")
