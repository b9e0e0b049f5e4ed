"""What Postgres needs beyond what dlt does for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

import dlt
from dlt.destinations.sql_client import SqlClientBase

from harvest_source.destinations.clients import client_to_ask
from harvest_source.destinations.facts import Facts, Views, kind_of
from harvest_source.destinations.failures import GOES_ON
from harvest_source.destinations.tls import tls_of
from harvest_source.errors import LoadFailedError, SettingError, first_line

KIND = "postgres"  # dlt's name of the kind of destination
READ_ONLY = "set session characteristics as transaction read only"
# in which both drivers send; the server would take them for its own encoding without being told
ENCODING = "UTF8"
STORES_ALL_TEXT = (
    ENCODING,
    "SQL_ASCII",
)  # the second takes bytes as they come, and gives them back
WRITTEN = 1  # id of the row that `check` writes
WORKERS = "load.workers"
# of a load by one worker: dlt's two drivers; each further worker takes as many
LEAST_CONNECTIONS = 2
# a connection on which nothing is sent for hours must not be taken for dead, and one that is dead must not keep its lock
QUIET_CONNECTION = """
    select set_config(name, value, false) from pg_settings join (values
        ('idle_session_timeout', '0'),
        ('tcp_keepalives_idle', '60'), ('tcp_keepalives_interval', '10'), ('tcp_keepalives_count', '6')
    ) as wanted (name, value) using (name)"""
# how many connections are left: of the role (not for superusers), of the database, of the server
FREE_CONNECTIONS = """
    with taken as (select usename, datname from pg_stat_activity where backend_type = 'client backend')
    select least(
        (select rolconnlimit - (select count(*) from taken where usename = current_user) from pg_roles
            where rolname = current_user and rolconnlimit >= 0 and not rolsuper),
        (select datconnlimit - (select count(*) from taken where datname = current_database()) from pg_database
            where datname = current_database() and datconnlimit >= 0),
        current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
            - (select count(*) from taken))"""


def is_postgres(pipeline: dlt.Pipeline) -> bool:
    """Returns whether a pipeline loads into Postgres by dlt's own destination for it."""
    return kind_of(pipeline.destination) == KIND


def write_by_adbc(pipeline: dlt.Pipeline, table: str) -> None:
    """Appends one row to a table with a column `id`, by the second driver, which brings the rows of a load."""
    import pyarrow as pa  # noqa: PLC0415 - most commands do without
    from adbc_driver_manager import dbapi  # noqa: PLC0415 - only Postgres needs the package
    from dlt.destinations.impl.postgres.factory import get_adbc_driver_location  # noqa: PLC0415 - as above

    client = client_to_ask(pipeline)
    address = client.config.credentials.to_native_representation()
    with dbapi.connect(driver=get_adbc_driver_location(), db_kwargs={"uri": address}) as connection:
        with connection.cursor() as cursor:
            schema = client.sql_client.dataset_name
            cursor.adbc_ingest(
                table, pa.table({"id": [WRITTEN]}), mode="append", db_schema_name=schema
            )
        connection.commit()


def check_server(client: SqlClientBase[Any]) -> int:
    """Returns how many connections a run may open beside the one that asks.

    Raises:
        SettingError: the server cannot store every text, or a load would never get the connections that it needs.
    """
    ((encoding,),) = client.execute_sql("show server_encoding") or ()
    if encoding not in STORES_ALL_TEXT:
        raise SettingError(
            f"the database is in {encoding}, which does not have every letter that Harvest has: make one in {ENCODING}, such as "
            f"create database warehouse encoding '{ENCODING}' template template0"
        )
    ((free,),) = client.execute_sql(FREE_CONNECTIONS) or ()
    if free < LEAST_CONNECTIONS:
        raise SettingError(
            f"Postgres leaves {max(free, 0) + 1} connections to this user, and a run needs {LEAST_CONNECTIONS + 1}: raise the "
            "limit (alter role … connection limit 9, or max_connections of the server), or close other connections"
        )
    return int(free)


