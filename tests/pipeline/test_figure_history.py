"""The tables `uninvoiced_history` and `budget_history`: two figures as they were at the end of each day, whatever comes later."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from destinations import long, on
from faults_support import Ears, errors_of
from loads import killed_at, lose_answers
from pipelines import make_pipeline, rows
from second_harvest import HandMade, Json, like
from support import make_source, notes_on_rows
from two_accounts import NOON, OURS, THEIRS, ClockAt, TwoAccounts, two_accounts

from harvest_source.destinations.read_back import as_declared
from harvest_source.destinations.warehouse import Warehouse
from harvest_source.figures.sql import select_of
from harvest_source.loading import declared, loader, package
from harvest_source.loading.figure_history import HISTORIES
from harvest_source.loading.syncing import sync
from harvest_source.reading.reader import Choice

NAMES = (
    "clients",
    "projects",
    "tasks",
    "users",
    "time_entries",
    "expenses",
    "invoices",
    "task_assignments",
    "user_assignments",
)
TABLES = [each.name for each in HISTORIES]
FIRST, SECOND, THIRD = (date(2026, 7, day) for day in (1, 2, 3))
EVENING = NOON + timedelta(hours=6)
CHANGED = "2026-06-30T08:00:00Z"
MONTHLY, FIXED = 1, 2  # projects


def project(row_id: int, **values: Any) -> Json:
    """Returns a project by time, with a budget of ten hours for each month."""
    budget = {"budget": 10, "budget_is_monthly": True}
    client = {"id": 1, "name": "Client", "currency": "EUR"}
    return like("projects", row_id, updated_at=CHANGED, client=client, **{**budget, **values})


def entry(row_id: int, day: str, hours: float, **values: Any) -> Json:
    """Returns an entry that is billable and not billed, at 100 an hour."""
    return like(
        "time_entries",
        row_id,
        spent_date=day,
        hours=hours,
        rounded_hours=hours,
        billable_rate=100,
        is_billed=False,
        invoice=None,
        project={"id": MONTHLY, "name": "Monthly", "code": None},
        **{"updated_at": CHANGED, **values},
    )


def invoice(amount: float) -> Json:
    """Returns an invoice on the fixed fee."""
    line = {"id": 1, "kind": "Service", "amount": amount, "project": {"id": FIXED}}
    return like("invoices", 1, updated_at=CHANGED, line_items=[line])


def fill(harvest: HandMade) -> None:
    """Gives an account a project by time, with entries in two months, and one with a fixed fee, of which a part is invoiced."""
    harvest.tables["clients"] = [like("clients", 1, updated_at=CHANGED)]
    fee = {"fee": 1000, "budget_by": "project_cost", "cost_budget": 500, "budget_is_monthly": False}
    harvest.tables["projects"] = [project(MONTHLY), project(FIXED, is_fixed_fee=True, **fee)]
    harvest.tables["time_entries"] = [entry(1, "2026-05-12", 3), entry(2, "2026-06-20", 2.25)]
    harvest.tables["invoices"] = [invoice(400)]
    for name in ("expenses", "task_assignments", "user_assignments"):
        harvest.tables[name] = []


class Place(TwoAccounts):
    """Two accounts, and the days that are kept of them."""

    def kept(self, table: str, day: date | None = None) -> list[tuple[Any, ...]]:
        """Returns the rows of a history, of a day or of all, without the day itself."""
        (history,) = (each for each in HISTORIES if each.name == table)
        with Warehouse(make_pipeline(self.folder)) as warehouse:
            found = [
                (row["day"], *(row[each.name] for each in history.figure.columns))
                for row in warehouse.rows(table)
                if day in {None, row["day"]}
            ]
        return sorted(found if day is None else [row[1:] for row in found], key=repr)

    def figure(self, table: str) -> list[tuple[Any, ...]]:
        """Returns the rows of a figure as the database computes them now."""
        (history,) = (each for each in HISTORIES if each.name == table)
        with make_pipeline(self.folder).sql_client() as client:
            name_of, dialect = (
                client.make_qualified_table_name,
                client.capabilities.sqlglot_dialect,
            )
            found = client.execute_sql(select_of(history.figure.name, name_of, dialect)) or []
        types = [history.hints["columns"][each.name] for each in history.figure.columns]
        return sorted(
            (
                tuple(
                    _exact(as_declared(value, of["data_type"]))
                    for value, of in zip(row, types, strict=True)
                )
                for row in found
            ),
            key=repr,
        )

    def days(self, account_id: int) -> set[date]:
        """Returns the days of which both histories have rows of an account."""
        found = [
            {as_declared(day, "date") for (day,) in rows(self.folder, query)}
            for query in (
                f"select distinct day from {table} where account_id = {account_id}"
                for table in TABLES
            )
        ]
        assert found[0] == found[1]
        return found[0]

    @property
    def loads(self) -> set[tuple[str, ...]]:
        """Returns which loads wrote the rows of the histories."""
        return {
            (table, *found)
            for table in TABLES
            for found in self.rows(f"select distinct _dlt_load_id from {table}")
        }

    def move_to(self, now: str) -> None:
        """Moves the time at Harvest."""
        self.ours.now = self.theirs.now = now


def _exact(value: Any) -> Any:
    is_number = isinstance(value, (Decimal, int)) and not isinstance(value, bool)
    return Decimal(value).quantize(Decimal("0.000001")) if is_number else value


def exact(found: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Returns rows with numbers of six digits behind the point."""
    return sorted((tuple(map(_exact, row)) for row in found), key=repr)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Gives two accounts with the same rows."""
    with two_accounts(Place, tmp_path, *NAMES) as place:
        for harvest in (place.ours, place.theirs):
            for name in ("tasks", "users"):
                harvest.tables[name] = [like(name, like(name, 0)["id"] or 1, updated_at=CHANGED)]
            fill(harvest)
        yield place


UNINVOICED = """select project_id, uninvoiced_hours, uninvoiced_amount, days_0_30, days_31_60, as_of
    from uninvoiced_history where account_id = 77 and day = '2026-07-01' order by 1"""
BUDGETS = """select project_id, month, is_current, budget, spent, burn, is_over
    from budget_history where account_id = 77 and day = '2026-07-01' order by 1, 2"""


@pytest.mark.long
@on("duckdb", "postgres", "filesystem")
def test_day_is_kept_as_it_was_when_the_past_is_changed_at_harvest(place: Place) -> None:
    """With the rows of the figure on that day, a budget that starts again every month once a month; the next day has others."""
    assert place.run().exit_code == 0
    assert rows(place.folder, UNINVOICED) == [
        (MONTHLY, Decimal("5.25"), Decimal(525), Decimal(225), Decimal(300), FIRST),
        (FIXED, Decimal(0), Decimal(600), None, None, FIRST),
    ]
    assert rows(place.folder, BUDGETS) == [
        (MONTHLY, date(2026, 5, 1), False, Decimal(10), Decimal(3), Decimal("0.3"), False),
        (MONTHLY, date(2026, 6, 1), False, Decimal(10), Decimal("2.25"), Decimal("0.225"), False),
        (MONTHLY, date(2026, 7, 1), True, Decimal(10), Decimal(0), Decimal(0), False),
        (FIXED, None, True, Decimal(500), Decimal(0), Decimal(0), False),
    ]
    before = {table: place.kept(table, FIRST) for table in TABLES}
    for table in TABLES:
        assert exact(before[table]) == place.figure(table)
    place.move_to("2026-07-02T08:00:00Z")
    place.ours.change("time_entries", 1, rounded_hours=11, hours=11)
    place.ours.change("time_entries", 2, is_billed=True)
    place.ours.change("projects", MONTHLY, budget=8, name="Renamed")
    place.ours.change("projects", FIXED, fee=700)
    place.theirs.tables["time_entries"] = []
    assert place.run(at=NOON + timedelta(days=1)).exit_code == 0
    for table in TABLES:
        assert place.kept(table, FIRST) == before[table]
        assert exact(place.kept(table, SECOND)) == place.figure(table) != exact(before[table])
    query = "select uninvoiced_amount from uninvoiced_history where account_id = 77 and day = '2026-07-02' order by project_id"
    assert rows(place.folder, query) == [(Decimal(1100),), (Decimal(300),)]
    query = """select budget, spent, is_over from budget_history
        where account_id = 77 and day = '2026-07-02' and month = '2026-05-01'"""
    assert rows(place.folder, query) == [(Decimal(8), Decimal(11), True)]


@pytest.mark.long
@on("duckdb", "postgres", "filesystem", "sqlite", "mariadb")
def test_last_run_of_a_day_counts_whole(place: Place) -> None:
    """Also where it has fewer rows, or none; what the day before had stays, and so does the other account's day."""
    place.run()
    first = {table: place.kept(table, FIRST) for table in TABLES}
    place.run(at=NOON + timedelta(days=1))
    theirs = {
        table: [row for row in place.kept(table, SECOND) if row[0] == THEIRS] for table in TABLES
    }
    place.move_to("2026-07-02T13:00:00Z")
    # fewer rows: one project is gone, the other's budget no longer starts again every month
    place.ours.tables["projects"] = [row for row in place.ours.tables["projects"] if row["id"] == 1]
    place.ours.change("projects", MONTHLY, budget_is_monthly=False)
    place.run(at=EVENING + timedelta(days=1))
    for table in TABLES:
        ours = [row for row in place.kept(table, SECOND) if row[0] == OURS]
        assert len(ours) == 1
        assert (
            exact(place.kept(table, SECOND)) == exact(theirs[table] + ours) == place.figure(table)
        )
    # none
    place.move_to("2026-07-02T14:00:00Z")
    place.ours.change("projects", MONTHLY, budget_by="none", is_billable=False)
    place.run(OURS, at=EVENING + timedelta(days=1, hours=1))
    for table in TABLES:
        assert exact(place.kept(table, SECOND)) == exact(theirs[table]) == place.figure(table)
    # and all again
    fill(place.ours)
    place.move_to("2026-07-02T15:00:00Z")
    for row_id in (MONTHLY, FIXED):
        place.ours.change("projects", row_id)
    place.run(OURS, at=EVENING + timedelta(days=1, hours=2))
    for table in TABLES:
        assert exact(place.kept(table, SECOND)) == place.figure(table)
        assert len(place.kept(table, SECOND)) == len(first[table])
        assert place.kept(table, FIRST) == first[table]


