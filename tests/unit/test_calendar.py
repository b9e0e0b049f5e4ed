"""The rows that `calendar` lacks, and the day that a machine's zone has."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import pytest
from clocks import SteppedClock
from hypothesis import given
from hypothesis import strategies as st
from memory import meets

from harvest_source.api.accounts import Account
from harvest_source.catalogue.lookup import ALL_NAMES, reports_as_set
from harvest_source.catalogue.report import Row
from harvest_source.destinations.scope import Scope
from harvest_source.destinations.warehouse import Dates, Warehouse
from harvest_source.loading.calendar import PLACES, TABLE, Missing, missing_days
from harvest_source.loading.declared import declared
from harvest_source.loading.delivery import Package
from harvest_source.loading.history import account_rows
from harvest_source.settings import HarvestSettings

TODAY = date(2026, 7, 1)
ENTRIES, PROJECTS = ("time_entries", "spent_date"), ("projects", "ends_on")
USUAL = st.dates(date(2024, 12, 20), date(2026, 12, 31))
ANY = st.one_of(USUAL, st.dates(), st.none())


class Tables:
    """Tables in memory that answer what is asked of dates."""

    def __init__(self, dates: Mapping[tuple[str, str], list[date | None]]) -> None:
        """Begins with rows of one column each, and without a calendar."""
        self.rows: dict[str, list[Row]] = {
            table: [{column: value} for value in values]
            for (table, column), values in dates.items()
        }

    def dates(self, scopes: Mapping[tuple[str, str], Scope]) -> dict[tuple[str, str], Dates]:
        """Answers as `Warehouse.dates`."""
        found = {}
        for (table, column), scope in scopes.items():
            rows = [
                row
                for row in self.rows.get(table, [])
                if all(meets(row, each) for each in scope.conditions)
            ]
            values = [row[column] for row in rows if row.get(column) is not None]
            if values:
                found[table, column] = Dates(min(values), max(values), len(values))
        return found

    def missing(self, day: date = TODAY, *, whole: bool = False) -> Missing:
        """Returns what the calendar lacks."""
        return missing_days(cast("Warehouse", self), day, whole=whole)

    def fill(self, day: date, *, whole: bool) -> Missing:
        """Loads what the calendar lacks, by day or as a whole, and returns it."""
        missing = self.missing(day, whole=whole)
        if missing.rows:
            written = {row["day"] for row in missing.rows}
            rest = [] if whole else self.rows.get(TABLE, [])
            kept = [row for row in rest if row["day"] not in written]
            self.rows[TABLE] = [*kept, *missing.rows]
        return missing

    @property
    def days(self) -> list[date]:
        """Returns the days of the calendar in their order."""
        return sorted(row["day"] for row in self.rows[TABLE])


def assert_row_is_right(row: Row) -> None:
    """Asserts what a row says of its day, in other words than those by which it was made."""
    day, week, month = row["day"], row["week"], row["month"]
    assert (week.isoweekday(), week.isocalendar()[:2]) == (1, day.isocalendar()[:2])
    assert (month.year, month.month, month.day) == (day.year, day.month, 1)
    assert row["number"] - TODAY.toordinal() == (day - TODAY).days
    assert row["is_working_day"] == (day.strftime("%a") not in {"Sat", "Sun"})


@given(
    entries=st.lists(ANY, max_size=5),
    ends=st.lists(ANY, max_size=3),
    later=st.lists(ANY, max_size=3),
    days=st.tuples(USUAL, USUAL),
    whole=st.booleans(),
)
def test_every_day_stands_once_whatever_dates_there_are(
    entries: list[date | None],
    ends: list[date | None],
    later: list[date | None],
    days: tuple[date, date],
    whole: bool,  # noqa: FBT001 - hypothesis gives it by its name
) -> None:
    """Also after a second run, whose rows are fewer, others or later; then nothing is lacking."""
    tables = Tables({ENTRIES: entries, PROJECTS: ends})
    reached = {days[0]}
    for day, now in ((days[0], entries), (days[1], later)):
        tables.rows["time_entries"] = [{"spent_date": each} for each in now]
        found = [each for each in (*now, *ends) if each]
        inside = [each for each in found if 1990 <= each.year <= 2100]
        reached |= {day, *inside}
        missing = tables.fill(day, whole=whole)
        first, last = min(reached), max(reached)
        assert tables.days == [first + timedelta(days=n) for n in range((last - first).days + 1)]
        assert sum(missing.outside.values()) == len(found) - len(inside)
        assert bool(missing.notes()) == bool(missing.outside)
        assert tables.missing(day, whole=whole).rows == []
    for row in tables.rows[TABLE]:
        assert_row_is_right(row)


def days_of(*days: date) -> list[Row]:
    """Returns rows of the calendar."""
    tables = Tables({ENTRIES: list(days)})
    tables.fill(days[0], whole=False)
    return tables.rows[TABLE]


def test_only_days_that_lack_are_written() -> None:
    tables = Tables({ENTRIES: [TODAY, date(2026, 7, 3)]})
    assert len(tables.fill(TODAY, whole=False).rows) == 3
    tables.rows["projects"] = [{"ends_on": date(2026, 7, 5)}, {"ends_on": None}]
    lacking = [date(2026, 7, 4), date(2026, 7, 5)]
    assert [row["day"] for row in tables.missing().rows] == lacking
    assert len(tables.missing(whole=True).rows) == 5


LAST = date(2026, 7, 5)
HANDS: dict[str, Any] = {
    "a day went": lambda rows: rows.pop(2),
    "a day stands twice": lambda rows: rows.append(rows[2]),
    "a column came back empty": lambda rows: [row.update(week=None) for row in rows],
    "a value went": lambda rows: rows[2].update(is_working_day=None),
    "all days went": lambda rows: rows.clear(),
    "a day of another millennium came": lambda rows: rows.append(
        {**rows[0], "day": date(1026, 7, 1)}
    ),
}


@pytest.mark.parametrize("hand", HANDS)
def test_calendar_that_a_hand_changed_is_whole_again(hand: str) -> None:
    """But for a day that no calendar has: it disturbs nobody."""
    tables = Tables({ENTRIES: [TODAY, LAST]})
    tables.rows[TABLE] = days_of(TODAY, LAST)
    HANDS[hand](tables.rows[TABLE])
    tables.fill(TODAY, whole=False)
    assert [day for day in tables.days if day.year > 2000] == [
        TODAY + timedelta(days=n) for n in range(5)
    ]
    assert all(None not in row.values() for row in tables.rows[TABLE])


def test_dates_that_no_calendar_has_are_named_by_table_once() -> None:
    tables = Tables(
        {
            ENTRIES: [TODAY, date(19, 7, 1), date(1989, 12, 31), date(1990, 1, 1)],
            PROJECTS: [date(2100, 12, 31), date(2101, 1, 1), None],
            ("expenses", "spent_date"): [date(9999, 12, 31)],
        }
    )
    missing = tables.missing()
    assert missing.outside == Counter(time_entries=2, projects=1, expenses=1)
    assert missing.notes() == [
        "dates before 1990-01-01 or after 2100-12-31, which calendar does not have: expenses 1, projects 1, time_entries 2"
    ]
    assert (missing.rows[0]["day"], missing.rows[-1]["day"]) == (
        date(1990, 1, 1),
        date(2100, 12, 31),
    )


def test_dates_are_looked_for_in_every_column_that_dlt_is_told_to_hold_dates() -> None:
    """But in those of the calendar itself."""
    reports = reports_as_set("account")
    tables = declared(
        Package(HarvestSettings(access_token="x")), [reports[each] for each in ALL_NAMES]
    )
    schema = tables.added_to(None)
    found = {
        (str(table["name"]), name)
        for table in schema.data_tables()
        for name, column in table["columns"].items()
        if column.get("data_type") == "date" and table["name"] != TABLE
    }
    assert set(PLACES) == found
    assert {
        ("projects", "ends_on"),
        ("invoice_payments", "paid_date"),
        ("accounts", "as_of"),
        ("budget_history", "day"),
    } < found


@pytest.fixture
def in_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Gives what puts this process in a time zone."""

    def move(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    yield move
    monkeypatch.undo()
    time.tzset()


EVENING = datetime(2026, 7, 1, 23, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("UTC", date(2026, 7, 1)),
        ("EAST-1", date(2026, 7, 2)),
        ("WEST12", date(2026, 7, 1)),
        ("FAREAST-14", date(2026, 7, 2)),
    ],
)
def test_day_is_that_of_the_zone_of_the_machine(in_zone: Any, zone: str, day: date) -> None:
    in_zone(zone)
    clock = SteppedClock(EVENING.timestamp())
    assert clock.today() == day
    assert clock.for_run().today() == day
    clock.seconds += 24 * 3600
    assert clock.today() == day + timedelta(days=1)


KNOWN = {"account_id": 7, "name": "Old", "currency": "EUR", "week_start_day": "Monday"}


@pytest.mark.parametrize(
    ("account", "before", "row"),
    [
        (
            Account(7, "New", company={"currency": "CHF", "week_start_day": "Sunday"}),
            KNOWN,
            {"name": "New", "currency": "CHF", "week_start_day": "Sunday"},
        ),
        # Harvest does not tell a member
        (Account(7, "New"), KNOWN, {"name": "New", "currency": "EUR", "week_start_day": "Monday"}),
        (Account(7), KNOWN, {"name": "Old", "currency": "EUR", "week_start_day": "Monday"}),
        (Account(7), None, {"name": None, "currency": None, "week_start_day": None}),
    ],
)
def test_row_of_an_account_has_the_day_and_what_harvest_ever_said(
    account: Account, before: Row | None, row: Row
) -> None:
    earlier = {7: {**before, "as_of": date(2026, 6, 1)}} if before else {}
    assert account_rows([account], earlier, TODAY) == [{"account_id": 7, **row, "as_of": TODAY}]
