"""Ten outages of a daily schedule, planted: each is noticed within one period, and a day without one is not.

A first day is complete. On the second day comes an outage; what the scheduler sees, what a dead man's switch sees and what
`status --max-age 26h` says before the third day's run is gathered. Runs are real programs, and the switch is a real server; hours
pass by clocks that are handed in, and by rows of `load_report` that are written back.
"""

from __future__ import annotations

import resource
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import psycopg2
import pytest
from clocks import FastClock, LaterClock
from command_line import COVERAGE, Type, command, environment, started
from destinations import fresh_postgres_address, started_postgres
from faults_support import tiny
from loopback import free_port
from support import serving
from switch import Switch

from harvest_sandbox import Account, Fault, Request, Sandbox
from harvest_source import connection
from harvest_source.commands import sending
from harvest_source.commands import status as status_command

pytestmark = pytest.mark.long

NAMES = ("clients", "projects", "roles", "tasks", "time_entries", "users")
REPORTS = ("--reports", ",".join(NAMES))
DAY_HOURS = 24
BEFORE_NEXT_HOURS = 23  # of the third day's run: when whoever is to notice must have noticed
PATIENCE_SECONDS = 60.0

EXIT_CODE, HEARTBEAT, MAX_AGE = "exit code", "heartbeat", "max-age"
ALL = {EXIT_CODE, HEARTBEAT, MAX_AGE}


@dataclass
class Schedule:
    """A folder in which a run is due every day, and who watches over it."""

    folder: Path
    account: Account
    sandbox: Sandbox
    switch: Switch
    type_command: Type
    patch: pytest.MonkeyPatch
    settings: dict[str, str] = field(default_factory=dict)
    destination: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)  # of the environment
    last_code: int = 0  # as the scheduler sees it; 0 where nothing ran: it sees nothing

    def environment(self, **settings: str) -> dict[str, str]:
        """Returns what a program of the schedule is started with."""
        url = {"HEARTBEAT_URL": self.switch.url}
        return environment(self.sandbox, **{**url, **self.settings, **settings}) | self.variables

    def run(self, **settings: str) -> None:
        """Runs as the scheduler does."""
        self.start(self.environment(**settings))

    def start(self, env: dict[str, str], **options: Any) -> None:
        """Starts the program, and waits for its end."""
        asked = (*REPORTS, *self.destination, "--quiet")
        self.last_code = command(self.folder, *asked, env=env, **options).returncode

    def day_passes(self, execute: Callable[[str], object]) -> None:
        """Has what was done so far lie a day back."""
        back = f"interval '{DAY_HOURS} hours'"
        execute(
            f"update harvest.load_report set started_at = started_at - {back}, finished_at = finished_at - {back}"
        )
        self.switch.pings = [(hour - DAY_HOURS, kind) for hour, kind in self.switch.pings]

    def noticed(self) -> set[str]:
        """Returns by which ways the outage is noticed before the next run is due."""
        self.switch.hour = BEFORE_NEXT_HOURS
        with self.patch.context() as patch:
            patch.setattr(status_command, "Clock", lambda: LaterClock(BEFORE_NEXT_HOURS))
            for name, value in self.variables.items():
                patch.setenv(name, value)
            asked = ("status", "--max-age", "26h", *REPORTS, *self.destination)
            age_code = self.type_command(*asked, harvest=self.sandbox).code
        ways = {
            EXIT_CODE: self.last_code != 0,
            HEARTBEAT: self.switch.alarms,
            MAX_AGE: age_code != 0,
        }
        return {way for way, notices in ways.items() if notices}


def in_file(sql: str) -> None:
    """Carries SQL out in the database file of the current folder."""
    with duckdb.connect("harvest_pipeline.duckdb") as database:
        database.execute(sql)


@pytest.fixture
def schedule(
    tmp_path: Path, type_command: Type, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Schedule]:
    """Gives a schedule of which nothing ran yet."""
    account = tiny()
    with serving(account) as sandbox, Switch() as switch:
        yield Schedule(tmp_path, account, sandbox, switch, type_command, monkeypatch)


def none(schedule: Schedule) -> None:
    """Is a day as it should be."""
    schedule.account.insert("time_entries", notes="of the second day")
    schedule.run()


def cron_is_off(_schedule: Schedule) -> None:
    """No program is started."""


def disk_is_full(schedule: Schedule) -> None:
    """No file can grow."""
    schedule.account.insert("time_entries", notes="of the second day")
    env = schedule.environment() | {"PYTHONDONTWRITEBYTECODE": "1"}
    env.pop(COVERAGE, None)  # what it would write is cut as well
    limit = 20_000
    schedule.start(
        env, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    )


def token_is_revoked(schedule: Schedule) -> None:
    """Harvest answers 401."""
    schedule.run(ACCESS_TOKEN="revoked")


