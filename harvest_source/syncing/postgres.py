"""What Postgres needs beyond what dlt does for it: an address that each of its two drivers reads, in the one encoding."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

import dlt
import pyarrow as pa
from dlt.common.configuration.specs import ConnectionStringCredentials, configspec
from dlt.destinations.impl.postgres.configuration import PostgresCredentials

from harvest_source.api.errors import SettingError
from harvest_source.secrecy import keep_secret

POSTGRES = "dlt.destinations.postgres"  # dlt's name of the kind of destination
ENCODING = "UTF8"
WRITTEN = 1  # id of the row that `check` writes


@configspec(init=False)
class LibpqCredentials(PostgresCredentials):
    """Credentials whose address libpq reads as it is meant.

    dlt leaves spaces as they are, writes those of the query as `+` and the names of host and database unquoted (dlt 1.31). Older
    libpq, as in psycopg2, lets spaces pass; newer, as in the ADBC driver, refuses them and shows the password.
    """

    def to_native_representation(self) -> str:
        """Returns the address, everything in it percent-encoded."""
        host = f"[{self.host}]" if ":" in self.host else quote(self.host, safe=",")
        user, password, database = (quote(each, safe="") for each in (self.username, self.password, self.database))
        return f"postgresql://{user}:{password}@{host}:{self.port}/{database}?{urlencode(self.get_query(), quote_via=quote)}"


def settle_credentials(pipeline: dlt.Pipeline) -> None:
    """Resolves the credentials of a pipeline's destination: those of Postgres get an address that every driver reads.

    Raises:
        SettingError: the address was read otherwise than it was meant.
    """
    destination = pipeline.destination
    if destination is None:
        return
    config: Any = pipeline.destination_client().config
    keep_secret(config)
    credentials = config.credentials
    if isinstance(credentials, ConnectionStringCredentials) and _is_misread(credentials):
        raise SettingError(
            f"the address of destination {destination.destination_name} cannot be read: write signs such as @ / : ? # % in its "
            "password percent-encoded (%40 for @), or give host, username and password as keys of their own"
        )
    if is_postgres(pipeline) and type(credentials) is PostgresCredentials:
        ours = LibpqCredentials()
        ours.update(dict(credentials))
        destination.config_params["credentials"] = ours.resolve()


def _is_misread(credentials: ConnectionStringCredentials) -> bool:
    """Returns whether a part of a password stands for the host or the database, since it was not percent-encoded."""
    host, database = credentials.host or "", credentials.database or ""
    return "@" in host or ("@" in database and "/" in database)


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
