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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import psutil

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from harvest_sandbox import Sandbox, Size, build_account  # noqa: E402 - found once the path is set

T = TypeVar("T")
MEMORY_SECONDS, FAMILY_SECONDS = 0.02, 0.2  # to look for new processes takes some milliseconds
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
    peak, look_at = 0, began
    with tempfile.TemporaryFile("w+") as said:
        process = psutil.Popen(command, cwd=folder, env=env, stdout=said, stderr=subprocess.STDOUT)
        while process.poll() is None:
            try:
                if time.monotonic() >= look_at:
                    family = [process, *process.children(recursive=True)]
                    look_at = time.monotonic() + FAMILY_SECONDS
                peak = max(peak, sum(each.memory_info().rss for each in family))
            except psutil.NoSuchProcess:
                look_at = began
            time.sleep(MEMORY_SECONDS)
        seconds = time.monotonic() - began
        if process.returncode:
            said.seek(0)
            raise RuntimeError(
                f"a program in {folder} ended with {process.returncode}:\n{said.read()}"
            )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_seconds = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    return Figures(seconds, cpu_seconds, peak / 1e6)


class SandboxApart:
    """A sandbox in a process of its own, whose work is not measured; see `sandbox_apart`."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self.api_url, self.id_url = pipe.recv()

    def ask(self, function: Callable[..., T], *arguments: Any) -> T:
        """Returns what a function of the sandbox and further arguments, one of a module, returns there."""
        self._pipe.send((function, arguments))
        answer: T = self._pipe.recv()
        return answer


def take_requests(sandbox: Sandbox) -> int:
    """Returns how many requests came since this was asked last."""
    count = len(sandbox.requests)
    sandbox.clear()
    return count


@contextmanager
def sandbox_apart(size: Size) -> Iterator[SandboxApart]:
    """Gives a sandbox with one account, in a process of its own."""
    spawned = get_context("spawn")
    pipe, end = spawned.Pipe()
    process = spawned.Process(target=_serve, args=(size, end), daemon=True)
    process.start()
    end.close()  # so that a sandbox that fails is an error here, not a wait without end
    yield SandboxApart(pipe)
    pipe.send(None)
    process.join()


def _serve(size: Size, pipe: Connection) -> None:
    with Sandbox(build_account(size, seed=1), token=TOKEN) as sandbox:
        pipe.send((sandbox.api_url, sandbox.id_url))
        while asked := pipe.recv():
            function, arguments = asked
            pipe.send(function(sandbox, *arguments))


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
