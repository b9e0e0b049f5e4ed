"""No network, or no Harvest: the cause is named soon, by the clock of the run, which goes on trying."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from clocks import FastClock
from command_line import Type
from faults_support import Ears, errors_of, tiny
from loopback import free_port
from pipelines import make_pipeline
from second_harvest import by_hand
from support import make_source, serving

from harvest_sandbox import Fault, Request
from harvest_source.loading.syncing import sync

SOON_SECONDS = 15
STILL_TRYING = "; still trying"


class TimedEars(Ears):
    """Keeps what was told of outages, and when by the clock of the run."""

    def __init__(self, clock: FastClock) -> None:
        super().__init__()
        self.clock = clock
        self.began = clock.now()
        self.outages: list[tuple[float, str]] = []

    def outage(self, what: str) -> None:
        self.outages.append((self.clock.now() - self.began, what))


class Nowhere:
    """An address at which nobody listens."""

    def __init__(self) -> None:
        self.id_url = f"http://127.0.0.1:{free_port()}/"
        self.api_url = f"{self.id_url}v2/"


def test_cause_is_named_within_fifteen_seconds_while_the_run_goes_on_trying(tmp_path: Path) -> None:
    """Said once; each report says it at the end, which comes later."""
    clock = FastClock()
    ears = TimedEars(clock)
    source = make_source(Nowhere(), "clients", "tasks", accounts=(77,), clock=clock)
    summary = sync(make_pipeline(tmp_path), source, listener=ears)
    assert set(errors_of(summary)) == {"clients", "tasks"}
    ((seconds, said),) = ears.outages
    assert seconds < SOON_SECONDS
    assert said == f"the connection to Harvest failed{STILL_TRYING}"
    assert clock.skipped_seconds > 2 * SOON_SECONDS


@pytest.mark.parametrize(
    ("fault", "cause"), [(Fault("", status=503, times=5), "Harvest answered 503"), (None, "")]
)
def test_outage_that_ends_is_said_as_well(tmp_path: Path, fault: Fault | None, cause: str) -> None:
    """And a run without one says nothing."""
    clock = FastClock()
    ears = TimedEars(clock)
    with serving(tiny()) as sandbox:
        sandbox.faults += [fault] if fault else []
        source = make_source(sandbox, "clients", "tasks", clock=clock)
        assert errors_of(sync(make_pipeline(tmp_path), source, listener=ears)) == {}
    assert [said for _, said in ears.outages] == (
        [f"{cause}{STILL_TRYING}", "Harvest answers again"] if fault else []
    )


def test_silence_is_noticed_without_a_fault(tmp_path: Path) -> None:
    """A connection that is neither refused nor answered: named before its time-out."""
    clock = FastClock()
    ears = TimedEars(clock)
    named = threading.Event()

    def keep(request: Request) -> None:
        if request.path.endswith("/clients") and not named.is_set():
            clock.skipped_seconds += 12
            named.wait(30)

    def outage(what: str) -> None:
        TimedEars.outage(ears, what)
        named.set()

    ears.outage = outage  # type: ignore[method-assign]
    with serving(tiny()) as sandbox:
        sandbox.before_answer = keep
        source = make_source(sandbox, "clients", clock=clock)
        assert errors_of(sync(make_pipeline(tmp_path), source, listener=ears)) == {}
    (_, said), (_, over) = ears.outages
    assert said.startswith("no answer from Harvest for 1")
    assert said.endswith(STILL_TRYING)
    assert over == "Harvest answers again"


def test_reports_that_are_refused_are_no_outage(tmp_path: Path) -> None:
    """A 403 or a 429 is an answer: nothing is said, however much time goes by."""
    clock = FastClock()
    ears = TimedEars(clock)
    with by_hand(users=2, invoices=2, entries=5) as harvest:
        refused = {"clients", "tasks"}
        harvest.spoil = lambda asked: (403, b"{}") if asked.path in refused else None
        source = make_source(harvest, "clients", "tasks", "roles", clock=clock)
        assert set(errors_of(sync(make_pipeline(tmp_path), source, listener=ears))) == refused
    assert ears.outages == []


def test_lines_of_a_run_without_network(
    type_command: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On standard error, before the error that ends it; `--quiet` leaves only that."""
    monkeypatch.setattr("harvest_source.connection.Clock", FastClock)
    done = type_command("--reports", "clients", harvest=Nowhere())
    assert done.code == 1
    assert f"the connection to Harvest failed{STILL_TRYING}" in done.err.splitlines()
    assert done.err.splitlines()[-1].startswith(
        "error: the connection to Harvest failed, 7 times in a row"
    )
    assert (
        len(type_command("--reports", "clients", "--quiet", harvest=Nowhere()).err.splitlines())
        == 1
    )


def test_check_names_silence_as_well(type_command: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody waits for it at a terminal."""
    clock = FastClock()
    named, said = threading.Event(), list[str]()

    def hear(text: str, _style: str = "") -> None:
        said.append(text)
        if text.endswith(STILL_TRYING):
            named.set()

    def keep(_request: Request) -> None:
        if not named.is_set():
            clock.skipped_seconds += 12
            named.wait(30)

    monkeypatch.setattr("harvest_source.connection.Clock", lambda: clock)
    monkeypatch.setattr("harvest_source.commands.connecting.message", hear)
    with serving(tiny()) as sandbox:
        sandbox.before_answer = keep
        assert type_command("check", harvest=sandbox).code == 0
    assert said[0].startswith("no answer from Harvest for 1")
