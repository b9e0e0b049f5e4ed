"""The command line in the tests: as a program of its own, or typed within this process."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support import TOKEN

from harvest_sandbox import Sandbox
from harvest_source.api.recent import FILE_NAME

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "harvest_pipeline.py"
STATE_FOLDER = Path(".dlt") / "state"
COVERAGE = "COVERAGE_PROCESS_CONFIG"  # has `make coverage` measure a program
KEPT = frozenset({"PATH", "HOME", "LANG", "SYSTEMROOT", COVERAGE})


def environment(sandbox: Sandbox | None = None, **settings: str) -> dict[str, str]:
    """Returns an environment without this machine's settings, with those given."""
    if sandbox:
        settings = {
            "API_URL": sandbox.api_url,
            "ID_URL": sandbox.id_url,
            "ACCESS_TOKEN": TOKEN,
            **settings,
        }
    return bare_environment(**settings)


def bare_environment(config: str = "no-configuration", **settings: str) -> dict[str, str]:
    """Returns an environment with nothing but the settings given.

    Args:
        config: folder of the stored sign-ins.
        settings: of section `sources.harvest`.
    """
    kept = {name: value for name, value in os.environ.items() if name in KEPT}
    return {
        **kept,
        "XDG_CONFIG_HOME": config,
        **{f"SOURCES__HARVEST__{name}": value for name, value in settings.items()},
    }


ANNOUNCED = re.compile(
    r"^note: instead of Harvest, requests go to (?:127\.0\.0\.1|localhost) \((?:api_url|id_url|api_url, id_url)\)\n",
    re.MULTILINE,
)


def without_announcement(errors: str) -> str:
    """Returns what a command said beside the line that every command says here, where no test asks Harvest itself.

    Any other host stays to be seen.
    """
    return ANNOUNCED.sub("", errors, count=1)


def forget_requests(folder: Path) -> None:
    """Has a program that is started in a folder begin with the whole limit of requests, so that no test waits for it."""
    with suppress(OSError):  # there is none, or no folder
        (folder / STATE_FOLDER / FILE_NAME).unlink()


def command(
    folder: Path, *arguments: str, env: dict[str, str] | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Runs the command line in a folder."""
    folder.mkdir(exist_ok=True)
    forget_requests(folder)
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        cwd=folder,
        env=env or environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
        **options,
    )
    done.stderr = without_announcement(done.stderr)
    return done


def hear_ctrl_c() -> None:
    """Has a started program hear Ctrl-C, also where whoever started the tests has it ignored (`nohup`, `&`)."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def started(folder: Path, *arguments: str, env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Starts the command line in a folder; it does not outlive the `with`."""
    with program(folder, str(SCRIPT), *arguments, env=env) as process:
        yield process


@contextmanager
def program(folder: Path, *arguments: str, env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Starts a Python program; it does not outlive the `with`."""
    folder.mkdir(exist_ok=True)
    forget_requests(folder)
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_ctrl_c,  # noqa: PLW1509 - it only sets a signal's disposition, for which no lock is needed
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@dataclass(frozen=True)
class Done:
    """What a command left: its exit code and what it wrote."""

    code: int
    out: str
    err: str  # without the announcement
    announced: bool = False

    def json(self) -> Any:
        """Returns standard output, which is one JSON document."""
        return json.loads(self.out)


Type = Callable[..., Done]
"""Types a command, as the fixture `type_command` gives it: arguments, `harvest=` for whom to ask, settings by name."""
