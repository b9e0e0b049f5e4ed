"""How long the figures take: each as the select that `show` runs, and through its view, until its last row is there.

Run: python benchmarks/figures.py [--markdown]. The command line loads an account of the sandbox into DuckDB and Postgres, and a
larger one, of ten years, into DuckDB; nothing else is done to the tables. Select and view are asked for in turns, and medians
count. Ends with 1 where the selects of all figures together take longer than they may.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import duckdb
import psycopg2
from measuring import ROOT, SandboxApart, measure, run_of, sandbox_apart, settings_for
from postgres_server import programs, running_postgres
from speed_page import PAGE, table, with_part
from speed_trials import DUCKDB, POSTGRES

from harvest_sandbox import Size
from harvest_source.figures.figures import FIGURES
from harvest_source.figures.sql import select_of

SELECT, VIEW = "select", "view"
ROWS_AT_ONCE = 10_000  # a program that keeps all rows of 1,000,000 entries needs gigabytes
MANY, LARGE = 100_000, 1_000_000
TEN_YEARS = 3650  # days
SIZE = Size(clients=60, users=40, projects=200, invoices=300, estimates=5)
NAME = '"harvest"."{}"'


class Place(NamedTuple):
    """Where so many time entries are loaded, of so many days."""

    entries: int
    destination: str
    days: int = Size.days

    def __str__(self) -> str:
        return f"{self.entries:,} entries, {self.destination}"


class Asked(NamedTuple):
    """What it took to ask for a figure."""

    seconds: float
    rows: int


MOST_SECONDS = {
    Place(MANY, DUCKDB): 5.0,
    Place(MANY, POSTGRES): 15.0,
    Place(LARGE, DUCKDB, TEN_YEARS): 15.0,
}
"""What the selects of all figures together may take."""
Times = Mapping[tuple[str, str], list[Asked]]
"""For each figure and way, what it took each time."""


def asked(connection: Any, sql: str) -> Asked:
    """Has a database answer, and fetches all rows, of which it keeps none."""
    began = time.monotonic()
    rows = 0
    with closing(connection.cursor()) as cursor:
        cursor.execute(sql)
        while some := cursor.fetchmany(ROWS_AT_ONCE):
            rows += len(some)
    return Asked(time.monotonic() - began, rows)


def ways(figure: str, destination: str) -> list[tuple[str, str]]:
    """Returns the statements by which a figure is asked for, each with the way."""
    select = select_of(figure, NAME.format, destination)
    return [(SELECT, select), (VIEW, f"select * from {NAME.format(figure)}")]


def load(sandbox: SandboxApart, destination: str, folder: Path, address: str) -> None:
    """Runs the command line once."""
    env = settings_for(sandbox.api_url, sandbox.id_url) | {
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "DESTINATION__POSTGRES__CREDENTIALS": address,
    }
    measure(run_of(ROOT, "run", "--quiet", "--destination", destination), folder, env)


def connect(destination: str, folder: Path, address: str) -> Any:
    """Opens what was loaded."""
    if destination == POSTGRES:
        return psycopg2.connect(address)
    (file,) = folder.glob("*.duckdb")
    return duckdb.connect(str(file), read_only=True)


def measured(places: Sequence[Place], rounds: int) -> dict[Place, Times]:
    """Returns how long all figures took in some places, round by round."""
    with ExitStack() as stack:
        server = None
        if any(place.destination == POSTGRES for place in places):
            installed = programs()
            if installed is None:
                raise SystemExit("no Postgres server is installed: apt-get install postgresql")
            server = stack.enter_context(running_postgres(installed))
        times = {}
        for number, place in enumerate(places):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            address = server.make_database(f"place{number}") if server else ""
            sized = replace(
                SIZE, time_entries=place.entries, expenses=place.entries // 50, days=place.days
            )
            with sandbox_apart(sized) as sandbox:
                load(sandbox, place.destination, folder, address)
            with closing(connect(place.destination, folder, address)) as connection:
                times[place] = _asked_in_turns(connection, place.destination, rounds)
            print(f"{place}: {together(times[place], SELECT):.2f} s", file=sys.stderr, flush=True)
    return times


def _asked_in_turns(connection: Any, destination: str, rounds: int) -> Times:
    """Returns what all figures took, of which either way is asked for first by turns."""
    times: defaultdict[tuple[str, str], list[Asked]] = defaultdict(list)
    for number in range(rounds):
        for figure in FIGURES:
            for way, sql in ways(figure.name, destination)[:: -1 if number % 2 else 1]:
                times[figure.name, way].append(asked(connection, sql))
    return times


def together(times: Times, way: str) -> float:
    """Returns the sum of all medians of a way."""
    return sum(_median(times, figure.name, way) for figure in FIGURES)


def _median(times: Times, figure: str, way: str) -> float:
    return median(each.seconds for each in times[figure, way])


def missed(times: Mapping[Place, Times]) -> bool:
    """Returns whether all figures together take longer somewhere than they may."""
    return any(
        together(times[place], SELECT) > most
        for place, most in MOST_SECONDS.items()
        if place in times
    )


def printed(times: Mapping[Place, Times]) -> str:
    """Returns the table."""
    rounds = max(len(each) for of_place in times.values() for each in of_place.values())
    where = (
        f"{os.cpu_count()} cores, Python {platform.python_version()}, duckdb {version('duckdb')}"
    )
    head = [cell for place in times for cell in (f"{place}: rows", "seconds", "through the view")]
    return f"Medians of {rounds}, in turns, on {where}.\n\n{table(['', *head], _rows(times))}"


def _rows(times: Mapping[Place, Times]) -> Iterator[Sequence[str]]:
    for figure in FIGURES:
        cells = []
        for of_place in times.values():
            took = [_median(of_place, figure.name, way) for way in (SELECT, VIEW)]
            (rows,) = {each.rows for way in (SELECT, VIEW) for each in of_place[figure.name, way]}
            cells += [f"{rows:,}", *(f"{each:.2f}" for each in took)]
        yield [f"`{figure.name}`", *cells]
    sums = [
        ["", *(f"{together(each, way):.2f}" for way in (SELECT, VIEW))] for each in times.values()
    ]
    yield ["all", *(cell for cells in sums for cell in cells)]
    most = [
        ["", f"{MOST_SECONDS[place]:.2f}" if place in MOST_SECONDS else "", ""] for place in times
    ]
    yield ["at most", *(cell for cells in most for cell in cells)]


def main() -> int:
    """Prints the table, and writes it into docs/performance.md where that is wanted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="how often each is asked for")
    parser.add_argument("--entries", type=int, default=MANY, help="in each destination")
    parser.add_argument(
        "--alone", type=int, default=LARGE, metavar="N", help="in the first; 0 for none"
    )
    parser.add_argument("--destinations", default=f"{DUCKDB},{POSTGRES}")
    parser.add_argument("--markdown", action="store_true", help="write docs/performance.md")
    options = parser.parse_args()
    destinations = options.destinations.split(",")
    places = [Place(options.entries, each) for each in destinations]
    if options.alone:
        places.append(Place(options.alone, destinations[0], TEN_YEARS))
    times = measured(places, options.rounds)
    print(printed(times))
    if options.markdown:
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(with_part(page, "figures", printed(times), "figures"), encoding="utf-8")
    return int(missed(times))


if __name__ == "__main__":
    sys.exit(main())
