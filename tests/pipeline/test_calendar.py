"""The tables `calendar` and `accounts` as runs leave them: the days of all accounts, and the day of each account's data."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from command_line import Type
from destinations import long, on
from faults_support import Ears
from pipelines import make_pipeline, rows
from second_harvest import Json, like
from support import make_source, notes_on_rows
from two_accounts import NOON, OURS, THEIRS, ClockAt, TwoAccounts, two_accounts

from harvest_source.loading import calendar
from harvest_source.loading.syncing import sync

NAMES = ("projects", "time_entries")
MERGE_WITHOUT_INDEX = {"sqlite", "mariadb"}  # 13,000 days more than 27,000 take minutes there
CHANGED = "2026-06-30T08:00:00Z"


def entry(row_id: int, day: str, updated_at: str = CHANGED) -> Json:
    """Returns a time entry of a day."""
    return like("time_entries", row_id, spent_date=day, updated_at=updated_at, is_running=False)


def project(row_id: int, starts_on: str | None, ends_on: str | None) -> Json:
    """Returns a project with its days."""
    days = {"starts_on": starts_on, "ends_on": ends_on, "over_budget_notification_date": None}
    return like("projects", row_id, updated_at=CHANGED, **days)


class Place(TwoAccounts):
    """Two accounts, and the days that are loaded of them."""

    @property
    def span(self) -> tuple[str, str]:
        """Returns the first and the last day of the calendar, of which each one between stands once."""
        ((first, last, n, numbers),) = rows(
            self.folder,
            "select min(day), max(day), count(*), max(number) - min(number) from calendar",
        )
        assert n == numbers + 1 == self.days_between(str(first), str(last)) + 1
        return str(first), str(last)

    @staticmethod
    def days_between(first: str, last: str) -> int:
        """Returns how many days lie between two."""
        return (datetime.fromisoformat(last) - datetime.fromisoformat(first)).days

    @property
    def loads(self) -> tuple[set[tuple[str, ...]], ...]:
        """Returns which loads wrote the rows of the two tables."""
        names = ("calendar", "accounts")
        return tuple(set(self.rows(f"select distinct _dlt_load_id from {name}")) for name in names)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Gives two accounts, each with an entry and a project."""
    with two_accounts(Place, tmp_path, *NAMES) as place:
        ours, theirs = place.ours, place.theirs
        ours.tables["time_entries"] = [entry(1, "2026-06-29")]
        ours.tables["projects"] = [project(1, "2026-03-01", None)]
        theirs.tables["time_entries"] = [entry(1, "2025-12-31")]
        theirs.tables["projects"] = [project(1, None, "2026-09-30")]
        yield place


@contextmanager
def by_pipeline(folder: Path) -> Iterator[Any]:
    """Gives a client of the database, for what a hand does there."""
    with make_pipeline(folder).sql_client() as client:
        yield client


@pytest.mark.long
@on("duckdb", "postgres", "filesystem", "sqlite", "mariadb")
def test_calendar_reaches_over_all_accounts_and_never_becomes_shorter(place: Place) -> None:
    """A run of one account keeps the days of the other. What is there already is not written again."""
    assert notes_on_rows(place.run(OURS)) == []
    assert place.span == ("2026-03-01", "2026-07-01")
    day = "select day, week, month from calendar where number = (select min(number) + 1 from calendar)"
    assert place.rows(day) == [("2026-03-02", "2026-03-02", "2026-03-01")]
    assert place.rows("select count(*) from calendar where is_working_day") == [("88",)]
    place.run(THEIRS)
    assert place.span == ("2025-12-31", "2026-09-30")
    place.ours.now = "2026-07-01T13:00:00Z"
    place.ours.tables["time_entries"].append(entry(2, "2026-10-05", place.ours.now))
    place.run(OURS)
    assert place.span == ("2025-12-31", "2026-10-05")
    place.ours.tables["time_entries"] = []
    place.theirs.tables["projects"] = []
    assert {each.deleted for each in place.run().results} == {0, 1, 2}
    assert place.span == ("2025-12-31", "2026-10-05")
    before = place.loads
    assert place.run().exit_code == 0
    assert place.loads == before


