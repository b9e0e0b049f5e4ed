"""What a run tells while it works: lines for logs and pipes, a bar for a terminal, notes alone for `--quiet`."""

from __future__ import annotations

import io
from datetime import datetime

import pytest
from clocks import SteppedClock
from rich.console import Console

from harvest_source.commands import progress
from harvest_source.commands.progress import Bar
from harvest_source.loading.listener import Lines, Listener


def tell(listener: Listener, clock: SteppedClock) -> None:
    """Tells of a run."""
    with listener:
        listener.note("a note")
        listener.step("reading")
        listener.request("clients")
        clock.seconds += 9.9
        listener.request("clients")
        listener.waiting(7.2, "the limit of 100 requests per 15 seconds")
        clock.seconds += 0.5
        listener.waiting(6.9, "soon after")
        clock.seconds += 9.5
        listener.request("users")
        listener.read("clients", 12, None)
        listener.read("users", 0, "Harvest does not allow it (403: no)")
        listener.read("roles", 0, "Harvest answered 500")
        listener.planned(10, 1.5)
        listener.planned(200, 30.0)
        listener.outage("Harvest answers again")


UNTIL = f"200 requests to go, until about {datetime.fromtimestamp(49.9).astimezone():%H:%M:%S} at Harvest's limit"
ALL = [
    "a note",
    "reading",
    "waiting 7 s: the limit of 100 requests per 15 seconds",
    "clients: 12 rows read, 2 requests",
    "roles: Harvest answered 500",
    UNTIL,
    "Harvest answers again",
]


def test_lines_are_said_for_each_report_and_step_with_signs_of_life_now_and_then() -> None:
    """A wait counts as one; what is refused is said at the end of the run, in one line."""
    said: list[str] = []
    clock = SteppedClock()
    tell(Lines(said.append, clock), clock)
    assert said == ALL
    clock.seconds += 10
    said.clear()
    listener = Lines(said.append, clock)
    clock.seconds += 10
    listener.request("users")
    assert said == ["1 requests so far, now users"]


def test_quiet_hands_on_notes_alone_and_nobody_hears_nothing() -> None:
    said: list[str] = []
    tell(Listener(said.append), SteppedClock())
    assert said == ["a note"]
    tell(Listener(), SteppedClock())


def test_bar_has_an_end_once_the_requests_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notes and errors stand above it, plainly; names steer no terminal."""
    screen = io.StringIO()
    monkeypatch.setattr(
        progress, "stderr_console", lambda: Console(file=screen, force_terminal=True, width=120)
    )
    clock = SteppedClock()
    bar = Bar(clock)
    task = bar._progress.tasks[0]  # noqa: SLF001 - what rich draws by
    tell(bar, clock)
    for line in ("a note", "roles: Harvest answered 500", UNTIL, "Harvest answers again"):
        assert line in screen.getvalue()
    assert "(403" not in screen.getvalue()
    assert (task.completed, task.total, task.elapsed) == (3, 203, 19.9)
    bar.step("loading 3 reports")
    assert (task.total, task.description) == (203, "loading 3 reports (12 rows)")
    for _ in range(200):
        bar.request("invoice_messages")
    assert (task.completed, task.total) == (203, 203)
    bar.step("comparing with \x1b[31mHarvest")
    assert (task.total, task.description) == (None, r"comparing with \x1b[31mHarvest (12 rows)")
