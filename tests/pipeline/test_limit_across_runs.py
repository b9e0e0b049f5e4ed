"""Runs one after another keep to Harvest's limit: the next one knows what a command, a library run or a killed one asked."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import pytest
from clocks import FastClock
from command_line import STATE_FOLDER, Type, environment, started
from faults_support import tiny
from pipelines import make_pipeline
from support import make_source, serving

from harvest_sandbox import Limit, Request, Size, build_account
from harvest_source import sync
from harvest_source.api.limits import GENERAL, REPORTS, Budgets
from harvest_source.api.recent import FILE_NAME, Entry

PATIENCE_SECONDS = 60.0
CHILDREN = "invoices,invoice_messages,invoice_payments"


class CommonClock(FastClock):
    """One clock for several runs and the server; waits of several threads pass side by side, and take no time."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = time.time()
        self._moving = threading.Lock()

    def now(self) -> float:
        return self.seconds

    def wall(self) -> float:
        return self.seconds

    def pass_time(self, seconds: float, ended: threading.Event) -> None:  # noqa: ARG002 - it takes no time
        with self._moving:
            self.waits.append(seconds)
            self.seconds += max(seconds, 0.001)


def noted(file: Path) -> dict[str, int]:
    """Returns how many lines a file has of each request."""
    entries = [Entry.parse(line) for line in file.read_bytes().splitlines()]
    ids = [entry.id for entry in entries if entry is not None]
    assert len(ids) == len(entries)
    return {each: ids.count(each) for each in ids}


@pytest.mark.parametrize("remembers", [True, False])
def test_check_and_then_run_meet_no_429(
    tmp_path: Path, type_command: Type, monkeypatch: pytest.MonkeyPatch, *, remembers: bool
) -> None:
    """At Harvest's own limit, by one clock. Without the file the server refuses some requests of the second command."""
    clock = CommonClock()
    monkeypatch.setattr(Budgets.__init__, "__defaults__", (GENERAL, REPORTS))
    monkeypatch.setattr("harvest_source.connection.Clock", lambda: clock)
    account = build_account(Size(invoices=50, users=2, time_entries=10), seed=3)
    with serving(account, limit=Limit(clock=clock.now)) as sandbox:
        assert type_command("check", harvest=sandbox).code == 0
        asked = len(sandbox.requests)
        assert 0 < asked < 100
        if not remembers:
            (STATE_FOLDER / FILE_NAME).unlink()
        assert type_command("--reports", CHILDREN, harvest=sandbox).code == 0
        refused = [request for request in sandbox.requests if request.status == 429]
        assert (refused == []) is remembers
        assert len(sandbox.requests) > 110
    assert [path.name for path in tmp_path.rglob(FILE_NAME)] == [FILE_NAME]


@pytest.mark.parametrize("through", ["sync", "run"])
def test_library_notes_its_requests_beside_the_pipelines_state(
    tmp_path: Path, through: str
) -> None:
    """Where it goes through `sync`, and where plain dlt runs the source; the same source run again reads nothing twice."""
    with serving(tiny()) as sandbox:
        source, pipeline = (
            make_source(sandbox, "clients", "invoice_payments"),
            make_pipeline(tmp_path),
        )
        for _ in range(2):
            if through == "sync":
                assert sync(pipeline, source).exit_code == 0
            else:
                pipeline.run(source)
        requests = noted(tmp_path / "state" / FILE_NAME)
        assert set(requests.values()) == {2}, "sent, and answered"
        assert len(requests) == len(sandbox.requests)


@pytest.mark.parametrize(
    "end", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.long)]
)
def test_requests_of_a_run_that_is_ended_are_known_to_the_next(
    tmp_path: Path, end: signal.Signals
) -> None:
    """Killed, or by Ctrl-C, with requests on their way: all that the server saw counts."""
    asked = threading.Semaphore(0)
    one_is_held, ended = threading.Event(), threading.Event()

    def hold_some(request: Request) -> None:
        asked.release()
        if "messages" in request.path:
            one_is_held.set()
            ended.wait(PATIENCE_SECONDS)

    with serving(tiny()) as sandbox:
        sandbox.before_answer = hold_some
        with started(tmp_path, "--quiet", env=environment(sandbox)) as process:
            for _ in range(30):
                assert asked.acquire(timeout=PATIENCE_SECONDS)
            # a busy machine may have asked 30 other things before it
            assert one_is_held.wait(PATIENCE_SECONDS)
            process.send_signal(end)
            process.wait(PATIENCE_SECONDS)
        seen = len(sandbox.requests)
        ended.set()
    requests = noted(tmp_path / STATE_FOLDER / FILE_NAME)
    assert 30 <= seen <= len(requests)
    assert 1 in requests.values(), "some were never answered"
