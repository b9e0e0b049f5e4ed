"""Has older code load accounts and this code go on: nothing is read a second time from the start, and all ends equal.

Run: python benchmarks/upgrade.py COMMIT ... [--destinations duckdb,postgres]. For each commit and destination, old code loads
two accounts of the sandbox and changes, or is killed in the middle; the accounts change (edits, new rows, deletions); this
code runs. Ends with 1 where a list that takes updated_since is asked for all rows, where more than a fourth of the children are
asked again, where a table differs from its account in any value or holds a row twice, or where a run fails.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from measuring import CHANGED, ROOT, TOKEN, code_of, run_of, settings_for

sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import dlt  # noqa: E402 - after the path is set, as are the next ones
import pipelines  # noqa: E402
import support  # noqa: E402
from compare import assert_equal  # noqa: E402
from postgres_server import Postgres, programs, running_postgres  # noqa: E402

from harvest_sandbox import Account, Request, Sandbox, Size, build_account  # noqa: E402
from harvest_source.catalogue.reports import REPORTS  # noqa: E402

SIZE = Size(
    projects=8, users=8, invoices=80, estimates=40, time_entries=400, expenses=30, clients=6
)
DELETED = ("time_entries", "expenses", "contacts", "invoice_payments")
LISTS = {
    f"/v2/{report.path}": report.name
    for report in REPORTS
    if report.takes_updated_since and report.parent is None
}
TWICE = {
    "deleted_rows": "select count(*) - count(distinct (account_id, report, id)) from deleted_rows",
    "load_report": "select count(*) - count(distinct (run_id, account_id, report)) from load_report",
}


def database_at(address: str, _folder: Path, _name: str) -> Any:
    """Returns the destination of an address, whatever the folder and the pipeline."""
    return dlt.destinations.postgres(address)


@dataclass
class Place:
    """Where one trial loads."""

    folder: Path
    destination: str
    sandbox: Sandbox
    env: dict[str, str]

    def start(self, code: Path) -> subprocess.Popen[str]:
        """Starts a run of the code in a folder."""
        command = run_of(code, "--quiet", "--destination", self.destination)
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, code: Path) -> list[Request]:
        """Runs the code in a folder to its end; returns what it asked.

        Raises:
            AssertionError: it failed.
        """
        self.sandbox.clear()
        process = self.start(code)
        _, said = process.communicate()
        assert process.returncode == 0, said
        return list(self.sandbox.requests)

    def kill(self, code: Path, requests: int, seconds: float) -> None:
        """Runs the code in a folder and kills it some seconds after so many requests."""
        self.sandbox.clear()
        process = self.start(code)
        while len(self.sandbox.requests) < requests and process.poll() is None:
            time.sleep(0.01)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        process.kill()
        process.communicate()
        assert process.returncode < 0, "the run ended before it was killed"

    def require_equal(self) -> None:
        """Compares every table with the accounts, value by value.

        Raises:
            AssertionError: something differs, or a row of the histories stands twice.
        """
        pipelines.forget_dlt()
        assert_equal(self.folder, self.sandbox)
        for table, sql in TWICE.items():
            assert pipelines.rows(self.folder, sql) == [(0,)], f"a row of {table} stands twice"


def edit(account: Account, chance: random.Random, *, deletes: bool) -> None:
    """Edits and adds some rows of each report, and deletes some where that is wanted."""
    for report, field in CHANGED.items():
        values: dict[str, Any] = {field: f"changed {chance.random()}"}
        for key in chance.sample(list(account.rows[report]), 2):
            account.update(report, key, **values)
    for report in ("clients", "time_entries", "invoices", "invoice_payments", "users"):
        account.insert(report)
    for report in DELETED if deletes else ():
        account.delete(report, chance.choice(list(account.rows[report])))


def whole_lists(requests: list[Request]) -> list[str]:
    """Returns the lists that a run began to read without `updated_since`."""
    first = {
        (request.headers["Harvest-Account-Id"], request.path): request
        for request in reversed(requests)
        if request.path in LISTS
    }
    return sorted(
        {
            LISTS[path]
            for (_, path), request in first.items()
            if "updated_since" not in request.query
        }
    )


def children_asked(requests: list[Request]) -> int:
    """Returns how often a run asked for the children of one parent."""
    return sum(request.path.count("/") > 3 for request in requests)  # noqa: PLR2004 - /v2/invoices/70/payments


def go_on(place: Place, old: Path, new: Path, chance: random.Random) -> str:
    """Loads with the old code, a day's changes too; this code brings the next day's, and then nothing.

    Returns:
        what was seen.

    Raises:
        AssertionError: something is not as it must be.
    """
    accounts = place.sandbox.accounts
    first = children_asked(place.run(old))
    for account in accounts:
        edit(account, chance, deletes=True)
    place.run(old)
    for account in accounts:
        edit(account, chance, deletes=True)
    changed = place.run(new)
    place.require_equal()
    quiet = place.run(new)
    place.require_equal()
    for requests in (changed, quiet):
        assert not whole_lists(requests), f"read whole: {whole_lists(requests)}"
        assert children_asked(requests) * 4 < first, (
            f"children asked {children_asked(requests)} times, at first {first}"
        )
    asked = f"{len(changed)} requests, {children_asked(changed)} for children ({first} at first); then {len(quiet)}"
    return f"{asked}; equal"


def resume(place: Place, old: Path, new: Path, chance: random.Random, *, during: str) -> str:
    """Kills the old code, while it reads children or while it loads; this code brings all. Returns and raises as `go_on`."""
    children = sum(len(account.rows["invoices"]) * 2 for account in place.sandbox.accounts)
    place.kill(old, children, 0 if during == "reading" else 1.5 * chance.random())
    before = len(place.sandbox.requests)
    for account in place.sandbox.accounts:
        edit(account, chance, deletes=True)
    after = place.run(new)
    place.require_equal()
    return f"killed after {before} requests; then {len(after)}, {children_asked(after)} for children; equal"


TRIALS: dict[str, Callable[..., str]] = {
    "goes on": go_on,
    "goes on from a kill while reading": lambda *given: resume(*given, during="reading"),
    "goes on from a kill while loading": lambda *given: resume(*given, during="loading"),
}


def try_all(
    commit: str, destination: str, server: Postgres | None
) -> Iterator[tuple[str, str, bool]]:
    """Yields of each trial its name, what was seen, and whether it is as it must be."""
    with tempfile.TemporaryDirectory() as root:
        old, new = code_of(commit, Path(root) / "old"), ROOT
        for number, (name, trial) in enumerate(TRIALS.items()):
            accounts = [build_account(SIZE, seed=seed) for seed in (1, 2)]
            for account in accounts:
                support.stop_timers(account)
            folder = Path(root) / f"trial{number}"
            folder.mkdir()
            with Sandbox(accounts, token=TOKEN) as sandbox:
                env = settings_for(sandbox.api_url, sandbox.id_url)
                make: pipelines.Make = pipelines.duckdb_file
                if server:
                    address = server.make_database(f"{folder.parent.name.lower()}_{number}")
                    env["DESTINATION__POSTGRES__CREDENTIALS"] = address
                    make = partial(database_at, address)
                place = Place(folder, destination, sandbox, env)
                try:
                    with pipelines.loading_into(make):
                        seen = trial(place, old, new, random.Random(number))  # noqa: S311 - made-up changes
                    yield name, seen, True
                except AssertionError as error:
                    yield name, str(error), False


def main() -> int:
    """Prints a line for each trial."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commits", nargs="+")
    parser.add_argument("--destinations", default="duckdb,postgres")
    options = parser.parse_args()
    good = True
    with contextlib.ExitStack() as stack:
        destinations = options.destinations.split(",")
        installed = programs()
        if "postgres" in destinations and installed is None:
            print("no Postgres server is installed: apt-get install postgresql", file=sys.stderr)
            return 2
        server = (
            stack.enter_context(running_postgres(installed))
            if installed and "postgres" in destinations
            else None
        )
        for commit in options.commits:
            for destination in destinations:
                for name, seen, fine in try_all(
                    commit, destination, server if destination == "postgres" else None
                ):
                    print(
                        f"{commit} on {destination} {name}: {'' if fine else 'NOT GOOD: '}{seen}",
                        flush=True,
                    )
                    good = good and fine
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
