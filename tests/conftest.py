"""What holds for every test: no settings of this machine, no state of another test, and nobody beyond this machine is asked."""

from __future__ import annotations

import gc
import os
import socket
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from pipelines import forget_dlt_if_used
from xdist.scheduler import WorkStealingScheduling

from harvest_source.api.limits import Budgets, Limit

FOLDERS_OF_RUNS = {"pipeline", "properties"}  # their tests load: they work in a folder of their own
SETTINGS = (
    "DLT_",
    "SOURCES__",
    "DESTINATION__",
    "RUNTIME__",
    "LOAD__",
    "NORMALIZE__",
    "EXTRACT__",
    "CREDENTIALS",
    "HARVEST_",
    "PG",
)
Connect = Any
BEGUN = pytest.StashKey[float]()
# commands and runs follow each other at once in a test, which waits for nobody; test_limit_across_runs.py sets Harvest's
NO_LIMITS = (Limit(1_000_000, 15), Limit(1_000_000, 900))
# no test checks the clock: on a busy machine neither an example nor what makes it is too slow
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
SELDOM = (50_000, 20, 20)  # new objects, and times that the younger generation was looked through


def pytest_xdist_auto_num_workers() -> int:
    """Returns how many processes `-n auto` starts: more than cores, since tests wait for servers much of their time."""
    return (os.cpu_count() or 1) + 2


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds what bounds the long tier on a slow machine: a run that is cut off from outside tells nothing of any test."""
    parser.addoption(
        "--most-seconds",
        type=float,
        help="begin no test later than so many seconds after the first: those left are skipped, which is said and counted",
    )
    parser.addoption(
        "--begin-at",
        type=int,
        default=0,
        help="begin with the test of this number, and come to those before it last: not always the same have no time left",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Has the tests begin where `--begin-at` says."""
    start = config.getoption("begin_at") % max(len(items), 1)
    items[:] = items[start:] + items[:start]


def pytest_sessionstart(session: pytest.Session) -> None:
    """Remembers when this process began."""
    session.config.stash[BEGUN] = time.monotonic()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips a test for which `--most-seconds` leaves no time."""
    most = item.config.getoption("most_seconds")
    if most is not None and time.monotonic() - item.config.stash[BEGUN] > most:
        pytest.skip(f"no time was left after {most:.0f} s (--most-seconds)")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> WorkStealingScheduling:
    """Has a process that is done take tests of the others: else two of four were idle for the last third of the time."""
    return WorkStealingScheduling(config, log)


def pytest_collection_finish() -> None:
    """Has Python look for garbage seldom, and not among modules and collected tests: it took a tenth of all time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*SELDOM)


@pytest.fixture(scope="session", autouse=True)
def _nobody_beyond_this_machine() -> Iterator[None]:
    """Refuses every connection that would leave the machine."""
    connect: Connect = socket.socket.connect

    def connect_here(this: socket.socket, address: Any) -> None:
        if this.family in {socket.AF_INET, socket.AF_INET6} and not _is_here(str(address[0])):
            raise PermissionError(f"a test asks {address[0]}, which is not this machine")
        connect(this, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect_here)
        yield


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@pytest.fixture(autouse=True)
def _clean_place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Takes settings of this machine away, gives runs a folder without `.dlt`, and leaves no pipeline and no setting behind."""
    for name in list(os.environ):
        if name.startswith(SETTINGS):
            monkeypatch.delenv(name)
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")  # as importing the library does
    if FOLDERS_OF_RUNS & set(Path(request.node.path).parts):
        folder: Path = request.getfixturevalue("tmp_path")
        monkeypatch.chdir(folder)
        monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "no-sign-ins"))
        monkeypatch.setattr(Budgets.__init__, "__defaults__", NO_LIMITS)
    forget_dlt_if_used()
    yield
    forget_dlt_if_used()