@on(long("filesystem"))
def test_account_whose_only_rows_of_all_days_go_has_none(place: Place) -> None:
    """The table may be empty; the next day fills it."""
    place.run(OURS)
    for row in place.ours.tables["projects"]:
        row.update(budget_by="none", is_billable=False, updated_at="2026-07-01T13:00:00Z")
    place.move_to("2026-07-01T13:00:00Z")
    place.run(OURS, at=EVENING)
    for table in TABLES:
        assert place.kept(table) == []
    place.run(THEIRS, at=EVENING)
    assert place.days(THEIRS) == {FIRST}


@pytest.mark.long
@on("duckdb", "postgres", "filesystem")
def test_account_that_fails_keeps_its_last_day(place: Place) -> None:
    place.run()
    before = {table: place.kept(table) for table in TABLES}
    place.refused = 500
    assert place.run(at=NOON + timedelta(days=1)).exit_code == 1
    assert (place.days(OURS), place.days(THEIRS)) == ({FIRST, SECOND}, {FIRST})
    place.refused = 403
    place.run(THEIRS, at=NOON + timedelta(days=2))
    assert place.days(THEIRS) == {FIRST}
    for table in TABLES:
        assert place.kept(table, FIRST) == [row[1:] for row in before[table]]
    place.refused = None
    assert place.run(at=NOON + timedelta(days=2)).exit_code == 0
    assert (place.days(OURS), place.days(THEIRS)) == ({FIRST, SECOND, THIRD}, {FIRST, THIRD})