@on("duckdb", long("postgres"), long("filesystem"))
def test_day_of_the_data_is_that_of_the_last_run_that_loaded_the_account(place: Place) -> None:
    """An account that fails keeps its day, and so does one that is not chosen; the day is always in the calendar."""
    place.run()
    assert place.as_of == {"77": "2026-07-01", "78": "2026-07-01"}
    before = place.loads
    place.run(at=NOON + timedelta(hours=3))
    assert place.loads == before
    place.refused = 500
    assert place.run(at=NOON + timedelta(days=100)).exit_code == 1
    assert place.as_of == {"77": "2026-10-09", "78": "2026-07-01"}
    assert place.span == ("2025-12-31", "2026-10-09")
    place.refused = None
    place.run(THEIRS, at=NOON + timedelta(days=101))
    assert place.as_of == {"77": "2026-10-09", "78": "2026-10-10"}
    assert place.rows("select name, currency from accounts order by 1") == [
        ("Ours", place.ours.company["currency"]),
        ("Theirs", place.ours.company["currency"]),
    ]


@pytest.mark.long
def test_account_whose_reports_all_fail_keeps_its_day(place: Place) -> None:
    """Also where Harvest says what its company is; one report that is loaded is enough for the new day."""
    place.run()
    place.fail(*NAMES)
    place.run(OURS, at=NOON + timedelta(days=1))
    assert place.as_of["77"] == "2026-07-01"
    place.fail("time_entries")
    place.run(OURS, at=NOON + timedelta(days=2))
    assert place.as_of["77"] == "2026-07-03"


@pytest.fixture
def zone_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Has this process in a zone that is 14 hours ahead."""
    monkeypatch.setenv("TZ", "EAST-14")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("zone_east")
def test_day_is_that_of_the_zone_of_the_machine(place: Place) -> None:
    place.run(OURS)
    assert place.as_of == {"77": "2026-07-02"}
    assert place.span == ("2026-03-01", "2026-07-02")


@on("duckdb", long("postgres"), long("filesystem"), long("sqlite"), long("mariadb"))
def test_dates_of_other_centuries_are_named_and_left_out(
    place: Place, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By every run, as long as they are there."""
    if request.node.callspec.params["destination"] in MERGE_WITHOUT_INDEX:
        for name, nearer in (("FIRST", date(2020, 1, 1)), ("LAST", date(2030, 12, 31))):
            monkeypatch.setattr(calendar, name, nearer)
    first, last = calendar.FIRST, calendar.LAST
    place.ours.tables["time_entries"] += [
        entry(n, day) for n, day in ((2, "0026-06-29"), (3, "2206-06-29"), (4, f"{last}"))
    ]
    place.theirs.tables["projects"].append(project(2, f"{first - calendar.ONE_DAY}", None))
    told = (
        f"dates before {first} or after {last}, which calendar does not have: "
        "projects 1, time_entries 2"
    )
    for _ in range(2):
        assert notes_on_rows(place.run()) == [told]
        assert place.span == ("2025-12-31", f"{last}")
    place.ours.now = "2026-07-01T13:00:00Z"
    for row_id in (2, 3):
        place.ours.change("time_entries", row_id, spent_date="2026-06-29")
    place.theirs.now = place.ours.now
    place.theirs.change("projects", 2, starts_on=f"{first}")
    assert place.run().notes == []
    assert place.span == (f"{first}", f"{last}")


def test_summary_names_dates_that_no_calendar_has(type_command: Type, place: Place) -> None:
    place.ours.tables["time_entries"].append(entry(2, "0026-06-29"))
    done = type_command("--reports", "time_entries", "--account", f"{OURS}", harvest=place.ours)
    told = "which calendar does not have: time_entries 1"
    assert (done.code, done.err.count(told)) == (0, 1), done.err


