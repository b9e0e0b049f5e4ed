"""Destinations for the tests: each gives every test tables of its own."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import dlt
import pytest
from large_tools import need
from mariadb_server import MariaDB, program, running_mariadb
from pipelines import Make, duckdb_file
from postgres_server import Postgres, programs, running_postgres

HOW_TO_GET_POSTGRES = (
    "install Debian's package postgresql, or put the folder of initdb and pg_ctl on PATH"
)
databases = itertools.count()

Test = TypeVar("Test", bound=Callable[..., Any])


@contextmanager
def started_postgres() -> Iterator[Postgres]:
    """Gives a running Postgres server; where none is installed, the test is skipped, and fails under CI."""
    folder = programs()
    found = need(str(folder / "initdb") if folder else None, HOW_TO_GET_POSTGRES)
    with running_postgres(found.parent) as server:
        yield server


def fresh_postgres_address(server: Postgres) -> str:
    """Returns the address of a new database in a server."""
    return server.make_database(f"test_{os.getpid()}_{next(databases)}")


@contextmanager
def started_mariadb() -> Iterator[MariaDB]:
    """Gives a running MariaDB server; where none is installed, the test is skipped, and fails under CI."""
    with running_mariadb(str(need(program(), "install Debian's package mariadb-server"))) as server:
        yield server


def postgres_database(server: Postgres) -> Make:
    """Returns a database of its own in a server, the same for all folders of a test."""
    address = fresh_postgres_address(server)
    return lambda _folder, _name: dlt.destinations.postgres(address)


def parquet_files(folder: Path, _name: str) -> Any:
    """Returns files below a folder."""
    return dlt.destinations.filesystem((folder / "files").as_uri())


def long(name: str) -> Any:
    """Returns a destination's name for `on`, of which the test takes long."""
    return pytest.param(name, marks=pytest.mark.long)


def sqlite_file(folder: Path, _name: str) -> Any:
    """Returns a SQLite file in a folder."""
    return dlt.destinations.sqlalchemy(f"sqlite:///{folder}/warehouse.db")


def on(*names: Any) -> Callable[[Test], Test]:
    """Has a test run on each of the named destinations; the fixture `destination` sets them up."""

    def mark(test: Test) -> Test:
        marked: Test = pytest.mark.parametrize("destination", names, indirect=True)(
            pytest.mark.usefixtures("destination")(test)
        )
        return marked

    return mark


def make_of(name: str, request: pytest.FixtureRequest) -> Make:
    """Returns what makes the destination of a name; starts a server where it needs one."""
    if name == "postgres":
        return postgres_database(request.getfixturevalue("postgres"))
    if name == "mariadb":
        # the dataset, so that names stand without it
        address = request.getfixturevalue("mariadb").make_database("harvest")
        return lambda _folder, _name: dlt.destinations.sqlalchemy(address)
    return {"duckdb": duckdb_file, "filesystem": parquet_files, "sqlite": sqlite_file}[name]
