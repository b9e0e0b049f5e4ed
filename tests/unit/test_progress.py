"""What a run tells while it works: lines for logs and pipes, a bar for a terminal, notes alone for `--quiet`."""

from __future__ import annotations

import io
import queue
import threading
from datetime import datetime

import pytest
from clocks import SteppedClock
from rich.console import Console

from harvest_source.clock import Clock
from harvest_source.commands import progress
from harvest_source.commands.progress import Bar
from harvest_source.loading.listener import Course, Lines, Listener, line_of

LIMIT = "the limit of 100 requests per 15 seconds"
NOBODY = None  # the account of a request that is for none


class HandClock(Clock):
    """A clock that moves only when a test moves it; who waits, waits for that."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self._sleeps_until = 0.0
        self._moved = threading.Condition()

    def now(self) -> float:
        return self.seconds

    def wall(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        until = self.seconds + seconds
        with self._moved:
            self._sleeps_until = until
            self._moved.notify_all()
            self._moved.wait_for(lambda: self.seconds >= until or self._cancelled.is_set())
        self.check()

    def move(self, seconds: float) -> None:
        """Lets time pass."""
        with self._moved:
            self.seconds += seconds
            self._moved.notify_all()

    def see_asleep(self, until: float) -> None:
        """Waits for a thread that sleeps until then."""
        with self._moved:
            assert self._moved.wait_for(lambda: self._sleeps_until == until, timeout=30)

    def cancel(self) -> None:
        with self._moved:
            super().cancel()
            self._moved.notify_all()


def clock_time(seconds: float) -> str:
    """Returns the local time of an instant."""
    return f"{datetime.fromtimestamp(seconds).astimezone():%H:%M:%S}"


def tell(listener: Listener) -> None:
    """Tells of a run."""
    listener.note("a note")
    listener.step("reading")
    for report in ("clients", "users", "roles"):
        listener.planned(1001, report, 1)
        listener.request(1001, report)
    listener.planned(1001, "clients", 1)
    listener.request(1001, "clients")
    listener.waiting(7.2, LIMIT)
    listener.read(1001, "clients", 12, None)
    listener.read(1001, "users", 0, "Harvest does not allow it (403: no)")
    listener.read(1001, "roles", 0, "Harvest answered 500")
    listener.outage("Harvest answers again")


SAID = [
    "a note",
    "reading",
    "clients: 12 rows read, 2 requests",
    "roles: Harvest answered 500",
    "Harvest answers again",
]


def test_lines_are_said_for_each_report_and_step() -> None:
    """What is refused is said at the end of the run, in one line."""
    said: list[str] = []
    with Lines(said.append, HandClock()) as listener:
        tell(listener)
    assert said == SAID


def test_reports_are_told_apart_where_there_are_several_accounts() -> None:
    said: list[str] = []
    with Lines(said.append, HandClock()) as listener:
        listener.request(NOBODY, "accounts")
        for account_id in (1001, 1002):
            listener.planned(account_id, "clients", 1)
        for account_id in (1001, 1002):
            listener.request(account_id, "clients")
            listener.read(account_id, "clients", 1, None)
        listener.read(1002, "roles", 0, "Harvest answered 500")
    assert said == [
        "clients (account 1001): 1 row read, 1 request",
        "clients (account 1002): 1 row read, 1 request",
        "roles (account 1002): Harvest answered 500",
    ]


def test_sign_of_life_comes_where_nothing_was_said_for_ten_seconds() -> None:
    """Also while nothing happens at all: the wait counts down, and there is none after the end."""
    said: queue.Queue[str] = queue.Queue()
    clock = HandClock()
    with Lines(said.put, clock) as listener:
        listener.step("reading")
        assert said.get(timeout=30) == "reading"
        listener.planned(1001, "invoice_messages", 240)
        for _ in range(100):
            listener.request(1001, "invoice_messages")
        listener.waiting(15.0, LIMIT)
        until = f"140 to go, until about {clock_time(30)}"
        clock.move(10)
        assert said.get(timeout=30) == f"100 requests so far, {until}: waiting 5 s: {LIMIT}"
        clock.see_asleep(until=20)
        clock.move(9)
        listener.note("a note")
        clock.move(9)
        assert said.get(timeout=30) == "a note"
        clock.move(1)
        until = f"140 to go, until about {clock_time(48)}"
        assert said.get(timeout=30) == f"100 requests so far, {until}: reading invoice_messages"
        listener.planned(1001, "invoice_messages", 0)
        listener.step("loading 3 reports")
        assert said.get(timeout=30) == "loading 3 reports"
        clock.move(10)
        assert said.get(timeout=30) == "100 requests so far: loading 3 reports"
    clock.move(100)
    assert said.empty()


def test_what_is_expected_grows_as_lists_answer_and_falls_as_requests_are_sent() -> None:
    """No report takes from what another is expected to take, and one that fails takes none any more."""
    clock = SteppedClock()
    course = Course(clock=clock)
    assert line_of(course.standing()) == "0 requests so far: starting"

    def requests() -> tuple[int, int]:
        at = course.standing()
        return at.sent, at.to_go

    for report in ("time_entries", "clients"):
        course.planned(1001, report, 1)
    assert requests() == (0, 2)
    course.request(1001, "time_entries")
    course.planned(1001, "time_entries", 9)
    assert requests() == (1, 10)
    for _ in range(12):
        course.request(1001, "time_entries")
    assert requests() == (13, 1)
    course.planned(1001, "clients", 0)
    assert requests() == (13, 0)


@pytest.mark.parametrize(
    ("requests", "until"),
    [(100, "%H:%M:%S"), (2_000_000, "%a %H:%M")],
)
def test_end_on_another_day_is_said_with_the_day(requests: int, until: str) -> None:
    course = Course(clock=SteppedClock())
    course.planned(1001, "invoice_messages", requests)
    end = datetime.fromtimestamp((requests - 1) // 100 * 15).astimezone()
    assert course.standing().until == end.strftime(until)


def test_quiet_hands_on_notes_alone_and_nobody_hears_nothing() -> None:
    said: list[str] = []
    for listener in (Listener(said.append), Listener()):
        with listener:
            tell(listener)
    assert said == ["a note"]


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Console:
    """Gives a terminal of 120 columns for messages."""
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    monkeypatch.setattr(progress, "stderr_console", lambda: console)
    return console


def drawn(bar: Bar, columns: int = 120) -> str:
    """Returns the line that a bar draws on a terminal of some columns, without colours."""
    console = Console(file=io.StringIO(), width=columns)
    console.print(bar.draw())
    assert isinstance(console.file, io.StringIO)
    (line,) = console.file.getvalue().splitlines()
    assert len(line) <= columns
    return line.rstrip()


def test_bar_shows_requests_and_end_and_waits_count_down(screen: Console) -> None:
    """Once no more requests are known, the time that has passed stands in place of the end; names steer no terminal."""
    clock = SteppedClock()
    bar = Bar(clock)
    clock.seconds = 65
    assert drawn(bar).split(maxsplit=1)[1] == "0 requests 0:01:05 starting"
    bar.step("reading")
    bar.planned(1001, "invoice_messages", 200)
    for _ in range(100):
        bar.request(1001, "invoice_messages")
    full, empty = drawn(bar).split()[0].count("━"), 20
    assert full in {10, empty}
    end = clock_time(80)
    assert drawn(bar).split(maxsplit=1)[1] == f"100/200 until {end} reading invoice_messages"
    bar.waiting(14.2, LIMIT)
    clock.seconds += 4
    assert drawn(bar).split(maxsplit=1)[1] == f"100/200 until {end} waiting 11 s: {LIMIT}"
    clock.seconds += 10.2
    bar.step("loading\x1b[31m 3 reports")
    for _ in range(100):
        bar.request(1001, "invoice_messages")
    told = "200 requests 0:01:19 loading\\x1b[31m 3 reports"
    assert drawn(bar).split(maxsplit=1)[1] == told
    assert isinstance(screen.file, io.StringIO)
    assert screen.file.getvalue() == ""


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        (120, f"waiting 14 s: {LIMIT}"),
        (80, "waiting 14 s: the limit of 100 req…"),
        (60, "waiting 14 s: the limit …"),
    ],
)
def test_bar_is_one_line_on_every_terminal(screen: Console, columns: int, shown: str) -> None:
    """Numbers and end are whole; what is done is cut where the terminal ends."""
    clock = SteppedClock()
    bar = Bar(clock)
    screen.width = columns
    bar.planned(1001, "invoice_messages", 1200)
    for _ in range(100):
        bar.request(1001, "invoice_messages")
    bar.waiting(14, LIMIT)
    end = clock_time(165)
    assert drawn(bar, columns).split(maxsplit=1)[1] == f"100/1200 until {end} {shown}"


def test_what_a_person_must_read_stands_above_the_bar(screen: Console) -> None:
    """Notes and errors, plainly; reports and steps have no lines of their own."""
    with Bar(SteppedClock()) as bar:
        tell(bar)
    assert isinstance(screen.file, io.StringIO)
    written = screen.file.getvalue()
    for line in ("a note\n", "roles: Harvest answered 500\n", "Harvest answers again\n"):
        assert line in written
    assert "(403" not in written
    assert "12 rows" not in written
