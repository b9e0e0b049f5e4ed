"""Loads time entries end to end, by this product and by a plain dlt pipeline, and compares time and memory.

Run: python benchmarks/speed.py [--entries N]. Ends with 1 where this product needs more than a fifth of the time or a
quarter of the peak memory. The sandbox's start-up is not counted; no limit is waited for on either side.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measuring import ROOT, TOKEN, Figures, measure

sys.path.insert(0, str(ROOT))
MOST_TIME, MOST_MEMORY = 1 / 5, 1 / 4


def ours(api_url: str, id_url: str, destination: str = "duckdb") -> None:
    """Loads as the command line does, with limits that never hold it back."""
    import dlt  # noqa: PLC0415 - each process imports only what it measures

    from harvest_source.api.limits import Budgets, Limit  # noqa: PLC0415
    from harvest_source.clock import Clock  # noqa: PLC0415
    from harvest_source.connection import connect  # noqa: PLC0415
    from harvest_source.loading import sync  # noqa: PLC0415
    from harvest_source.resources import source_of  # noqa: PLC0415
    from harvest_source.settings import HarvestSettings  # noqa: PLC0415

    settings = HarvestSettings(access_token=TOKEN, api_url=api_url, id_url=id_url)
    clock = Clock()
    connection = connect(
        settings, "all", clock=clock, budgets=Budgets(clock, Limit(10**6, 15), Limit(10**6, 900))
    )
    source = source_of(connection).with_resources("time_entries")
    summary = sync(
        dlt.pipeline(
            "ours", destination=destination, dataset_name="harvest", pipelines_dir="state"
        ),
        source,
    )
    assert summary.exit_code == 0, summary


def plain(api_url: str, _id_url: str) -> None:
    """Loads with dlt alone: dicts, merge by id, defaults."""
    import dlt  # noqa: PLC0415
    from dlt.sources.helpers import requests  # noqa: PLC0415

    account = requests.get(
        _id_url + "api/v2/accounts",
        headers={"Authorization": f"Bearer {TOKEN}", "User-Agent": "b (b@c.d)"},
    )
    account_id = next(
        each["id"] for each in account.json()["accounts"] if each["product"] == "harvest"
    )
    headers = {
        "Authorization": f"Bearer {TOKEN}",
        "Harvest-Account-Id": str(account_id),
        "User-Agent": "b (b@c.d)",
    }

    @dlt.resource(name="time_entries", write_disposition="merge", primary_key="id")
    def time_entries() -> Any:
        url = api_url + "time_entries?per_page=2000"
        while url:
            page = requests.get(url, headers=headers).json()
            yield page["time_entries"]
            url = page["links"]["next"]

    dlt.pipeline("plain", destination="duckdb", dataset_name="harvest", pipelines_dir="state").run(
        time_entries()
    )


LOADERS: dict[str, Callable[..., None]] = {"ours": ours, "plain": plain}


def measure_load(folder: str, *order: str) -> Figures:
    """Returns what one load needs.

    Args:
        folder: where it works.
        order: name of the loader and its arguments.
    """
    return measure([sys.executable, __file__, "--load", *order], Path(folder))


def main() -> int:
    """Prints the figures and the two ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--load", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load:
        LOADERS[options.load[0]](*options.load[1:])
        return 0
    command = [
        sys.executable,
        "-m",
        "harvest_sandbox",
        "--entries",
        str(options.entries),
        "--port",
        "0",
        "--token",
        TOKEN,
    ]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as sandbox:
        assert sandbox.stdout
        urls = [sandbox.stdout.readline().split()[1] for _ in range(2)]
        figures = {}
        for name in LOADERS:
            with tempfile.TemporaryDirectory() as folder:
                figures[name] = measure_load(folder, name, *urls)
        sandbox.terminate()
    for name, (seconds, _, megabytes) in figures.items():
        print(f"{name}: {options.entries} time entries in {seconds:.1f} s, peak {megabytes:.0f} MB")
    time_ratio, memory_ratio = (
        figures["ours"][place] / figures["plain"][place] for place in (0, 2)
    )
    print(
        f"ratio of time {time_ratio:.3f} (at most {MOST_TIME:.3f}), of memory {memory_ratio:.3f} (at most {MOST_MEMORY:.3f})"
    )
    return int(time_ratio > MOST_TIME or memory_ratio > MOST_MEMORY)


if __name__ == "__main__":
    sys.exit(main())