@pytest.mark.long
def test_one_table_that_fails_keeps_the_last_day_until_it_is_read_again(place: Place) -> None:
    """Of the figures that need it; a later run of other reports does not know better, and earlier rows of the day stay."""
    place.run(OURS)
    place.fail("task_assignments")  # of the budgets alone
    place.run(OURS, at=NOON + timedelta(days=1))
    day = "select distinct day from {} order by 1"
    assert rows(place.folder, day.format("uninvoiced_history")) == [(FIRST,), (SECOND,)]
    assert rows(place.folder, day.format("budget_history")) == [(FIRST,)]
    place.fail()
    place.run(OURS, at=NOON + timedelta(days=1, hours=1), names=("clients", "users"))
    assert rows(place.folder, day.format("budget_history")) == [(FIRST,)]
    place.run(OURS, at=NOON + timedelta(days=1, hours=2), names=("task_assignments",))
    assert place.days(OURS) == {FIRST, SECOND}
    before = {table: place.kept(table) for table in TABLES}
    place.fail("users")
    place.move_to("2026-07-02T14:00:00Z")
    place.ours.change("time_entries", 1, rounded_hours=7)
    place.run(OURS, at=NOON + timedelta(days=1, hours=3))
    assert {table: place.kept(table) for table in TABLES} == before


