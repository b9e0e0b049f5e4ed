"""One load of an account's time entries: what it took, and whether the table equals the account."""

from __future__ import annotations

import json
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import duckdb
import psycopg2
from measuring import ROOT, SandboxApart, measure, settings_for, take_requests
from postgres_server import Postgres
from speed_rows import Expected, differing_rows

PRODUCT, PLAIN = "product", "plain"
DUCKDB, POSTGRES = "duckdb", "postgres"
TABLE = "harvest.time_entries"


class Way(NamedTuple):
    """How an account is loaded."""

    loader: str
    destination: str
    deleted_rows: str = "remove"  # the setting; a plain pipeline has none


@dataclass(frozen=True)
class Load:
    """What a load took."""

    seconds: float  # from the start of the program to its end
    cpu_seconds: float
    waiting_seconds: float  # in which at least one request was under way
    megabytes: float  # at the peak, of all processes
    size_megabytes: float  # of the file or the database afterwards
    requests: int
    stages: dict[str, float]  # seconds
    differing_rows: int  # from the account

    @property
    def own_seconds(self) -> float:
        """Returns how long no request was waited for."""
        return self.seconds - self.waiting_seconds


@dataclass
class Place:
    """Where a way loads an account, run after run."""

    way: Way
    folder: Path  # of its own
    sandbox: SandboxApart
    server: Postgres | None  # where the way is to Postgres

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self._env = settings_for(self.sandbox.api_url, self.sandbox.id_url) | {
            "SOURCES__HARVEST__DELETED_ROWS": self.way.deleted_rows,
            "RUNTIME__DLTHUB_TELEMETRY": "false",
        }
        if self.server:
            self._address = self.server.make_database(self.folder.name)
            self._env["DESTINATION__POSTGRES__CREDENTIALS"] = self._address

    def load(self, expected: Expected) -> Load:
        """Runs once.

        Raises:
            RuntimeError: the run failed.
        """
        figures = self.folder / "figures.json"
        program = str(ROOT / "benchmarks" / "speed_load.py")
        order = [self.way.loader, self.way.destination, str(figures), str(time.monotonic())]
        self.sandbox.ask(take_requests)
        took = measure([sys.executable, program, *order], self.folder, self._env)
        known = json.loads(figures.read_text(encoding="utf-8"))
        stages = known["stages"]
        stages["rest"] = took.seconds - sum(
            seconds for name, seconds in stages.items() if name != "rest"
        )
        return Load(
            took.seconds,
            took.cpu_seconds,
            known["waiting_seconds"],
            max(took.megabytes, known["megabytes"]),  # short peaks are between two looks
            self._size() / 1e6,
            self.sandbox.ask(take_requests),
            stages,
            self._differing_rows(expected),
        )

    def _size(self) -> int:
        if not self.server:
            return self._file.stat().st_size
        with closing(psycopg2.connect(self._address)) as connection, connection.cursor() as cursor:
            cursor.execute("select pg_database_size(current_database())")
            return int(cursor.fetchall()[0][0])

    @property
    def _file(self) -> Path:
        (file,) = self.folder.glob("*.duckdb")
        return file

    def _differing_rows(self, expected: Expected) -> int:
        with duckdb.connect() as database:
            if not self.server:
                database.execute(f"attach '{self._file}' as loaded (read_only)")
                return differing_rows(database, f"loaded.{TABLE}", expected)
            copied = self.folder / "copied.csv"
            copy = f"copy (select * from {TABLE}) to stdout (format csv, header, null '\\N')"
            with (
                closing(psycopg2.connect(self._address)) as connection,
                connection.cursor() as cursor,
                copied.open("wb") as file,
            ):
                cursor.copy_expert(copy, file)
            read = f"read_csv('{copied}', header = true, all_varchar = true, nullstr = '\\N')"
            database.execute(f"create table copied as select * from {read}")
            return differing_rows(database, "copied", expected)
