"""A whole first load at Harvest's real limit, 100 requests per 15 seconds: no 429, and hardly more than the ideal time.

Run: python benchmarks/limit.py [--window sliding|fixed|both]. Takes two minutes of real time each. Ends with 1 where a 429 was
met, where the requests took more than 1.05 times the ideal time, floor((requests - 1) / 100) x 15 s, or where there were more
than one for each page and for each parent of children, and 30.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from math import ceil
from typing import Literal

from measuring import ROOT, TOKEN

from harvest_sandbox import SIZES, Account, Limit, Sandbox, build_account
from harvest_sandbox.lists import LISTS, PER_PAGE

MOST_TIME, MOST_MORE = 1.05, 30
WINDOW_REQUESTS, WINDOW_SECONDS = 100, 15
WINDOWS: tuple[Literal["sliding", "fixed"], ...] = ("sliding", "fixed")


def fewest_requests(account: Account) -> int:
    """Returns one for each page, and for each parent of children; the company is one as well."""
    rows = account.rows
    pages = sum(
        ceil(max(len(rows[spec.report]), 1) / PER_PAGE) for spec in LISTS if "/" not in spec.path
    )
    managers = sum("manager" in user["access_roles"] for user in rows["users"].values())
    of_users = 3 * len(rows["users"]) + managers  # both rates, assignments; teammates
    return 1 + pages + 2 * len(rows["invoices"]) + len(rows["estimates"]) + of_users


def measure(window: Literal["sliding", "fixed"]) -> bool:
    """Prints the figures of one kind of window; returns whether they are good."""
    account = build_account(SIZES["default"], seed=2)
    with (
        Sandbox(account, token=TOKEN, limit=Limit(window)) as sandbox,
        tempfile.TemporaryDirectory() as folder,
    ):
        settings = {"API_URL": sandbox.api_url, "ID_URL": sandbox.id_url, "ACCESS_TOKEN": TOKEN}
        env = os.environ | {f"SOURCES__HARVEST__{name}": value for name, value in settings.items()}
        command = [sys.executable, str(ROOT / "harvest_pipeline.py"), "--quiet"]
        began = time.monotonic()
        subprocess.run(command, cwd=folder, env=env, check=True, stdout=subprocess.DEVNULL)
        whole_seconds = time.monotonic() - began
        times = [request.at for request in sandbox.requests]
        refused = sum(request.status == 429 for request in sandbox.requests)  # noqa: PLR2004 - too many requests
    ideal = (len(times) - 1) // WINDOW_REQUESTS * WINDOW_SECONDS
    taken, more = max(times) - min(times), len(times) - fewest_requests(account)
    print(
        f"{window}: {len(times)} requests ({more} more than pages and parents) in {taken:.1f} s, ideal {ideal} s, "
        f"ratio {taken / ideal:.3f} (at most {MOST_TIME}), {refused} times 429; the whole run {whole_seconds:.1f} s",
        flush=True,
    )
    return refused == 0 and taken <= MOST_TIME * ideal and more <= MOST_MORE


def main() -> int:
    """Measures the chosen kind of window, or one after the other."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--window", choices=[*WINDOWS, "both"], default="both")
    chosen = parser.parse_args().window
    good = [measure(window) for window in WINDOWS if chosen in {window, "both"}]
    return int(not all(good))


if __name__ == "__main__":
    sys.exit(main())
