"""Loads time entries into DuckDB and into a Postgres server on this machine, then 500 changes, and compares time and memory.

Run: python benchmarks/postgres.py [--entries N]. Prints the table of docs/performance.md; ends with 1 where Postgres
needs more than twice DuckDB's time for the first load. Memory is that of the pipeline's own process, not the server's.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile

from measuring import ROOT, TOKEN, Figures
from speed import measure_load

sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from postgres_server import programs, running_postgres  # noqa: E402 - found once the path is set

from harvest_sandbox import Account, Sandbox, Size, build_account  # noqa: E402

CHANGES = 500
MOST_TIME = 2.0


def change(account: Account, text: str) -> None:
    """Changes 500 time entries, spread over all of them."""
    ids = list(account.rows["time_entries"])
    for entry_id in ids[:: max(1, len(ids) // CHANGES)][:CHANGES]:
        account.update("time_entries", entry_id, notes=text)


def main() -> int:
    """Prints the figures and the ratio of the first loads."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--entries", type=int, default=100_000)
    entries = parser.parse_args().entries
    account = build_account(
        Size(projects=60, users=15, invoices=3, estimates=2, time_entries=entries, expenses=10),
        seed=1,
    )
    installed = programs()
    if installed is None:
        print("no Postgres server is installed: apt-get install postgresql", file=sys.stderr)
        return 2
    figures: dict[str, list[Figures]] = {}
    with Sandbox(account, token=TOKEN) as sandbox, running_postgres(installed) as server:
        os.environ["DESTINATION__POSTGRES__CREDENTIALS"] = server.make_database("benchmark")
        for destination in ("duckdb", "postgres"):
            with tempfile.TemporaryDirectory() as folder:
                first = measure_load(folder, "ours", sandbox.api_url, sandbox.id_url, destination)
                change(account, destination)
                later = measure_load(folder, "ours", sandbox.api_url, sandbox.id_url, destination)
            figures[destination] = [first, later]
    print(f"| | first load of {entries:,} time entries | {CHANGES} changes |\n|---|---|---|")
    for destination, loads in figures.items():
        print(
            f"| {destination} | "
            + " | ".join(f"{seconds:.1f} s, {memory:.0f} MB" for seconds, _, memory in loads)
            + " |"
        )
    ratio = figures["postgres"][0][0] / figures["duckdb"][0][0]
    print(
        f"Postgres needs {ratio:.2f} of DuckDB's time for the first load (at most {MOST_TIME:.2f})"
    )
    return int(ratio > MOST_TIME)


if __name__ == "__main__":
    sys.exit(main())
