"""One deleted entry among many: how many requests more than a quiet run it takes to find and remove it.

Run: python benchmarks/deletion.py [--entries N]. Ends with 1 where it takes more than 40, or the tables differ.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
MOST_REQUESTS = 40


def main() -> int:
    """Prints the figures."""
    from pipelines import rows  # noqa: PLC0415 - after the path is set
    from support import serving, sync_once  # noqa: PLC0415 - after the path is set

    from harvest_sandbox import Size, build_account  # noqa: PLC0415

    parser = argparse.ArgumentParser()
    parser.add_argument("--entries", type=int, default=1_000_000)
    options = parser.parse_args()
    size = Size(
        projects=200,
        users=200,
        invoices=10,
        estimates=2,
        time_entries=options.entries,
        expenses=10,
        clients=40,
    )
    account = build_account(size, seed=1)
    with serving(account) as sandbox, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        counts = []
        for _ in range(2):
            sandbox.clear()
            sync_once(folder, sandbox, "time_entries")
            counts.append(len(sandbox.requests))
        ids = list(account.rows["time_entries"])
        gone = ids[len(ids) // 3]
        account.delete("time_entries", gone)
        sandbox.clear()
        (result,) = sync_once(folder, sandbox, "time_entries").results
        more = len(sandbox.requests) - counts[1]
        left = rows(
            folder, f"select count(*), count(case when id = {gone} then 1 end) from time_entries"
        )[0]
    print(
        f"{options.entries} entries: first run {counts[0]} requests, quiet run {counts[1]}, one deleted: {more} more"
    )
    print(
        f"removed {result.deleted}, verified: {result.verified}, rows left {left[0]}, of the deleted one {left[1]}"
    )
    return int(more > MOST_REQUESTS or left != (options.entries - 1, 0) or result.deleted != 1)


if __name__ == "__main__":
    sys.exit(main())
