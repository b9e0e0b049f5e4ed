"""Kills first loads and second runs at random moments; the run after each kill must end equal to an undisturbed load.

Run: python benchmarks/kills.py [--times N] [--seed N]. Compares every value of every table. Ends with 1 where one differs,
where a row stands twice, or where the run after a kill fails.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from harvest_sandbox import Account, Sandbox

FIRST_SECONDS = 0.3  # before that Python has hardly started
RUNS_OF_EACH = ("first load", "second run")
KEPT_BY_RUNS = frozenset({"load_report", "deleted_rows", "accounts"})  # every run adds to them
HISTORY = "select count(*) - count(distinct (run_id, account_id, report)) from harvest.load_report"


def start(folder: Path, sandbox: Sandbox) -> subprocess.Popen[str]:
    """Starts a run in a folder."""
    settings = {"API_URL": sandbox.api_url, "ID_URL": sandbox.id_url, "ACCESS_TOKEN": "t"}
    env = os.environ | {f"SOURCES__HARVEST__{name}": value for name, value in settings.items()}
    command = [sys.executable, str(ROOT / "harvest_pipeline.py"), "--quiet"]
    return subprocess.Popen(
        command, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def whole_run(folder: Path, sandbox: Sandbox) -> tuple[str, float]:
    """Runs to the end; returns what went wrong, or nothing, and the seconds it took."""
    began = time.monotonic()
    process = start(folder, sandbox)
    _, said = process.communicate()
    return (
        said.strip() or f"exit {process.returncode}"
    ) if process.returncode else "", time.monotonic() - began


def killed_run(folder: Path, sandbox: Sandbox, seconds: float) -> bool:
    """Starts a run and kills it after some seconds; returns whether it was still at work."""
    process = start(folder, sandbox)
    time.sleep(seconds)
    process.kill()
    process.communicate()
    return process.returncode < 0


def tables_of(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Returns all rows of all tables, without dlt's columns; of the history only how many rows stand twice."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    with duckdb.connect(str(folder / "harvest_pipeline.duckdb"), read_only=True) as database:
        listed = database.execute(
            "select table_name from information_schema.tables where table_schema = 'harvest'"
        ).fetchall()
        for name in (
            name for (name,) in listed if not name.startswith("_dlt") and name not in KEPT_BY_RUNS
        ):
            columns = [
                column[0] for column in database.execute(f"describe harvest.{name}").fetchall()
            ]
            listing = ", ".join(
                sorted(column for column in columns if not column.startswith("_dlt"))
            )
            found[name] = sorted(
                database.execute(f"select {listing} from harvest.{name}").fetchall(), key=repr
            )
        found["load_report twice"] = database.execute(HISTORY).fetchall()
    return found


def change(account: Account, chance: random.Random) -> None:
    """Edits and inserts some rows, so that a second run has something to bring."""
    for report in ("time_entries", "expenses", "invoices", "invoice_payments"):
        for key in chance.sample(list(account.rows[report]), min(5, len(account.rows[report]))):
            account.update(report, key, notes=f"edit {chance.random()}")
    account.insert("time_entries")
    account.insert("invoices")


def try_once(account: Account, chance: random.Random, *, second: bool) -> tuple[bool, str]:
    """Kills one run and compares; returns whether the kill struck, and what differs in the end."""
    from harvest_sandbox import Sandbox  # noqa: PLC0415 - after the path is set

    with Sandbox(account, token="t") as sandbox, tempfile.TemporaryDirectory() as place:  # noqa: S106 - the sandbox's
        folder, fresh = Path(place) / "killed", Path(place) / "fresh"
        folder.mkdir()
        fresh.mkdir()
        _, whole_seconds = whole_run(folder if second else fresh, sandbox)
        if second:
            change(account, chance)
        struck = killed_run(folder, sandbox, chance.uniform(FIRST_SECONDS, whole_seconds))
        problem, _ = whole_run(folder, sandbox)
        if problem:
            return struck, problem
        if second:
            whole_run(fresh, sandbox)
        found, expected = tables_of(folder), tables_of(fresh)
        return struck, ", ".join(name for name in expected if found.get(name) != expected[name])


def main() -> int:
    """Prints how many of the kills ended equal."""
    from harvest_sandbox import Size, build_account  # noqa: PLC0415 - after the path is set

    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)  # noqa: S311 - moments of kills
    size = Size(
        projects=4, users=4, invoices=10, estimates=2, time_entries=300, expenses=10, clients=3
    )
    counts: Counter[tuple[str, str]] = Counter()
    for number in range(options.times):
        account = build_account(size, seed=number + 1)
        for entry in [
            entry for entry in account.rows["time_entries"].values() if entry["is_running"]
        ]:
            # its hours would grow
            account.update("time_entries", entry["id"], is_running=False, timer_started_at=None)
        which = RUNS_OF_EACH[number % 2]
        struck, problem = try_once(account, chance, second=which == RUNS_OF_EACH[1])
        counts[which, "kills"] += 1
        counts[which, "struck"] += struck
        counts[which, "equal"] += not problem
        if problem:
            print(f"kill {number + 1} ({which}): {problem}", flush=True)
    for which in RUNS_OF_EACH:
        kills, early, equal = (counts[which, what] for what in ("kills", "struck", "equal"))
        print(f"{which}: {kills} kills, {early} of them before its end, {equal} equal at the end")
    return int(sum(counts[which, "equal"] for which in RUNS_OF_EACH) != options.times)


if __name__ == "__main__":
    sys.exit(main())