def clock_is_wrong(schedule: Schedule) -> None:
    """The run is complete, a month ahead of the day that it is."""
    schedule.run()
    ahead = "interval '30 days'"
    in_file(
        f"update harvest.load_report set started_at = started_at + {ahead}, finished_at = finished_at + {ahead} "
        "where started_at > now() - interval '1 hour'"
    )


def heartbeat_address_is_down(schedule: Schedule) -> None:
    """The run is complete, and nobody hears of it."""
    schedule.run(HEARTBEAT_URL=f"http://127.0.0.1:{free_port()}/ping")


def killed(schedule: Schedule) -> None:
    """SIGKILL, while an answer is waited for."""
    reached, ended = threading.Event(), threading.Event()

    def keep(request: Request) -> None:
        if request.path.endswith("/time_entries"):
            reached.set()
            ended.wait(PATIENCE_SECONDS)

    schedule.sandbox.before_answer = keep
    with started(schedule.folder, *REPORTS, "--quiet", env=schedule.environment()) as process:
        assert reached.wait(PATIENCE_SECONDS)
        process.kill()
        schedule.last_code = process.wait(PATIENCE_SECONDS)
    ended.set()


def no_network(schedule: Schedule) -> None:
    """Neither Harvest nor the switch is reached; the run waits by a clock that is handed in, so in this process."""
    nowhere = f"http://127.0.0.1:{free_port()}/"
    with schedule.patch.context() as patch:
        patch.setattr(connection, "Clock", FastClock)
        patch.setattr(sending, "WAIT_SECONDS", 0.01)
        schedule.last_code = schedule.type_command(
            *REPORTS,
            "--quiet",
            harvest=schedule.sandbox,
            API_URL=f"{nowhere}v2/",
            ID_URL=nowhere,
            HEARTBEAT_URL=f"{nowhere}ping",
        ).code


def account_is_gone(schedule: Schedule) -> None:
    """The token reaches another account alone."""
    schedule.sandbox.accounts[:] = [tiny(6)]
    schedule.run(ACCOUNT_ID=str(schedule.account.id))


def half_of_the_reports_fail(schedule: Schedule) -> None:
    """Harvest refuses them."""
    schedule.sandbox.faults.append(Fault("/(clients|roles|users)$", status=403, times=None))
    schedule.run()


OUTAGES: dict[Callable[[Schedule], None], set[str]] = {
    none: set(),
    cron_is_off: {HEARTBEAT, MAX_AGE},
    disk_is_full: ALL,
    token_is_revoked: ALL,
    clock_is_wrong: {MAX_AGE},
    heartbeat_address_is_down: {HEARTBEAT},
    killed: ALL,
    no_network: ALL,
    account_is_gone: ALL,
    half_of_the_reports_fail: ALL,
}


@pytest.mark.parametrize("outage", OUTAGES, ids=lambda outage: outage.__name__)
def test_outage_is_noticed_within_a_period(
    schedule: Schedule, outage: Callable[[Schedule], None]
) -> None:
    """By these ways and no others: whoever watches one of them knows what it leaves out."""
    schedule.run()
    assert (schedule.last_code, schedule.switch.kinds) == (0, ["/start", ""])
    schedule.day_passes(in_file)
    schedule.last_code = 0
    outage(schedule)
    assert schedule.noticed() == OUTAGES[outage]


def test_destination_that_is_down_is_noticed_within_a_period(schedule: Schedule) -> None:
    """Postgres, which is stopped before the second day's run."""
    with started_postgres() as server:
        address = fresh_postgres_address(server)
        schedule.destination = ("--destination", "postgres")
        schedule.variables["DESTINATION__POSTGRES__CREDENTIALS"] = address
        schedule.run()
        assert (schedule.last_code, schedule.switch.kinds) == (0, ["/start", ""])

        def in_server(sql: str) -> None:
            database = psycopg2.connect(address)
            with database, database.cursor() as cursor:
                cursor.execute(sql)
            database.close()

        schedule.day_passes(in_server)
        server.stop()
        schedule.run()
        assert schedule.noticed() == ALL
        server.start()
        schedule.run()
        assert schedule.noticed() == set()


def test_one_account_of_all_that_is_gone_is_noticed_by_its_age(schedule: Schedule) -> None:
    """The run loads the accounts that there are: it is complete, and pings a success."""
    other = tiny(6)
    schedule.sandbox.accounts.append(other)
    schedule.settings["ACCOUNT_ID"] = "all"
    schedule.run()
    assert schedule.last_code == 0
    schedule.day_passes(in_file)
    schedule.sandbox.accounts.remove(other)
    schedule.run()
    assert schedule.noticed() == {MAX_AGE}
