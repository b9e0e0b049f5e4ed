"""The credentials of a destination: read as they are meant, or refused before anything is opened with them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, urlencode

import dlt
from dlt.common.configuration.specs import (
    ConnectionStringCredentials,
    GcpServiceAccountCredentialsWithoutDefaults,
    configspec,
)
from dlt.common.destination.client import DestinationClientConfiguration
from dlt.destinations.impl.postgres.configuration import PostgresCredentials

from harvest_source.destinations.clients import client_to_ask, forget_client
from harvest_source.destinations.postgres import ENCODING, is_postgres
from harvest_source.destinations.tls import with_sslmode
from harvest_source.errors import SettingError
from harvest_source.secrecy import keep_secret

# SQLAlchemy's names
LIBPQ_DRIVERS = frozenset({"postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2"})

# seconds and tries of a connection on which nothing is sent: firewalls forget it, and the system asks after hours only
KEEP_ALIVE = {"keepalives_idle": 60, "keepalives_interval": 10, "keepalives_count": 6}


@configspec(init=False)
class LibpqCredentials(PostgresCredentials):
    """Credentials whose address libpq reads as it is meant.

    dlt leaves spaces as they are, writes those of the query as `+` and the names of host and database unquoted (dlt 1.31). Older
    libpq, as in psycopg2, lets spaces pass; newer, as in the ADBC driver, refuses them and shows the password.
    """

    def to_native_representation(self) -> str:
        """Returns the address, everything in it percent-encoded."""
        host = f"[{self.host}]" if ":" in self.host else quote(self.host, safe=",")
        user, password, database = (
            quote(each, safe="") for each in (self.username, self.password, self.database)
        )
        query = urlencode({**KEEP_ALIVE, **self.get_query()}, quote_via=quote)
        return f"postgresql://{user}:{password}@{host}:{self.port}/{database}?{query}"


def settle_credentials(pipeline: dlt.Pipeline) -> None:
    """Resolves the credentials of a pipeline's destination: those of Postgres get an address that every driver reads, and TLS.

    Raises:
        SettingError: the address was read otherwise than it was meant, a key beside it has no effect, or see `with_sslmode`.
    """
    destination = pipeline.destination
    if destination is None:
        return
    config = client_to_ask(pipeline).config
    credentials = config.credentials
    if (
        isinstance(credentials, GcpServiceAccountCredentialsWithoutDefaults)
        and credentials.private_key
    ):
        credentials.private_key = _in_lines(credentials.private_key)
        destination.config_params["credentials"] = credentials
        forget_client(pipeline)
    keep_secret(config)
    if not isinstance(credentials, ConnectionStringCredentials):
        return
    _refuse_misread(destination.destination_name, credentials)
    _refuse_without_effect(pipeline, destination.destination_name, config)
    # as its owner made it
    is_engine = type(destination.config_params.get("credentials")).__module__.startswith(
        "sqlalchemy."
    )
    if is_opened_by_libpq(credentials) and not is_engine:
        query = with_sslmode(credentials.host or "", credentials.query or {}, os.environ)
        destination.config_params["credentials"] = credentials = _with_query(credentials, query)
        forget_client(pipeline)
    if is_postgres(pipeline) and type(credentials) is PostgresCredentials:
        if (credentials.client_encoding or ENCODING).upper() not in (ENCODING, "UTF-8"):
            raise SettingError(
                f"client_encoding is always {ENCODING}, as rows come: take it out of the credentials"
            )
        ours = LibpqCredentials()
        ours.update({**credentials, "client_encoding": ENCODING})
        destination.config_params["credentials"] = ours.resolve()
        forget_client(pipeline)


def _with_query(
    credentials: ConnectionStringCredentials, query: dict[str, Any]
) -> ConnectionStringCredentials:
    """Returns credentials with another query; SQLAlchemy's are new ones, since they keep what they opened."""
    changed: Any = type(credentials)()
    changed.update({**credentials, "query": query})
    if hasattr(changed, "managed_engine"):
        changed.managed_engine = None
    resolved: ConnectionStringCredentials = changed.resolve()
    return resolved


def is_opened_by_libpq(credentials: ConnectionStringCredentials) -> bool:
    """Returns whether libpq opens the connection: Postgres, Redshift, and Postgres by way of SQLAlchemy."""
    return isinstance(credentials, PostgresCredentials) or credentials.drivername in LIBPQ_DRIVERS


def _in_lines(key: str) -> str:
    """Returns a key in PEM format with its lines: files of environments have none within a value, and some keep quotes."""
    return key.strip().strip("\"'").replace("\\n", "\n")


def _refuse_misread(name: str, credentials: ConnectionStringCredentials) -> None:
    """Refuses an address of which a part of the password stands for host or database, since it was not percent-encoded."""
    host, database = credentials.host or "", credentials.database or ""
    if "@" in host or ("@" in database and "/" in database):
        raise SettingError(
            f"the address of destination {name} cannot be read: write signs such as @ / : ? # % in its password percent-encoded "
            "(%40 for @), or give host, username and password as keys of their own"
        )


def _refuse_without_effect(
    pipeline: dlt.Pipeline, name: str, config: DestinationClientConfiguration
) -> None:
    """Refuses keys of the credentials that dlt does not know and passes over, such as `sslmode`."""
    known = {*(config.credentials or {}), "credentials"}
    found = sorted(
        {
            each
            for each in _given_keys((f"{pipeline.pipeline_name}.", ""), name)
            if each not in known
        }
    )
    if found:
        raise SettingError(
            f"{{}} in destination.{name}.credentials has no effect; known are {', '.join(sorted(known))}. What the driver itself "
            'knows goes into query, such as query = { {} = "…" }',
            quoted=(", ".join(found), found[0].removeprefix("query__")),
        )


def _given_keys(prefixes: Iterable[str], name: str) -> Iterator[str]:
    """Yields the keys that stand in the credentials of a destination, in files and in the environment."""
    for prefix in prefixes:
        section = f"{prefix}destination.{name}.credentials"
        given: Any = dlt.secrets.get(section)
        yield from given if isinstance(given, dict) else ()
        start = f"{section}.".upper().replace(".", "__")
        yield from (
            each.removeprefix(start).lower() for each in os.environ if each.startswith(start)
        )