@pytest.mark.long
def test_table_that_is_not_proved_to_equal_harvest_keeps_the_last_day(place: Place) -> None:
    """Such as one of which most rows seem to be gone."""
    place.ours.tables["time_entries"] += [entry(n, "2026-06-21", 1) for n in range(10, 40)]
    place.run(OURS)
    place.ours.tables["time_entries"] = place.ours.tables["time_entries"][:2]
    assert set(errors_of(place.run(OURS, at=NOON + timedelta(days=1)))) == {"time_entries"}
    assert place.days(OURS) == {FIRST}
    source = make_source(
        place.ours, *NAMES, accounts=(OURS,), clock=ClockAt(NOON + timedelta(days=1))
    )
    assert sync(make_pipeline(place.folder), source, accept_deletions=True).exit_code == 0
    assert place.days(OURS) == {FIRST, SECOND}


@pytest.mark.long
def test_run_of_a_few_reports_keeps_the_day_once_all_were_loaded(place: Place) -> None:
    """Their rows are the figure's as it stands then; before, there is no figure."""
    few = ("clients", "time_entries")
    place.run(OURS, names=few)
    assert place.days(OURS) == set()
    place.run(OURS, at=NOON + timedelta(days=1))
    place.move_to("2026-07-03T08:00:00Z")
    place.ours.change("time_entries", 1, rounded_hours=4)
    place.run(OURS, at=NOON + timedelta(days=2), names=few)
    assert place.days(OURS) == {SECOND, THIRD}
    for table in TABLES:
        assert exact(place.kept(table, THIRD)) == place.figure(table)
    place.run(THEIRS, at=NOON + timedelta(days=2), names=few)
    assert place.days(THEIRS) == set()


@pytest.mark.long
def test_run_from_a_date_on_keeps_the_day_of_tables_that_were_loaded_whole(place: Place) -> None:
    since = Choice(since=NOON - timedelta(days=10))
    place.run(OURS, choice=since)
    assert rows(place.folder, "select count(*) from time_entries") == [(2,)]
    assert place.days(OURS) == set()
    place.run(OURS, at=NOON + timedelta(days=1))
    place.run(OURS, at=NOON + timedelta(days=2), choice=since)
    assert place.days(OURS) == {SECOND, THIRD}


