"""How long a command takes to start: what is said at once, and how long it takes until `run` asks Harvest the first time.

Run: python benchmarks/startup.py [COMMIT] [--rounds N]. In each round every command is started once, and beside them Python
and dlt alone, as yardsticks. Prints medians, beside those of an older commit where one is given (old, new, old, new ...), and
ends with 1 where a median is above its target. What `run` takes is taken when its first request comes; the request is that of
a later run on DuckDB, with the sandbox on this machine.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import NamedTuple

import psutil
from measuring import ROOT, TOKEN, code_of, git, settings_for

sys.path.insert(0, str(ROOT))

from harvest_sandbox import SIZES, Sandbox, build_account

PYTHON, DLT = "python -c pass", "python -c 'import dlt'"
YARDSTICKS = {PYTHON: ["-c", "pass"], DLT: ["-c", "import dlt"]}


class Start(NamedTuple):
    """A command whose start is measured."""

    arguments: tuple[str, ...]
    most_seconds: float  # the target, on a quiet machine
    knows_token: bool = True
    asks: bool = False  # whether its end is its first request


STARTS = {
    "--help": Start(("--help",), 0.4),
    "--version": Start(("--version",), 0.4),
    "run --help": Start(("run", "--help"), 0.4),
    "reports, without credentials": Start(("reports",), 1.0, knows_token=False),
    "status": Start(("status",), 1.5),
    "show": Start(("show", "select id, name from clients"), 1.5),
    "run, to its first request": Start(("--reports", "roles"), 2.0, asks=True),
}


class Figures(NamedTuple):
    """What it took."""

    seconds: float
    cpu_seconds: float


def ended(command: list[str], folder: Path, env: Mapping[str, str]) -> Figures:
    """Returns what a program took to its end.

    Raises:
        RuntimeError: it failed.
    """
    began = time.monotonic()
    process = start(command, folder, env)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command} ended with {process.returncode}")
    return Figures(seconds, used.ru_utime + used.ru_stime)


def first_request(
    command: list[str], folder: Path, env: Mapping[str, str], sandbox: Sandbox
) -> Figures:
    """Returns what a run took until its first request came.

    Raises:
        RuntimeError: none came, or the run failed.
    """
    found: list[Figures] = []
    began = time.monotonic()

    def note(_request: object) -> None:
        if not found:
            used = psutil.Process(process.pid).cpu_times()
            found.append(Figures(time.monotonic() - began, used.user + used.system))

    sandbox.before_answer = note
    process = start(command, folder, env)
    if process.wait() or not found:
        raise RuntimeError(f"{command} ended with {process.returncode}")
    return found[0]


def start(command: list[str], folder: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Starts a program of which nothing is seen."""
    nowhere = subprocess.DEVNULL
    return subprocess.Popen(
        command, cwd=folder, env=env, stdin=nowhere, stdout=nowhere, stderr=nowhere
    )


def measured(codes: Mapping[str, Path], rounds: int) -> dict[str, dict[str, list[Figures]]]:
    """Returns the figures of each command, for each of the codes; the yardsticks have one code, without a name."""
    found: dict[str, dict[str, list[Figures]]] = defaultdict(lambda: defaultdict(list))
    bare = {name: text for name, text in os.environ.items() if "HARVEST" not in name}
    with (
        tempfile.TemporaryDirectory() as place,
        Sandbox(build_account(SIZES["demo"], seed=1), token=TOKEN) as sandbox,
    ):
        env = settings_for(sandbox.api_url, sandbox.id_url)
        folders = {name: Path(place, name) for name in codes}
        for name, folder in folders.items():
            folder.mkdir()
            ended([sys.executable, str(codes[name] / "harvest_pipeline.py")], folder, env)
        for number in range(rounds + 1):
            keep = found if number else defaultdict(lambda: defaultdict(list))  # the first warms
            for name, arguments in YARDSTICKS.items():
                keep[name][""].append(ended([sys.executable, *arguments], Path(place), bare))
            for name, each in STARTS.items():
                for code, folder in folders.items():
                    command = [
                        sys.executable,
                        str(codes[code] / "harvest_pipeline.py"),
                        *each.arguments,
                    ]
                    take: Callable[..., Figures] = first_request if each.asks else ended
                    more = (sandbox,) if each.asks else ()
                    keep[name][code].append(
                        take(command, folder, env if each.knows_token else bare, *more)
                    )
                    sandbox.before_answer = None
    return found


def print_row(name: str, figures: Mapping[str, list[Figures]]) -> bool:
    """Prints the medians of a command; returns whether its target is met."""
    cells = [
        " → ".join(f"{median(each[part] for each in taken):.2f}" for taken in figures.values())
        for part in range(2)
    ]
    most = STARTS[name].most_seconds if name in STARTS else None
    newest = median(each.seconds for each in [*figures.values()][-1])
    good = most is None or newest <= most
    target = "" if most is None else f"{most:.1f}{'' if good else ', MISSED'}"
    print(f"| `{name}` | {cells[0]} | {cells[1]} | {target} |", flush=True)
    return good


def main() -> int:
    """Prints a table of the commands."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commit", nargs="?")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    # a commit of what is not committed yet, which nothing points at
    changed = git("stash", "create").decode().strip() or "HEAD"
    commits = {"old": options.commit, "new": changed} if options.commit else {"new": changed}
    with tempfile.TemporaryDirectory() as place:
        codes = {name: code_of(commit, Path(place, name)) for name, commit in commits.items()}
        found = measured(codes, options.rounds)
    print(f"{' → '.join(commits.values())}, medians of {options.rounds}\n")
    print("| | seconds | CPU seconds | target, seconds |\n|---|---|---|---|")
    good = [print_row(name, figures) for name, figures in found.items()]
    return int(not all(good))


if __name__ == "__main__":
    sys.exit(main())
