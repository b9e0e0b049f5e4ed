"""What several benchmarks share: this project's code as of a commit, a run of it on a sandbox, and what a program needs."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import psutil

ROOT = Path(__file__).parents[1]
CHANGED = {  # a field of each report that people edit and no other table copies
    "clients": "address",
    "contacts": "title",
    "projects": "notes",
    "users": "telephone",
    "time_entries": "notes",
    "expenses": "notes",
    "invoices": "notes",
    "estimates": "notes",
}
TOKEN = "sandbox-token"  # noqa: S105 - of the sandbox
UNLIMITED = """
import runpy, sys
root = sys.argv.pop(1)
sys.path[0] = root
from harvest_source.api import limits
limits.Budgets.__init__.__defaults__ = (limits.Limit(10**6, 15), limits.Limit(10**6, 900))
runpy.run_path(root + "/harvest_pipeline.py", run_name="__main__")
"""
"""Runs the command line of the code in a folder, with limits that never hold it back."""


class Figures(NamedTuple):
    """What a program needed, with the programs that it started."""

    seconds: float
    cpu_seconds: float
    megabytes: float


def measure(command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> Figures:
    """Runs a program to its end.

    Args:
        command: the program and its arguments.
        folder: where it works.
        env: its environment; this program's where none is given.

    Raises:
        RuntimeError: it failed.
    """
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    peak = 0
    with tempfile.TemporaryFile("w+") as said:
        process = psutil.Popen(command, cwd=folder, env=env, stdout=said, stderr=subprocess.STDOUT)
        while process.poll() is None:
            try:
                family = [process, *process.children(recursive=True)]
                peak = max(peak, sum(each.memory_info().rss for each in family))
            except psutil.NoSuchProcess:
                continue
            time.sleep(0.02)
        seconds = time.monotonic() - began
        if process.returncode:
            said.seek(0)
            raise RuntimeError(
                f"a program in {folder} ended with {process.returncode}:\n{said.read()}"
            )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_seconds = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    return Figures(seconds, cpu_seconds, peak / 1e6)


def git(*arguments: str) -> bytes:
    """Returns what git says of this repository.

    Raises:
        subprocess.CalledProcessError: git fails, for example for a commit that a shallow clone does not have.
    """
    return subprocess.run(
        [shutil.which("git") or "git", *arguments], cwd=ROOT, check=True, capture_output=True
    ).stdout


def code_of(commit: str, folder: Path) -> Path:
    """Writes this project's code as of a commit into a folder, compiled; returns the folder. Raises as `git`."""
    with tarfile.open(fileobj=BytesIO(git("archive", commit))) as archive:
        archive.extractall(folder, filter="data")
    subprocess.run(
        [sys.executable, "-m", "compileall", "-q", folder / "harvest_source"], check=True
    )
    return folder


def run_of(code: Path, *arguments: str) -> list[str]:
    """Returns the command that runs the code in a folder on a sandbox, without waiting for Harvest's limits."""
    return [sys.executable, "-c", UNLIMITED, str(code), *arguments]


def settings_for(api_url: str, id_url: str) -> dict[str, str]:
    """Returns an environment whose settings lead to a sandbox."""
    settings = {"API_URL": api_url, "ID_URL": id_url, "ACCESS_TOKEN": TOKEN, "ACCOUNT_ID": "all"}
    return os.environ | {f"SOURCES__HARVEST__{name}": value for name, value in settings.items()}
