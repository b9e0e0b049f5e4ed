"""Compares this state of the code with an older commit: requests, time and memory of a first run, a quiet one, one after changes.

Run: python benchmarks/against.py COMMIT [--pairs N] [--size default] [--entries N] [--most 1.05]. Both load the same account of
the sandbox into DuckDB files of their own, in turns (old, new, old, new ...), without waiting for Harvest's limits. Prints the
ratios new/old, of time and memory the median of the pairs; ends with 1 where requests grow or a ratio is above the most.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from measuring import (
    CHANGED,
    Figures,
    code_of,
    git,
    measure,
    run_of,
    sandbox_apart,
    settings_for,
    take_requests,
)

from harvest_sandbox import SIZES, Sandbox, Size

RUNS = ("first run", "quiet run", "1 % changes")


def change(sandbox: Sandbox) -> None:
    """Edits one row in a hundred of each report, at least one."""
    (account,) = sandbox.accounts
    for report, field in {**CHANGED, "invoice_payments": "notes"}.items():
        for key in list(account.rows[report])[::100]:
            values: dict[str, Any] = {field: f"changed at {account.now():%X}"}
            account.update(report, key, **values)


def one_pair(codes: list[Path], folder: Path, size: Size) -> list[list[tuple[int, Figures]]]:
    """Returns requests and figures of the old and the new code, for each of the runs.

    Args:
        codes: folders of the old and the new code.
        folder: where they load.
        size: of the account.
    """
    found = []
    with sandbox_apart(size) as sandbox:
        env = settings_for(sandbox.api_url, sandbox.id_url)
        for run in RUNS:
            if run == RUNS[-1]:
                sandbox.ask(change)
            both = []
            for code in codes:
                place = folder / code.name
                place.mkdir(exist_ok=True)
                figures = measure(run_of(code, "--quiet"), place, env)
                both.append((sandbox.ask(take_requests), figures))
            found.append(both)
    return found


def print_row(run: str, pairs: list[list[tuple[int, Figures]]], most: float) -> bool:
    """Prints the figures of one of the runs; returns whether they are good.

    Args:
        run: its name.
        pairs: of each pair requests and figures of the old and the new code.
        most: that a ratio of time or memory may be.
    """
    requests = [[each[place][0] for each in pairs] for place in (0, 1)]
    ratios = [median(new[part] / old[part] for (_, old), (_, new) in pairs) for part in range(3)]
    old, new = (
        Figures(*(median(each[place][1][part] for each in pairs) for part in range(3)))
        for place in (0, 1)
    )
    cells = [
        f"{before:.1f} → {now:.1f}, **{ratio:.3f}**" for before, now, ratio in zip(old, new, ratios, strict=True)
    ]  # fmt: skip
    good = max(requests[1]) <= min(requests[0]) and max(ratios) <= most
    print(
        f"| {run} | {max(requests[0])} → {max(requests[1])} | {' | '.join(cells)} | {'yes' if good else 'NO'} |",
        flush=True,
    )
    return good


def main() -> int:
    """Prints a table of the runs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commit")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--size", choices=sorted(SIZES), default="default")
    parser.add_argument(
        "--entries", type=int, help="time entries, where not as many as the size has"
    )
    parser.add_argument("--most", type=float, default=1.05)
    options = parser.parse_args()
    size = SIZES[options.size]
    size = replace(size, time_entries=options.entries or size.time_entries)
    # a commit of what is not committed yet, which nothing points at
    changed = git("stash", "create").decode().strip()
    with tempfile.TemporaryDirectory() as place:
        codes = [
            code_of(options.commit, Path(place) / "old"),
            code_of(changed or "HEAD", Path(place) / "new"),
        ]
        pairs = []
        for number in range(options.pairs):
            folder = Path(place) / f"pair {number}"
            folder.mkdir()
            pairs.append(one_pair(codes, folder, size))
    print(
        f"{options.commit} → this state, {options.pairs} pairs, {size.time_entries:,} time entries; at most {options.most}"
    )
    print("\n| | requests | seconds | CPU seconds | peak MB | good |\n|---|---|---|---|---|---|")
    good = [
        print_row(run, [pair[place] for pair in pairs], options.most)
        for place, run in enumerate(RUNS)
    ]
    return int(not all(good))


if __name__ == "__main__":
    sys.exit(main())