@pytest.mark.long
def test_calendar_begins_with_what_start_date_leaves(place: Place) -> None:
    """Where it is set later, the days of rows that stay are kept."""
    place.ours.tables["projects"] = [project(1, None, None)]
    place.ours.tables["time_entries"] = [
        entry(1, "2026-01-05", "2026-01-05T08:00:00Z"),
        entry(2, "2026-05-05", "2026-05-05T08:00:00Z"),
    ]
    place.run(OURS, start_date="2026-02-01")
    assert place.span == ("2026-05-05", "2026-07-01")
    place.run(OURS)
    assert place.span == ("2026-01-05", "2026-07-01")
    place.run(OURS, start_date="2026-02-01")
    assert place.span == ("2026-01-05", "2026-07-01")


COLUMNS = "day, number, week, month, is_working_day, _dlt_load_id"
HANDS = {
    "drop table calendar": ["calendar was taken away in the destination: made anew"],
    "alter table calendar drop column week": [
        "calendar.week was taken away in the destination: made anew"
    ],
    "alter table calendar drop column day": [
        "calendar.day was taken away in the destination: made anew"
    ],
    "delete from calendar where month = '2026-04-01'": [],
    f"insert into calendar ({COLUMNS}, _dlt_id) select {COLUMNS}, concat(_dlt_id, '2') from calendar": [],
    "alter table accounts drop column as_of": [
        "accounts.as_of was taken away in the destination: made anew"
    ],
}


@pytest.mark.long
@on("duckdb", "postgres")
def test_what_a_hand_took_away_is_there_again(place: Place) -> None:
    place.run()
    for hand, said in HANDS.items():
        with by_pipeline(place.folder) as client:
            client.execute_sql(hand)
        ears = Ears()
        source = make_source(place.ours, *NAMES, clock=ClockAt(NOON))
        assert sync(make_pipeline(place.folder), source, listener=ears).exit_code == 0
        assert ears.notes == said, hand
        assert place.span == ("2025-12-31", "2026-09-30"), hand
        assert place.as_of == {"77": "2026-07-01", "78": "2026-07-01"}, hand
        assert place.rows("select count(*) from calendar where week is null") == [("0",)], hand


@on("duckdb", long("postgres"), long("sqlite"))
def test_column_that_a_table_of_another_report_lacks_is_no_hindrance(place: Place) -> None:
    """A hand took it, or a later version will be the first to have it; the other dates of the table count."""
    place.run(OURS)
    with by_pipeline(place.folder) as client:
        client.execute_sql("alter table projects drop column ends_on")
        client.execute_sql("delete from calendar")
    assert place.run(OURS, names=("time_entries",)).exit_code == 0
    assert place.span == ("2026-03-01", "2026-07-01")


@pytest.mark.long
@on("duckdb", "filesystem")
def test_plain_dlt_makes_neither_table_and_leaves_them_as_they_are(
    place: Place, destination: str
) -> None:
    def load(*names: str) -> None:
        make_pipeline(place.folder).run(make_source(place.ours, *names, accounts=(OURS,)))

    load(*NAMES)
    schema = make_pipeline(place.folder).default_schema
    assert not {"calendar", "accounts"} & {*schema.data_table_names()}
    place.run(OURS)
    before = place.loads
    assert place.span == ("2026-03-01", "2026-07-01")
    if destination == "duckdb":  # dlt can only add rows to files
        place.ours.now = "2026-07-01T13:00:00Z"
        place.ours.tables["time_entries"].append(entry(2, "2026-10-05", place.ours.now))
        load(*NAMES)
        assert (place.loads, place.span[1]) == (before, "2026-07-01")
        place.run(OURS)
        assert place.span == ("2026-03-01", "2026-10-05")
