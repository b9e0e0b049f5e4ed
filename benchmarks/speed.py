"""Loads time entries with this product and with a plain dlt pipeline (dicts, merge, defaults), and compares what they need.

Run: python benchmarks/speed.py [--markdown]. Every account is loaded into DuckDB and Postgres, first as a whole, then after
500 changes, after none and after one deletion; the largest by this product alone. No limit is waited for, and the sandbox has
a process of its own, whose memory does not count. What is compared is loaded in turns, and medians count. A load whose table
does not equal the account has no time. Ends with 1 where one does not, or where a target of `speed_page.py` is missed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from measuring import SandboxApart, sandbox_apart
from postgres_server import Postgres, programs, running_postgres
from speed_page import (
    CHANGED,
    DELETED,
    FIRST,
    QUIET,
    SLOW,
    Figures,
    Key,
    Trial,
    missed,
    printed,
    write,
)
from speed_rows import write_rows
from speed_trials import DUCKDB, PLAIN, POSTGRES, PRODUCT, Place, Way

from harvest_sandbox import Delay, Sandbox, Size
from harvest_sandbox.filters import dated_keys
from harvest_sandbox.rows import getter

CHANGES = 500
TEN_YEARS = 3650  # days: as many of a million entries on each of them as of 100,000 in a year
SLOW_DELAY = Delay(seconds_per_1000_rows=0.5)  # 1 s for a page of 2,000 rows


@dataclass(frozen=True)
class Account:
    """An account that is loaded in each round."""

    entries: int
    sandbox: SandboxApart
    ways: tuple[Way, ...]
    what: str = FIRST
    goes_on: bool = True  # after the first load

    def loads(self, folder: Path, server: Postgres | None, number: int) -> Iterator[Trial]:
        """Yields each load of a round as soon as it is done."""
        entries = folder / "entries.json"
        expected = self.sandbox.ask(write_rows, entries)
        places = {}
        for way in self.ways[:: -1 if number % 2 else 1]:
            name = f"round{number}_{self.entries}_{self.what}_{'_'.join(way)}".replace(" ", "_")
            place = Place(way, folder / name, self.sandbox, server if way[1] == POSTGRES else None)
            yield Trial(Key(self.entries, self.what, way), place.load(expected))
            if way.loader == PRODUCT and way.deleted_rows == "remove":
                places[way] = place
        if not self.goes_on:
            return
        self.sandbox.ask(change, f"changed in round {number}")
        expected = self.sandbox.ask(write_rows, entries)
        for what in (CHANGED, QUIET, DELETED):
            if what == DELETED:
                self.sandbox.ask(delete_one)
                expected = self.sandbox.ask(write_rows, entries)
            for way, place in places.items():
                yield Trial(Key(self.entries, what, way), place.load(expected))


def begin(sandbox: Sandbox, delay: Delay) -> None:
    """Makes an account ready: timers, whose hours would grow, are stopped."""
    (account,) = sandbox.accounts
    rows = account.rows["time_entries"]
    is_running = getter(rows, "is_running")
    for key in [key for key in rows if is_running(key)]:
        account.update("time_entries", key, is_running=False, timer_started_at=None)
    sandbox.delay = delay
    sort(sandbox)


def change(sandbox: Sandbox, text: str) -> None:
    """Changes 500 time entries, spread over all of them."""
    (account,) = sandbox.accounts
    ids = list(account.rows["time_entries"])
    for entry_id in ids[:: max(1, len(ids) // CHANGES)][:CHANGES]:
        account.update("time_entries", entry_id, notes=text)
    sort(sandbox)


def delete_one(sandbox: Sandbox) -> None:
    """Deletes one time entry in the middle, without a sign."""
    (account,) = sandbox.accounts
    ids = list(account.rows["time_entries"])
    account.delete("time_entries", ids[len(ids) // 3])
    sort(sandbox)


def sort(sandbox: Sandbox) -> None:
    """Sorts the entries by date before anybody asks: Harvest's database has an index."""
    (account,) = sandbox.accounts
    with account.lock:
        dated_keys(account, "time_entries", "spent_date")


def accounts(options: argparse.Namespace, stack: ExitStack) -> Iterator[Account]:
    """Yields the accounts, each served by a process of its own until a stack is closed."""

    def serve(entries: int, delay: Delay, days: int = Size.days) -> SandboxApart:
        size = Size(
            clients=40, projects=60, users=15, invoices=3, estimates=2, expenses=10, time_entries=entries, days=days
        )  # fmt: skip
        sandbox = stack.enter_context(sandbox_apart(size))
        sandbox.ask(begin, delay)
        return sandbox

    delay = Delay(options.delay_seconds, options.delay_seconds_per_1000_rows)
    destinations = options.destinations.split(",")
    both = [Way(loader, each) for each in destinations for loader in (PRODUCT, PLAIN)]
    without_proof = Way(PRODUCT, destinations[0], "ignore")
    alone = Way(PRODUCT, destinations[0])
    for entries in map(int, options.entries.split(",")):
        yield Account(entries, serve(entries, delay), (*both, without_proof))
    if options.alone:
        yield Account(options.alone, serve(options.alone, delay, TEN_YEARS), (alone,))
    if options.slow:
        slow = serve(options.slow, SLOW_DELAY)
        yield Account(options.slow, slow, (alone,), SLOW, goes_on=False)


def measured(options: argparse.Namespace) -> Figures:
    """Returns what the loads of all rounds took."""
    figures: Figures = defaultdict(list)
    with ExitStack() as stack:
        server = None
        if POSTGRES in options.destinations:
            installed = programs()
            if installed is None:
                raise SystemExit("no Postgres server is installed: apt-get install postgresql")
            server = stack.enter_context(running_postgres(installed))
        served = [*accounts(options, stack)]
        for number in range(options.pairs):
            for account in served:
                with tempfile.TemporaryDirectory() as folder:
                    for trial in account.loads(Path(folder), server, number):
                        figures[trial.key].append(trial.load)
                        print(trial, file=sys.stderr, flush=True)
    return figures


def main() -> int:
    """Prints the tables, and writes them into docs/performance.md where that is wanted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=5, help="how often all is loaded")
    parser.add_argument("--entries", default="5000,100000", help="of accounts that both load")
    parser.add_argument("--alone", type=int, default=1_000_000, metavar="N", help="0 for none")
    parser.add_argument(
        "--slow", type=int, default=50_000, metavar="N", help="with 1 s a page; 0 for none"
    )
    parser.add_argument("--destinations", default=f"{DUCKDB},{POSTGRES}")
    parser.add_argument("--delay-seconds", type=float, default=0, metavar="S")
    parser.add_argument("--delay-seconds-per-1000-rows", type=float, default=0, metavar="S")
    parser.add_argument("--markdown", action="store_true", help="write docs/performance.md")
    options = parser.parse_args()
    figures = measured(options)
    print(printed(figures))
    if options.markdown:
        write(figures)
    return int(missed(figures))


if __name__ == "__main__":
    sys.exit(main())
