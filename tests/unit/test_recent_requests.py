"""Runs one after another share the limit: what is remembered of requests, by which clock, and what a damaged file costs."""

from __future__ import annotations

import os
import stat
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from clocks import SteppedClock
from hypothesis import given, settings
from hypothesis import strategies as st

from harvest_sandbox import Limit as ServersLimit
from harvest_sandbox import Sandbox, Size, build_account
from harvest_source.api.client import HarvestClient
from harvest_source.api.limits import Budgets, Limit
from harvest_source.api.recent import FILE_NAME, MOST_BYTES, Entry, RecentRequests
from harvest_source.settings import HarvestSettings
from harvest_source.signin.auth import PersonalToken

ADDRESS = "https://api.harvestapp.com/v2/"
TOKEN = "1234.pt.planted-token-7Q"
FEW = Limit(requests=5, seconds=15)
BEGIN = 1_764_400_000.0  # seconds since 1970
ROUNDING = 1e-5  # of such seconds


class Machine:
    """What outlives a run: a folder, the true time, and a wall clock that somebody may set."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.true_seconds = BEGIN
        self.set_ahead_seconds = 0.0

    def run(self, token: str = TOKEN, limit: Limit = FEW, address: str = ADDRESS) -> Run:
        """Starts a run."""
        return Run(self, token, limit, address)

    @property
    def file(self) -> Path:
        """Returns where requests are kept."""
        return self.folder / FILE_NAME


class MachinesClock(SteppedClock):
    """A clock of one run: it counts from its start, and its waits pass for the machine."""

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self._machine = machine
        self._started_at = machine.true_seconds

    def now(self) -> float:
        return self._machine.true_seconds - self._started_at

    def wall(self) -> float:
        return self._machine.true_seconds + self._machine.set_ahead_seconds

    def pass_time(self, seconds: float, ended: threading.Event) -> None:  # noqa: ARG002 - it takes no time
        self._machine.true_seconds += max(seconds, ROUNDING)


class Run:
    """The requests of one run."""

    def __init__(self, machine: Machine, token: str, limit: Limit, address: str) -> None:
        self.clock = MachinesClock(machine)
        self.budgets = Budgets(self.clock, limit)
        self.budgets.keep(RecentRequests(machine.folder, address, share_with_group=False))
        self.token = self._known_token = token
        self._machine = machine
        self._unanswered: list[
            object
        ] = []  # kept, since a permit that is thrown away notes an answer

    def send(self, times: int = 1, path: str = "clients", *, answered: bool = True) -> float:
        """Sends requests that are answered at once, or never; returns the seconds that were waited.

        The token that is known before is that of the request before: it may be renewed meanwhile.
        """
        before = self._machine.true_seconds
        budget = self.budgets.of(path)
        for _ in range(times):
            budget.recall(self._known_token)
            permit = budget.permit()
            permit.__enter__().note_sent(self.token)
            self._known_token = self.token
            if answered:
                permit.__exit__(None, None, None)
            else:
                self._unanswered.append(permit)
        return self._machine.true_seconds - before


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "state")


@pytest.mark.parametrize(
    ("sent", "answered", "seconds_later", "set_ahead_seconds", "then", "waited"),
    [
        pytest.param(5, True, 4, 0, 1, 11, id="all permits, four seconds ago"),
        pytest.param(3, True, 4, 0, 2, 0, id="some permits: the others are free"),
        pytest.param(3, True, 4, 0, 3, 11, id="some permits and one more"),
        pytest.param(5, True, 15, 0, 5, 0, id="the window has passed"),
        pytest.param(5, False, 4, 0, 1, 15, id="killed: may have reached Harvest just now"),
        pytest.param(5, False, 12, 0, 1, 13, id="killed: reached Harvest when connected"),
        pytest.param(5, False, 25, 0, 5, 0, id="killed long ago"),
        pytest.param(5, True, 4, -3, 1, 14, id="clock set back a little: longer than needed"),
        pytest.param(5, True, 4, -3600, 5, 0, id="clock set back: in the future, ignored"),
        pytest.param(5, True, 4, 3600, 5, 0, id="clock set ahead: long ago"),
    ],
)  # fmt: skip
def test_next_run_knows_what_the_one_before_used_up(
    machine: Machine,
    sent: int,
    seconds_later: float,
    set_ahead_seconds: float,
    then: int,
    waited: float,
    *,
    answered: bool,
) -> None:
    first = machine.run()
    assert first.send(sent, answered=answered) == 0
    machine.true_seconds += seconds_later
    machine.set_ahead_seconds = set_ahead_seconds
    assert machine.run().send(then) == pytest.approx(waited, abs=ROUNDING)


def test_other_tokens_and_addresses_have_limits_of_their_own(machine: Machine) -> None:
    machine.run().send(5)
    assert machine.run("another").send(5) == 0
    assert machine.run(address="http://127.0.0.1:8000/v2/").send(5) == 0
    assert machine.run().send() == pytest.approx(15, abs=ROUNDING)


def test_reports_have_a_memory_of_their_own(machine: Machine) -> None:
    """100 requests in 15 minutes: what was used up ten minutes ago still counts; lists do not wait for it."""
    machine.run().send(100, "reports/time/team")
    machine.true_seconds += 600
    later = machine.run()
    assert later.send() == 0
    assert later.send(1, "reports/time/team") == pytest.approx(300, abs=ROUNDING)


@pytest.mark.parametrize(
    ("token", "path", "seconds_later", "set_ahead_seconds", "waited"),
    [
        (TOKEN, "clients", 10, 0, 30),
        (TOKEN, "clients", 40, 0, 0),
        (TOKEN, "clients", 10, -3600, 0),
        (TOKEN, "reports/time/team", 10, 0, 0),
        ("another", "clients", 10, 0, 0),
    ],
)
def test_pause_that_harvest_asked_for_outlives_the_run(
    machine: Machine,
    token: str,
    path: str,
    seconds_later: float,
    set_ahead_seconds: float,
    waited: float,
) -> None:
    """A later, shorter one does not end it."""
    first = machine.run()
    first.send()
    for seconds in (40, 0, 5):
        first.budgets.general.pause(seconds)
    machine.true_seconds += seconds_later
    machine.set_ahead_seconds = set_ahead_seconds
    assert machine.run(token).send(1, path) == pytest.approx(waited, abs=ROUNDING)


def test_run_counts_its_own_requests_once(machine: Machine) -> None:
    """Also those sent with a token that was renewed meanwhile, and where another run goes on beside it."""
    run, other = machine.run(), machine.run()
    run.send(2)
    run.token = "renewed"
    assert run.send(3) == 0
    assert other.send(3) == 0
    assert run.send() == pytest.approx(15, abs=ROUNDING)


def in_the_way(file: Path) -> None:
    """Puts a folder where the file would be."""
    file.mkdir(parents=True)


def no_folder(file: Path) -> None:
    """Puts a file where the folder would be."""
    file.parent.touch()


def written(content: bytes) -> Callable[[Path], None]:
    """Returns what puts a content into the file."""

    def write(file: Path) -> None:
        file.parent.mkdir()
        file.write_bytes(content)

    return write


MARK = RecentRequests(Path(), ADDRESS, share_with_group=False).mark_of(TOKEN)
NOW = f"{BEGIN}"
LINE = f"{NOW} 15.0 {MARK} general request".encode()


@pytest.mark.parametrize(
    ("damage", "waited"),
    [
        pytest.param(in_the_way, 0, id="a folder in its place"),
        pytest.param(no_folder, 0, id="no folder"),
        pytest.param(written(b""), 0, id="empty"),
        pytest.param(written(b"\0" * 5000), 0, id="as a power cut leaves it"),
        pytest.param(written(os.urandom(5000)), 0, id="noise"),
        pytest.param(written("ä ö ü ß é\n".encode() * 9), 0, id="text"),
        pytest.param(written(f"{NOW} 1e9 {MARK} general pause a\n".encode()), 0, id="an endless pause"),
        pytest.param(written(f"{NOW} nan {MARK} general pause a\n".encode()), 0, id="no number of seconds"),
        pytest.param(written(f"nan 15 {MARK} general pause a\n".encode()), 0, id="at no time"),
        pytest.param(written(f"{NOW} 900 {MARK} general request a\n".encode() * 9), 0, id="one request, nine times"),
        pytest.param(written(b"".join(LINE + b" %d\n" % each for each in range(4)) + LINE), 0, id="the last line cut"),
        pytest.param(written(b"".join(LINE + b" %d\nnoise\n" % each for each in range(5))), 15, id="noise between"),
        pytest.param(
            written(b"".join(LINE.replace(b"15.0", b"900") + b" %d\n" % each for each in range(5))), 15, id="far too long"
        ),
    ],
)  # fmt: skip
def test_damaged_file_ends_no_run(
    machine: Machine, damage: Callable[[Path], None], waited: float
) -> None:
    """What can be read of it counts, and no line holds a run back for longer than the limit lasts."""
    damage(machine.file)
    assert machine.run().send() == pytest.approx(waited, abs=ROUNDING)


def test_damage_costs_no_later_foresight(machine: Machine) -> None:
    damage = written(b"noise " * 100_000)
    damage(machine.file)
    machine.run().send(4)
    assert machine.run().send(2) == pytest.approx(15, abs=ROUNDING)


@pytest.mark.parametrize("limit", [FEW, Limit(700, 15)])
def test_file_stays_small_and_forgets_nothing_that_counts(machine: Machine, limit: Limit) -> None:
    """Also where much counts at once; what a killed run left of a request is replaced, not doubled, when it is answered."""
    for _ in range(3):
        machine.run(limit=limit).send(3 * 700)
        counting = 2 * limit.requests * 70  # bytes of what counts at once
        assert machine.file.stat().st_size < max(MOST_BYTES, 2 * counting)
        assert machine.run(limit=limit).send() == pytest.approx(15, abs=ROUNDING)
        machine.true_seconds += 15


def test_file_holds_no_token_and_is_its_owners(machine: Machine) -> None:
    """Whatever the umask; where the group may read, it may read this as well."""
    umask = os.umask(0o022)
    try:
        machine.run().send(2)
        entries = [Entry.parse(line) for line in machine.file.read_bytes().splitlines()]
        assert {entry and entry.mark for entry in entries} == {MARK}
        assert len(entries) == 4
        assert TOKEN.encode() not in machine.file.read_bytes()
        assert stat.S_IMODE(machine.file.stat().st_mode) == 0o600
        assert stat.S_IMODE(machine.folder.stat().st_mode) == 0o700
        shared = RecentRequests(machine.folder / "shared", ADDRESS, share_with_group=True)
        shared.add(Entry(BEGIN, 15, MARK, "general", "request", "a"))
        assert stat.S_IMODE((machine.folder / "shared" / FILE_NAME).stat().st_mode) == 0o640
    finally:
        os.umask(umask)


def test_lines_of_several_programs_stay_whole(machine: Machine) -> None:
    """Each of two writes from several threads, as two runs at once do."""
    programs = [RecentRequests(machine.folder, ADDRESS, share_with_group=False) for _ in range(2)]

    def write(program: RecentRequests, name: str) -> None:
        for number in range(40):
            program.add(Entry(BEGIN, 15, MARK, "general", "request", f"{name}-{number}"))

    threads = [
        threading.Thread(target=write, args=(program, f"{place}-{name}"))
        for place, program in enumerate(programs)
        for name in "abcd"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({entry.id for entry in programs[0].used(MARK, "general", BEGIN)}) == 8 * 40


REQUEST = st.tuples(st.floats(0, 4), st.floats(0, 4))  # seconds to the server, and back
ENDS = st.sampled_from(["ends", "killed"])
RUNS = st.lists(
    st.tuples(st.lists(REQUEST, min_size=1, max_size=12), ENDS, st.floats(0, 20)),
    min_size=2,
    max_size=5,
)


@settings(max_examples=60)
@given(runs=RUNS)
def test_no_window_at_the_server_holds_more_than_the_limit_whatever_runs_follow_each_other(
    runs: list[tuple[list[tuple[float, float]], str, float]],
) -> None:
    """Runs end in good order or are killed while the last request is on its way, and the next one starts at any time."""
    at_server = []
    kept = []
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(Path(folder))
        for requests, end, seconds_until_next in runs:
            run = machine.run()
            for number, (there, back) in enumerate(requests):
                run.budgets.general.recall(TOKEN)
                permit = run.budgets.general.permit()
                permit.__enter__().note_sent(TOKEN)
                machine.true_seconds += there
                at_server.append(machine.true_seconds)
                if end == "killed" and number == len(requests) - 1:
                    kept.append(permit)
                    break
                machine.true_seconds += back
                permit.__exit__(None, None, None)
            machine.true_seconds += seconds_until_next
        for first, sixth in zip(at_server, at_server[FEW.requests :], strict=False):
            assert sixth - first >= FEW.seconds - ROUNDING


@pytest.mark.parametrize("window", ["sliding", "fixed"])
@pytest.mark.parametrize("remembers", [True, False])
def test_runs_one_after_another_meet_no_429_at_the_real_limit(
    machine: Machine, window: Literal["sliding", "fixed"], *, remembers: bool
) -> None:
    """70 requests, and two seconds later 70 more; without the file the server refuses some."""
    account = build_account(Size(time_entries=5), seed=1)
    limit = ServersLimit(window, clock=lambda: machine.true_seconds)
    with Sandbox(account, token=TOKEN, limit=limit) as sandbox:
        for _ in range(2):
            settings_of_run = HarvestSettings(api_url=sandbox.api_url, id_url=sandbox.id_url)
            with HarvestClient(
                settings_of_run, PersonalToken(TOKEN), MachinesClock(machine)
            ) as client:
                client.keep_requests(machine.folder)
                for _ in range(70):
                    client.get(account.id, "company", ("name",))
            machine.true_seconds += 2
            if not remembers:
                machine.file.unlink()
        assert (limit.refused == 0) is remembers
        assert len(sandbox.requests) == 140 + limit.refused
