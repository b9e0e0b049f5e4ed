"""What Postgres needs beyond what dlt does for it."""

from __future__ import annotations

from typing import Any

import dlt
import pyarrow as pa

POSTGRES = "dlt.destinations.postgres"  # dlt's name of the kind of destination
ENCODING = "UTF8"  # in which both drivers send; the server would take them for its own encoding without being told
WRITTEN = 1  # id of the row that `check` writes


def is_postgres(pipeline: dlt.Pipeline) -> bool:
    """Returns whether a pipeline loads into Postgres by dlt's own destination for it."""
    return bool(pipeline.destination and pipeline.destination.destination_type == POSTGRES)


def write_by_adbc(pipeline: dlt.Pipeline, table: str) -> None:
    """Appends one row to a table with a column `id`, by the second driver, which brings the rows of a load."""
    from adbc_driver_manager import dbapi  # noqa: PLC0415 - only Postgres needs the package
    from dlt.destinations.impl.postgres.factory import get_adbc_driver_location  # noqa: PLC0415 - as above

    client: Any = pipeline.destination_client()
    address = client.config.credentials.to_native_representation()
    with dbapi.connect(driver=get_adbc_driver_location(), db_kwargs={"uri": address}) as connection:
        with connection.cursor() as cursor:
            schema = client.sql_client.dataset_name
            cursor.adbc_ingest(table, pa.table({"id": [WRITTEN]}), mode="append", db_schema_name=schema)
        connection.commit()