@contextmanager
def only_machine(pipeline: dlt.Pipeline) -> Iterator[Callable[[], None]]:
    """Keeps runs on other machines out of a dataset in Postgres, by an advisory lock that goes with its connection.

    The load is given no more workers than there are connections for.

    Yields:
        what raises `LoadFailedError` once the connection is lost, and with it the lock; elsewhere it does nothing.

    Raises:
        SettingError: another run holds the lock, or the server does not fit.
    """
    if not is_postgres(pipeline):
        yield lambda: None
        return
    with pipeline.sql_client() as client:
        workers = check_server(client) // LEAST_CONNECTIONS
        if (dlt.config.get(WORKERS) or workers) > workers:
            dlt.config[WORKERS] = workers
        client.execute_sql(QUIET_CONNECTION)
        key = int.from_bytes(
            sha256(f"harvest_pipeline {client.dataset_name}".encode()).digest()[:8], signed=True
        )
        ((session, is_ours),) = (
            client.execute_sql(f"select pg_backend_pid(), pg_try_advisory_lock({key})") or ()
        )
        if not is_ours:
            raise SettingError(
                "a run on another machine, or in another folder, loads into this dataset: wait until it has ended"
            )
        yield lambda: _check_session(client, session)


def _check_session(client: SqlClientBase[Any], session: int) -> None:
    """Raises `LoadFailedError` unless a connection is still the one it was: dlt opens a new one where it is lost."""
    lost = "the destination cannot be used: the connection is lost that keeps a second machine out"
    try:
        ((now,),) = client.execute_sql("select pg_backend_pid()") or ()
    except Exception as error:  # of dlt or of the driver, whatever becomes of a connection
        raise LoadFailedError(f"{lost} ({{}}); {GOES_ON}", quoted=(first_line(error),)) from error
    if now != session:
        raise LoadFailedError(f"{lost}; {GOES_ON}")


def told(client: SqlClientBase[Any]) -> str:
    """Returns in words which TLS an open connection has; raises as `check_server`."""
    check_server(client)
    return tls_of(client.native_connection)


# also what is no view takes its name from one: indexes, sequences, types of a user's own
STANDING = """
    select c.relname, c.relkind = 'v', obj_description(c.oid, 'pg_class')
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = %s"""
HANGING = """
    select distinct r.ev_class::regclass::text from pg_depend d join pg_rewrite r on r.oid = d.objid
    where d.classid = 'pg_rewrite'::regclass and d.refclassid = 'pg_class'::regclass and d.refobjid = %s::regclass
        and r.ev_class <> d.refobjid
    order by 1"""
# what new views give to others by default is taken first, since it may have been taken from this one; the owner keeps its own
GRANTS = """
    with the_view as (
        select oid, relnamespace, relowner, relacl, oid::regclass as name from pg_class where oid = to_regclass(%s)
    ), rights as (
        select 0 as number, null as attname, grantee, null as privilege_type, false as is_grantable
        from the_view v join pg_default_acl d on d.defaclnamespace in (0, v.relnamespace) and d.defaclobjtype = 'r'
        cross join lateral aclexplode(d.defaclacl) where d.defaclrole = current_user::regrole and grantee <> d.defaclrole
        union select 1, null, grantee, privilege_type, is_grantable
        from the_view cross join lateral aclexplode(relacl)
        union select 2, t.attname, grantee, privilege_type, is_grantable
        from the_view v join pg_attribute t on t.attrelid = v.oid cross join lateral aclexplode(t.attacl)
    )
    select r.attname, format(case r.number when 0 then 'revoke all on %%3$s from %%4$s'
            when 1 then 'grant %%1$s on %%3$s to %%4$s%%5$s' else 'grant %%1$s (%%2$I) on %%3$s to %%4$s%%5$s' end,
        r.privilege_type, r.attname, v.name, case r.grantee when 0 then 'public' else r.grantee::regrole::text end,
        case when r.is_grantable then ' with grant option' else '' end)
    from rights r cross join the_view v where r.grantee <> v.relowner order by r.number"""
COMMENTS = """
    select c.relname, part.name, d.description
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    cross join lateral (
        select 0 as number, '' as name
        union all select attnum, attname from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped
    ) as part
    left join pg_description d on d.classoid = 'pg_class'::regclass and d.objoid = c.oid and d.objsubid = part.number
    where n.nspname = %s and c.relkind in ('r', 'p')"""

FACTS = Facts(
    is_tested=True,
    keeps_own_columns=True,
    read_only=(READ_ONLY,),
    told=told,
    write_one=write_by_adbc,
    views=Views(STANDING, HANGING, GRANTS),
    comments=COMMENTS,
)
