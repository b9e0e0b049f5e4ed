"""Kills first loads and second runs at random moments; the run after each kill must end equal to an undisturbed load.

Run: python benchmarks/kills.py [--times N] [--seed N]. Ends with 1 where a table differs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from harvest_sandbox import Account, Sandbox

RUN_SECONDS = 6.0  # a whole run takes about so long


def start(folder: str, sandbox: Sandbox, *arguments: str) -> subprocess.Popen[str]:
    """Starts a run in a folder."""
    settings = {"API_URL": sandbox.api_url, "ID_URL": sandbox.id_url, "ACCESS_TOKEN": "t"}
    env = os.environ | {f"SOURCES__HARVEST__{name}": value for name, value in settings.items()}
    command = [sys.executable, str(ROOT / "harvest_pipeline.py"), "--quiet", *arguments]
    return subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def whole_run(folder: str, sandbox: Sandbox) -> dict[str, Any]:
    """Runs to the end; returns the total and the verdict per report."""
    output, errors = start(folder, sandbox, "--json").communicate()
    summary = json.loads(output or "{}")
    assert summary.get("exit_code") == 0, errors or output
    return {
        each["report"]: (each["total"], each["verified"].startswith(("yes", "read", "repaired"))) for each in summary["reports"]
    }


def killed_run(folder: str, sandbox: Sandbox, chance: random.Random) -> None:
    """Starts a run and kills it at a random moment."""
    process = start(folder, sandbox)
    time.sleep(chance.uniform(0.5, RUN_SECONDS))
    process.kill()
    process.communicate()


def change(account: Account, chance: random.Random) -> None:
    """Edits and inserts some rows, so that a second run has something to bring."""
    for entry in chance.sample(list(account.rows["time_entries"]), 5):
        account.update("time_entries", entry, notes=f"edit {chance.random()}")
    account.insert("time_entries")


def main() -> int:
    """Prints how many of the kills ended equal."""
    from harvest_sandbox import Sandbox, Size, build_account  # noqa: PLC0415 - after the path is set

    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)  # noqa: S311 - moments of kills
    size = Size(projects=4, users=4, invoices=10, estimates=2, time_entries=300, expenses=10, clients=3)
    equal = 0
    for number in range(options.times):
        account = build_account(size, seed=number + 1)
        with (
            Sandbox(account, token="t") as sandbox,  # noqa: S106 - the sandbox's
            tempfile.TemporaryDirectory() as folder,
            tempfile.TemporaryDirectory() as fresh,
        ):
            if number % 2:  # every other time the second run is killed
                whole_run(folder, sandbox)
                change(account, chance)
            killed_run(folder, sandbox, chance)
            found, expected = whole_run(folder, sandbox), whole_run(fresh, sandbox)
            equal += found == expected
            if found != expected:
                differing = [name for name in expected if found.get(name) != expected[name]]
                print(f"kill {number}: {differing}")
    print(f"{options.times} kills, {equal} equal at the end")
    return int(equal != options.times)


if __name__ == "__main__":
    sys.exit(main())
