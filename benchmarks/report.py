"""How long `report` takes: the whole command, from its start until the page is written.

Run: python benchmarks/report.py [--rounds N] [--entries N]. The command line loads an account of the sandbox into a DuckDB file,
and the page is written so many times; the median counts. Ends with 1 where it takes longer than it may.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import median

from figures import MANY, SIZE
from measuring import ROOT, Figures, measure, run_of, sandbox_apart, settings_for

MOST_SECONDS = 5.0
PAGE = "harvest_report.html"


def written(entries: int, rounds: int) -> tuple[list[Figures], int]:
    """Returns what each page took to be written, and its size in bytes.

    Args:
        entries: time entries of the account.
        rounds: how often it is written.
    """
    with (
        tempfile.TemporaryDirectory() as place,
        sandbox_apart(replace(SIZE, time_entries=entries, expenses=entries // 50)) as sandbox,
    ):
        folder = Path(place)
        env = settings_for(sandbox.api_url, sandbox.id_url) | {"RUNTIME__DLTHUB_TELEMETRY": "false"}
        measure(run_of(ROOT, "run", "--quiet", "--no-views"), folder, env)
        report = run_of(ROOT, "report", "--quiet", "--no-open")
        took = [measure(report, folder, env) for _ in range(rounds)]
        return took, (folder / PAGE).stat().st_size


def main() -> int:
    """Prints what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--entries", type=int, default=MANY)
    options = parser.parse_args()
    took, size = written(options.entries, options.rounds)
    seconds, cpu_seconds = (median(each[part] for each in took) for part in range(2))
    where = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    print(
        f"{options.entries:,} entries: {seconds:.2f} s (at most {MOST_SECONDS:.0f}), {cpu_seconds:.2f} CPU s, "
        f"{size / 1024:.0f} KiB; medians of {options.rounds}, on {where}"
    )
    return int(seconds > MOST_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