@pytest.mark.long
def test_module_that_is_switched_off_is_no_hindrance(place: Place) -> None:
    """Chosen or not, as long as its table is there."""
    place.ours.company["expense_feature"] = False
    assert place.run(OURS).exit_code == 0
    assert place.days(OURS) == {FIRST}
    less = tuple(name for name in NAMES if name != "expenses")
    assert notes_on_rows(place.run(OURS, at=NOON + timedelta(days=1), names=less)) == []
    assert place.days(OURS) == {FIRST, SECOND}


@pytest.mark.long
def test_module_that_is_switched_off_and_was_never_loaded_is_not_said_by_every_run(
    place: Place,
) -> None:
    """There is no table then, which the run says of the views, once."""
    place.ours.company["expense_feature"] = False
    less = tuple(name for name in NAMES if name != "expenses")
    assert notes_on_rows(place.run(OURS, names=less)) == []
    assert place.run(OURS, at=NOON + timedelta(days=1), names=less).notes == []
    assert place.days(OURS) == set()
    assert place.run(at=NOON + timedelta(days=2)).exit_code == 0
    assert place.days(OURS) == {THIRD}


@pytest.mark.long
def test_run_that_only_looks_keeps_no_day(place: Place) -> None:
    place.run()
    before = place.loads
    source = make_source(place.ours, *NAMES, clock=ClockAt(NOON + timedelta(days=1)))
    assert sync(make_pipeline(place.folder), source, repairs=False, totals=True).exit_code == 0
    assert place.loads == before


@pytest.mark.long
@on("duckdb", "postgres", "filesystem")
def test_rows_that_are_there_are_not_written_again(place: Place) -> None:
    """A second run of the day makes its one load; the first of a day has one more, for the day that ages count to."""

    def new_loads(at: Any) -> int:
        before = rows(place.folder, "select count(*) from harvest._dlt_loads")[0][0]
        assert place.run(at=at).exit_code == 0
        return int(rows(place.folder, "select count(*) from harvest._dlt_loads")[0][0] - before)

    place.run()
    written = place.loads
    assert len(written) == len(TABLES)
    assert new_loads(EVENING) == 1
    assert place.loads == written
    assert new_loads(NOON + timedelta(days=1)) == 2
    assert len(place.loads) == 2 * len(TABLES)
    place.move_to("2026-07-02T13:00:00Z")
    place.ours.change("time_entries", 1, notes="no number changes")
    assert new_loads(EVENING + timedelta(days=1)) == 2
    assert len(place.loads) == 2 * len(TABLES)


@pytest.mark.long
@on("duckdb", "postgres", "filesystem")
def test_kill_between_the_loads_leaves_the_day_to_the_next_run(place: Place) -> None:
    """The accounts have their day then, and the figures do not; where that run comes on another day, the day has no rows."""
    place.run()
    second, third = (NOON + timedelta(days=n) for n in (1, 2))
    with killed_at(loader, "figures_of_day"):
        place.run(at=second)
    assert place.as_of == {"77": "2026-07-02", "78": "2026-07-02"}
    assert place.days(OURS) == {FIRST}
    place.run(at=second)
    assert place.days(OURS) == place.days(THEIRS) == {FIRST, SECOND}
    for table in TABLES:
        assert exact(place.kept(table, SECOND)) == place.figure(table)
    with killed_at(loader, "figures_of_day"):
        place.run(at=third)
    place.run(at=third + timedelta(days=1))
    assert place.days(OURS) == {FIRST, SECOND, THIRD + timedelta(days=1)}


