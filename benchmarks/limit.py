"""A whole first load at Harvest's real limit, 100 requests per 15 seconds: no 429, and hardly more than the ideal time.

Run: python benchmarks/limit.py [--window sliding|fixed|both]. Takes two minutes of real time each. Ends with 1 where a 429 was
met, or where the requests took more than 1.1 times the ideal time, floor((requests - 1) / 100) x 15 s and one round trip
a window.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
MOST = 1.1
TOKEN = "t"  # noqa: S105 - the sandbox's
ROUND_TRIP_SECONDS = 0.1
WINDOWS: tuple[Literal["sliding", "fixed"], ...] = ("sliding", "fixed")


def measure(window: Literal["sliding", "fixed"]) -> bool:
    """Prints the figures of one kind of window; returns whether they are good."""
    from harvest_sandbox import SIZES, Limit, Sandbox, build_account  # noqa: PLC0415 - after the path is set

    account = build_account(SIZES["default"], seed=2)
    with (
        Sandbox(account, token=TOKEN, limit=Limit(window)) as sandbox,
        tempfile.TemporaryDirectory() as folder,
    ):
        settings = {"API_URL": sandbox.api_url, "ID_URL": sandbox.id_url, "ACCESS_TOKEN": TOKEN}
        env = os.environ | {f"SOURCES__HARVEST__{name}": value for name, value in settings.items()}
        command = [sys.executable, str(ROOT / "harvest_pipeline.py"), "--quiet"]
        subprocess.run(command, cwd=folder, env=env, check=True, stdout=subprocess.DEVNULL)
        times = [request.at for request in sandbox.requests]
        refused = sum(request.status == 429 for request in sandbox.requests)  # noqa: PLR2004 - too many requests
    windows = (len(times) - 1) // 100
    ideal, taken = windows * (15 + ROUND_TRIP_SECONDS), max(times) - min(times)
    figures = (
        f"{len(times)} requests in {taken:.1f} s, ideal {ideal:.1f} s, ratio {taken / ideal:.3f}"
    )
    print(f"{window}: {figures}, {refused} times 429", flush=True)
    return refused == 0 and taken <= MOST * ideal


def main() -> int:
    """Measures the chosen kind of window, or one after the other."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--window", choices=[*WINDOWS, "both"], default="both")
    chosen = parser.parse_args().window
    good = [measure(window) for window in WINDOWS if chosen in {window, "both"}]
    return int(not all(good))


if __name__ == "__main__":
    sys.exit(main())
