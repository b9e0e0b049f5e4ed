"""Requests of 28 days one after another on an account in which nothing changes: how many a day, and how even.

Run: python benchmarks/days.py [--days N] [--invoices N]. First whole runs on the sandbox, the clock moved on by a day before
each; then, for 10,000 invoices that came evenly in ten years, what is chosen to be read again, with the other requests that the
whole runs took. Ends with 1 where the 10,000 take more than 400 requests a day on average, or where a day from the second on
takes more than 1.3 times the average.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from dataclasses import replace
from datetime import timedelta
from math import inf
from pathlib import Path
from statistics import mean
from typing import NamedTuple

from measuring import ROOT

sys.path.insert(0, str(ROOT / "tests"))
sys.path.insert(0, str(ROOT))

from clocks import LaterClock
from pipelines import make_pipeline
from support import make_source, serving, stop_timers

from harvest_sandbox import SIZES, build_account
from harvest_source import sync
from harvest_source.clock import Clock
from harvest_source.reading.sweep import DAY_HOURS, EPOCH, plan_sweep
from harvest_source.settings import SWEEP_DAYS

MANY = 10_000
YEARS = 10
MOST_REQUESTS, MOST_RATIO = 400, 1.3
OF_INVOICES = re.compile(r"/invoices/\d+/\w+$")


class Day(NamedTuple):
    """The requests of one day."""

    of_invoices: int  # for payments and messages that are read again
    others: int

    @property
    def requests(self) -> int:
        """Returns all of them."""
        return self.of_invoices + self.others


def whole_runs(days: int, invoices: int) -> list[Day]:
    """Returns what the run of each day takes, after a first load."""
    account = build_account(replace(SIZES["default"], invoices=invoices), seed=1)
    stop_timers(account)
    found = []
    with serving(account) as sandbox, tempfile.TemporaryDirectory() as folder:
        for day in range(days + 1):
            sandbox.clear()
            source = make_source(sandbox, clock=LaterClock(day * DAY_HOURS))
            summary = sync(make_pipeline(Path(folder)), source)
            if summary.exit_code:
                raise RuntimeError(f"the run of day {day} is not complete")
            again = sum(bool(OF_INVOICES.search(request.path)) for request in sandbox.requests)
            found.append(Day(again, len(sandbox.requests) - again))
    return found[1:]


def planned(days: int, invoices: int) -> list[int]:
    """Returns how many payments and messages are read again each day, after a first load.

    Args:
        days: from the first load on.
        invoices: as many as came evenly in ten years.
    """
    first_hour = Clock().hour()
    now = EPOCH + timedelta(hours=first_hour)
    changed = {
        each: now - timedelta(days=YEARS * 365) * each / invoices for each in range(invoices)
    }
    read = {str(first_hour): list(changed)}
    counts = []
    for day in range(1, days + 1):
        hour = first_hour + day * DAY_HOURS
        due = {*plan_sweep(read, changed, hour - DAY_HOURS, hour, SWEEP_DAYS).due}
        read = {at: [each for each in ids if each not in due] for at, ids in read.items()}
        read[str(hour)] = sorted(due)
        counts.append(2 * len(due))  # a request for payments, one for messages
    return counts


def print_row(name: str, days: list[Day], most: float) -> bool:
    """Prints the figures of an account; returns whether they are good."""
    requests = [day.requests for day in days]
    average, largest = mean(requests), max(requests[1:])
    of_invoices = mean(day.of_invoices for day in days)
    good = average <= most and largest <= MOST_RATIO * average
    cells = [name, f"{average:.0f}", f"{of_invoices:.0f}", str(requests[0]), str(largest)]
    print(
        f"| {' | '.join(cells)} | {largest / average:.2f} | {'yes' if good else 'NO'} |", flush=True
    )
    return good


def main() -> int:
    """Prints a table of the accounts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=28)
    parser.add_argument("--invoices", type=int, default=300, help="of the whole runs")
    options = parser.parse_args()
    print("| invoices | requests a day | of invoices | day 1 | largest day after | ratio | good |")
    print("|---|---|---|---|---|---|---|")
    runs = whole_runs(options.days, options.invoices)
    good = [print_row(f"{options.invoices:,}", runs, inf)]
    # whatever else a day takes, it takes with many invoices as well
    chosen = planned(options.days, MANY)
    days = [Day(count, run.others) for count, run in zip(chosen, runs, strict=True)]
    good.append(print_row(f"{MANY:,} of {YEARS} years", days, MOST_REQUESTS))
    return int(not all(good))


if __name__ == "__main__":
    sys.exit(main())