@pytest.mark.long
@on("duckdb", "postgres", "filesystem")
def test_load_that_a_kill_left_pending_brings_its_own_day(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the next run comes a day later."""
    place.run()
    finish, loads = package.finish_pending, list[int]()

    def finish_the_first(*given: Any) -> Any:
        loads.append(1)
        if len(loads) > 1:  # the second brings the day
            raise KeyboardInterrupt
        return finish(*given)

    with monkeypatch.context() as patch:
        patch.setattr(package, "finish_pending", finish_the_first)
        with pytest.raises(KeyboardInterrupt):
            place.run(at=NOON + timedelta(days=1))
    assert place.days(OURS) == {FIRST}
    summary = place.run(at=NOON + timedelta(days=2))
    assert summary.pending_loaded
    assert place.days(OURS) == place.days(THEIRS) == {FIRST, SECOND, THIRD}
    for table in TABLES:
        assert len(place.kept(table, SECOND)) == len(place.kept(table, FIRST))


@pytest.mark.long
@pytest.mark.parametrize("finished_by", ["its own run", "the next"])
def test_file_that_dlt_loads_twice_leaves_each_row_once(
    place: Place, monkeypatch: pytest.MonkeyPatch, finished_by: str
) -> None:
    """In its own run, and in the next one, a day later, which finishes its load."""
    place.run()
    is_pending = finished_by == "the next"
    if is_pending:
        with monkeypatch.context() as patch:
            patch.setattr(loader, "complete_accounts", lambda *_: {})
            place.run(at=NOON + timedelta(days=1))  # the day is there, so one load brings the rest
        with killed_at(package, "finish_pending"):
            place.run(at=NOON + timedelta(days=1))
    left = lose_answers(monkeypatch, {*TABLES})
    later = NOON + timedelta(days=2 if is_pending else 1)
    assert errors_of(place.run(at=later)) == {}
    assert left == set()
    for table in TABLES:
        twice = f"select count(*) from {table} group by account_id, day, project_id, as_of"
        days = f"select day, count(*) from {table} group by day order by day"
        number = len(place.kept(table, FIRST))
        found = [FIRST, SECOND, *([THIRD] if is_pending else [])]
        assert rows(place.folder, days) == [(day, number) for day in found]
        if table == "uninvoiced_history":
            assert set(rows(place.folder, twice)) == {(1,)}


def without_histories(patch: pytest.MonkeyPatch) -> None:
    """Has the product be the version before, which kept no history of figures."""
    patch.setattr(declared, "HISTORIES", ())
    patch.setattr(declared, "history_resources", list)
    patch.setattr(loader, "complete_accounts", lambda *_: {})


@pytest.mark.long
@on("duckdb", "postgres", "filesystem")
def test_tables_of_the_version_before_get_their_histories(place: Place) -> None:
    with pytest.MonkeyPatch.context() as patch:
        without_histories(patch)
        place.run()
        schema = make_pipeline(place.folder).default_schema
        assert not {*TABLES} & {*schema.data_table_names(include_incomplete=True)}
    ears = Ears()
    source = make_source(place.ours, *NAMES, clock=ClockAt(NOON))
    summary = sync(make_pipeline(place.folder), source, listener=ears)
    assert (errors_of(summary), notes_on_rows(summary), ears.notes) == ({}, [], [])
    for table in TABLES:
        assert exact(place.kept(table, FIRST)) == place.figure(table) != []


TYPES = """select column_name, data_type, numeric_precision, numeric_scale from information_schema.columns
    where table_schema = 'harvest' and table_name = '{}'"""
SQL_TYPES = {
    "bigint": ("bigint",),
    "decimal": ("decimal", "numeric"),
    "text": ("varchar", "character varying"),
    "bool": ("boolean",),
    "date": ("date",),
}


@on("duckdb", long("postgres"))
def test_columns_are_those_of_the_figure_and_the_day(place: Place) -> None:
    place.run(OURS, names=("roles",))  # the tables are there before their rows
    for history in HISTORIES:
        found = {
            name: (kind.lower().partition("(")[0], precision, scale)
            for name, kind, precision, scale in rows(place.folder, TYPES.format(history.name))
            if not name.startswith("_dlt")
        }
        assert list(found) == [*(each.name for each in history.figure.columns), "day"]
        for name, hint in history.hints["columns"].items():
            kind, precision, scale = found[name]
            assert kind in SQL_TYPES[hint["data_type"]], name
            assert hint["description"]
            if hint["data_type"] == "decimal":
                assert (precision, scale) == (20, 6)


def test_number_that_the_table_cannot_keep_costs_its_account_the_day(place: Place) -> None:
    """The other account's is kept, and what is said names it; the figure itself has such numbers."""
    place.ours.change("time_entries", 1, billable_rate=99999999999999)
    summary = place.run()
    told = "uninvoiced_history has no new rows of account 77: a number is too large"
    assert (summary.exit_code, notes_on_rows(summary)) == (0, [told])
    kept = "select distinct account_id from {} order by 1"
    assert rows(place.folder, kept.format("uninvoiced_history")) == [(THEIRS,)]
    assert rows(place.folder, kept.format("budget_history")) == [(OURS,), (THEIRS,)]


def test_more_than_six_digits_are_rounded_half_even(place: Place) -> None:
    place.ours.change("time_entries", 1, rounded_hours=0.25, billable_rate=0.00001)
    place.ours.change("time_entries", 2, rounded_hours=0.5, billable_rate=0.000001)
    assert place.run(OURS).exit_code == 0
    query = f"select days_0_30, days_31_60, uninvoiced_amount from uninvoiced_history where project_id = {MONTHLY}"
    numbers = (Decimal(0), Decimal("0.000002"), Decimal("0.000003"))
    assert rows(place.folder, query) == [numbers]


@pytest.mark.long
def test_figure_that_the_database_cannot_compute_is_said(place: Place) -> None:
    """The run is complete all the same: a table that it did not choose is gone, whose rows the next whole run reads again."""
    place.run(OURS)
    with make_pipeline(place.folder).sql_client() as client:
        client.execute_sql("drop table user_assignments cascade")
    summary = place.run(OURS, at=NOON + timedelta(days=1), names=("clients",))
    (told,) = notes_on_rows(summary)
    assert told.startswith("budget_history has no new rows: ")
    assert "user_assignments" in told
    assert summary.exit_code == 0
    assert rows(place.folder, "select max(day) from uninvoiced_history") == [(SECOND,)]
    assert place.run(OURS, at=NOON + timedelta(days=1)).exit_code == 0
    assert place.days(OURS) == {FIRST, SECOND}


HANDS = {
    "drop table budget_history": "budget_history was taken away in the destination: made anew; what stood in it is lost",
    "alter table budget_history drop column spent": (
        "budget_history.spent was taken away in the destination: made anew"
    ),
    "delete from budget_history where day = '2026-07-01'": None,
    "update budget_history set spent = 17": None,
    "insert into budget_history select * from budget_history": None,
}


@pytest.mark.long
def test_rows_of_the_day_that_a_hand_changed_are_there_again(place: Place) -> None:
    place.run()
    expected = place.kept("budget_history")
    for hand, said in HANDS.items():
        with make_pipeline(place.folder).sql_client() as client:
            client.execute_sql(hand)
        ears = Ears()
        source = make_source(place.ours, *NAMES, clock=ClockAt(EVENING))
        assert sync(make_pipeline(place.folder), source, listener=ears).exit_code == 0
        assert ears.notes == [each for each in (said,) if each], hand
        assert place.kept("budget_history") == expected, hand


@pytest.mark.long
def test_plain_dlt_leaves_the_histories_as_they_are(place: Place) -> None:
    make_pipeline(place.folder).run(make_source(place.ours, *NAMES, accounts=(OURS,)))
    schema = make_pipeline(place.folder).default_schema
    assert not {*TABLES} & {*schema.data_table_names(include_incomplete=True)}
    place.run(OURS)
    before = place.loads
    place.move_to("2026-07-01T13:00:00Z")
    place.ours.change("time_entries", 1, rounded_hours=4)
    make_pipeline(place.folder).run(make_source(place.ours, *NAMES, accounts=(OURS,)))
    assert place.loads == before != set()
