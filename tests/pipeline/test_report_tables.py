"""Harvest's own reports as tables: what is asked for, what the tables hold, and what is asked for again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from destinations import long, on
from loads import killed_at
from pipelines import make_pipeline, rows
from support import make_settings, make_source, serving, stop_timers
from two_accounts import ClockAt

from harvest_sandbox import Account, Caller, Fault, Limit, Sandbox, Size, build_account
from harvest_source.api.limits import GENERAL, REPORTS, Budgets
from harvest_source.catalogue.harvest_reports import HARVEST_REPORTS
from harvest_source.catalogue.lookup import by_name
from harvest_source.connection import connect
from harvest_source.loading.listener import Listener
from harvest_source.loading.report_tables import ReportTables
from harvest_source.loading.summary import Summary
from harvest_source.loading.syncing import sync
from harvest_source.reading.reader import Choice, Mode
from harvest_source.resources import source_of

TODAY = date(2026, 7, 15)
NOW = datetime(2026, 7, 15, 16, tzinfo=UTC)
SMALL = Size(
    projects=4, users=3, invoices=2, estimates=0, time_entries=90, expenses=12, clients=3, days=150
)
LISTS = ("projects", "time_entries", "expenses")
CLIENTS, TEAM, SPENT = "report_time_clients", "report_time_team", "report_expenses_categories"
OF_DAYS = tuple(report.name for report in HARVEST_REPORTS if report.only_when_named)


def small(seed: int = 1, *, fixed_fee: bool = False) -> Account:
    """Returns an account whose timers stand still, by default without fixed-fee projects."""
    account = build_account(SMALL, seed=seed, today=TODAY)
    stop_timers(account)
    for project_id in account.rows["projects"]:
        account.update("projects", project_id, is_fixed_fee=fixed_fee)
    return account


def later(account: Account) -> None:
    """Lets a minute pass in an account: what is changed now is newer than all that was there."""
    account.now.advance(60)  # type: ignore[attr-defined]


class Place:
    """Accounts that a sandbox serves, and the tables that follow them."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.folder, self.sandbox = folder, sandbox
        self.notes: list[str] = []

    def run(self, *names: str, lists: tuple[str, ...] = LISTS, **options: Any) -> Summary:
        """Runs once, with the lists that the reports sum up."""
        self.sandbox.clear()
        self.notes = []
        keywords = {name: options.pop(name) for name in ("repairs", "totals") if name in options}
        options.setdefault("clock", ClockAt(NOW))
        source = make_source(self.sandbox, *lists, *names, **options)
        pipeline = make_pipeline(self.folder)
        return sync(pipeline, source, listener=Listener(self.notes.append), **keywords)

    def asked(self, name: str) -> list[str]:
        """Returns the spans that the last run asked for, by their first days."""
        path = f"/v2/{by_name(name).path}"
        return [each.query["from"] for each in self.sandbox.requests if each.path == path]

    def table(self, name: str, columns: str) -> Counter[tuple[Any, ...]]:
        """Returns some columns of a table's rows, dates as texts."""
        found = rows(self.folder, f"select {columns} from {name}")
        return Counter(
            tuple(str(each) if isinstance(each, date) else each for each in row) for row in found
        )


@contextmanager
def place_of(folder: Path, *accounts: Account, **options: Any) -> Iterator[Place]:
    """Gives accounts that are served, and a folder for their tables."""
    with serving(*accounts, **options) as sandbox:
        yield Place(folder, sandbox)


def months(account: Account, table: str = "time_entries") -> list[str]:
    """Returns the first days of the months in which there is an entry, newest first; that of today is among them."""
    found = {f"{row['spent_date'][:7]}-01" for row in account.rows[table].values()}
    return sorted(found | {f"{TODAY:%Y-%m}-01"}, reverse=True)


def hours_by(account: Account, subject: str) -> Counter[tuple[Any, ...]]:
    """Returns the rounded hours of entries, by account, month, subject and currency."""
    sums: dict[tuple[Any, ...], Decimal] = {}
    for row in account.rows["time_entries"].values():
        key = (
            account.id,
            f"{row['spent_date'][:7]}-01",
            row[subject]["id"],
            row["client"]["currency"],
        )
        sums[key] = sums.get(key, Decimal(0)) + Decimal(str(row["rounded_hours"]))
    return Counter((*key, hours) for key, hours in sums.items())


def assert_sums(place: Place, *accounts: Account) -> None:
    """Compares the table of clients' hours with the entries."""
    found = place.table(CLIENTS, "account_id, from_date, client_id, currency, total_hours")
    wanted = sum((hours_by(each, "client") for each in accounts), Counter())
    assert found == wanted


def entry_in(account: Account, month: str) -> Any:
    """Returns the id of an entry of a month."""
    return next(
        key
        for key, row in account.rows["time_entries"].items()
        if row["spent_date"].startswith(month[:7])
    )


def errors_of(summary: Summary) -> dict[str, str]:
    """Returns the errors by report."""
    return {each.report: each.error for each in summary.results if each.error}


@on(long("duckdb"), long("postgres"), long("filesystem"))
def test_closed_months_are_asked_again_only_if_something_in_them_changed(tmp_path: Path) -> None:
    account = small()
    with place_of(tmp_path, account) as place:
        summary = place.run(CLIENTS, SPENT)
        assert errors_of(summary) == {}
        assert place.asked(CLIENTS) == months(account)
        assert place.asked(SPENT) == months(account, "expenses")
        assert_sums(place, account)
        (line,) = (each for each in summary.results if each.report == CLIENTS)
        assert (line.verified, line.deleted) == ("as read", 0)
        assert line.new == line.total == place.table(CLIENTS, "1").total()

        place.run(CLIENTS, SPENT)
        this_month = months(account)[:1]
        assert (place.asked(CLIENTS), place.asked(SPENT)) == (this_month, this_month)

        _, second, third, fourth, *_ = months(account)
        later(account)
        changed = entry_in(account, second)
        account.update("time_entries", changed, hours=9.25)
        place.run(lists=LISTS)  # which does not name the reports
        assert place.asked(CLIENTS) == []
        place.run(CLIENTS, SPENT)
        assert (place.asked(CLIENTS), place.asked(SPENT)) == ([*this_month, second], this_month)
        assert_sums(place, account)

        later(account)
        account.update("time_entries", changed, spent_date=f"{fourth[:7]}-02")
        place.run(CLIENTS)
        assert place.asked(CLIENTS) == [*this_month, second, fourth]

        later(account)
        account.delete("time_entries", entry_in(account, third))
        account.insert("time_entries", spent_date=f"{second[:7]}-03", hours=2.0)
        summary = place.run(CLIENTS)
        assert place.asked(CLIENTS) == [*this_month, second, third]
        assert_sums(place, account)
        assert errors_of(summary) == {}

        for key in [
            key
            for key, row in account.rows["time_entries"].items()
            if row["spent_date"].startswith(third[:7])
        ]:
            account.delete("time_entries", key)
        place.run(CLIENTS)
        assert place.asked(CLIENTS) == [*this_month, third]
        assert_sums(place, account)
        assert place.run(CLIENTS).exit_code == 0
        assert place.asked(CLIENTS) == this_month
        assert rows(tmp_path, "select count(*) from deleted_rows where report like 'report%'") == [
            (0,)
        ]


def test_all_ten_have_the_columns_that_harvest_sends(tmp_path: Path) -> None:
    """No field is new to the catalogue, and none of it stays empty."""
    account = small(fixed_fee=True)
    for key in account.rows["projects"]:
        account.update("projects", key, budget_by="project", budget=40.0)
    with place_of(tmp_path, account) as place:
        summary = place.run(*(report.name for report in HARVEST_REPORTS), report_period="year")
        assert errors_of(summary) == {}
        assert summary.new_fields == []
        assert {
            each.report: each.verified for each in summary.results if each.report not in LISTS
        } == {
            **dict.fromkeys(OF_DAYS, "as read"),
            "report_project_budget": "read today",
        }
    for report in HARVEST_REPORTS:
        counts = ", ".join(
            f"count({column.name})" for column in report.columns if column.name != "avatar_url"
        )
        assert 0 not in rows(tmp_path, f"select {counts} from {report.name}")[0], report.name


@pytest.mark.long
def test_two_accounts_and_two_currencies_stay_apart(tmp_path: Path) -> None:
    ours, theirs = small(1), small(2)
    client_id = next(iter(ours.rows["clients"]))
    ours.update("clients", client_id, currency="USD")
    with place_of(tmp_path, ours, theirs) as place:
        place.run(CLIENTS, accounts=(ours.id, theirs.id))
        assert_sums(place, ours, theirs)
        later(ours)
        account_entry = entry_in(ours, months(ours)[1])
        ours.delete("time_entries", account_entry)
        place.run(CLIENTS, accounts=(ours.id, theirs.id))
        assert_sums(place, ours, theirs)
        place.run(CLIENTS, accounts=(ours.id,), choice=Choice(mode=Mode.REPLACE))
        assert place.asked(CLIENTS) == months(ours)
        assert_sums(place, ours, theirs)


@on(long("duckdb"), long("filesystem"))
def test_another_period_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    account = small()
    with place_of(tmp_path, account) as place:
        for period, longest in (("month", 30), ("year", 364), ("week", 6), ("month", 30)):
            summary = place.run(CLIENTS, TEAM, report_period=period)
            assert errors_of(summary) == {}
            spans = set(rows(tmp_path, f"select from_date, to_date from {TEAM}"))
            assert max((last - first).days for first, last in spans) == longest
            (hours,) = rows(tmp_path, f"select sum(total_hours) from {TEAM}")[0]
            assert hours == sum(
                Decimal(str(row["rounded_hours"])) for row in account.rows["time_entries"].values()
            )
            place.run(CLIENTS, TEAM, report_period=period)
            assert len(place.asked(TEAM)) == 1
        assert_sums(place, account)


@pytest.mark.long
def test_months_with_time_of_a_fixed_fee_project_are_always_asked(tmp_path: Path) -> None:
    account = small(fixed_fee=True)
    with place_of(tmp_path, account) as place:
        for _ in range(2):
            place.run(CLIENTS, SPENT)
            assert place.asked(CLIENTS) == months(account)
        assert place.asked(SPENT) == months(account)[:1]


@pytest.mark.long
def test_without_the_entries_every_month_is_asked_and_the_run_says_so(tmp_path: Path) -> None:
    account = small()
    with place_of(tmp_path, account) as place:
        for _ in range(2):
            summary = place.run(CLIENTS, lists=())
            assert errors_of(summary) == {}
            first = min(row["spent_date"] for row in account.rows["time_entries"].values())
            assert place.asked(CLIENTS)[-1] == f"{first[:7]}-01"
            assert place.asked(CLIENTS)[0] == f"{TODAY:%Y-%m}-01"
            assert any(
                "every span of report_time_clients is asked for" in note for note in place.notes
            )
            assert_sums(place, account)
        place.run(CLIENTS, lists=(), start_date="2026-06-09")
        assert place.asked(CLIENTS) == ["2026-07-01", "2026-06-01"]
        assert_sums(place, account)


@pytest.mark.long
def test_what_is_not_invoiced_is_asked_by_whole_years(tmp_path: Path) -> None:
    account = small()
    with place_of(tmp_path, account) as place:
        for _ in range(2):
            place.run("report_uninvoiced", report_period="week")
            years = {row["spent_date"][:4] for row in account.rows["time_entries"].values()} | {
                "2026"
            }
            assert place.asked("report_uninvoiced") == [
                f"{year}-01-01" for year in sorted(years, reverse=True)
            ]
        found = place.table("report_uninvoiced", "from_date, to_date, project_id")
        projects = [key for key, row in account.rows["projects"].items() if row["is_billable"]]
        assert found == Counter(
            (f"{year}-01-01", f"{year}-12-31", key) for year in years for key in projects
        )


def test_a_lasting_error_keeps_what_was_read_and_the_next_run_goes_on(tmp_path: Path) -> None:
    account = small()
    with place_of(tmp_path, account) as place:
        fault = Fault(path="reports/time/clients", status=500, after=2, times=None)
        place.sandbox.faults.append(fault)
        summary = place.run(CLIENTS, TEAM)
        assert summary.exit_code == 1
        assert errors_of(summary).keys() == {CLIENTS}
        assert "2 of" in errors_of(summary)[CLIENTS]
        assert [day for (day,) in sorted(set(place.table(CLIENTS, "from_date")))] == sorted(
            months(account)[:2]
        )
        place.sandbox.faults.clear()
        place.run(CLIENTS, TEAM)
        assert place.asked(CLIENTS) == [months(account)[0], *months(account)[2:]]
        assert place.asked(TEAM) == months(account)[:1]
        assert_sums(place, account)


@pytest.mark.long
def test_a_kill_after_a_load_keeps_what_was_loaded(tmp_path: Path) -> None:
    account = small()
    with place_of(tmp_path, account) as place:
        with killed_at(ReportTables, "results"):
            place.run(CLIENTS)
        place.run(CLIENTS)
        assert place.asked(CLIENTS) == months(account)[:1]
        assert_sums(place, account)
        later(account)
        account.delete("time_entries", entry_in(account, months(account)[1]))
        with killed_at(ReportTables, "_write"):
            place.run(CLIENTS)
        place.run(CLIENTS)
        assert place.asked(CLIENTS) == months(account)[:2]
        assert_sums(place, account)


@pytest.mark.long
def test_the_token_is_refused_in_the_middle(tmp_path: Path) -> None:
    account = small()
    with place_of(tmp_path, account) as place:
        place.sandbox.faults.append(Fault(path="reports/", status=401, after=3, times=None))
        with pytest.raises(Exception, match="401"):
            place.run(CLIENTS)
        place.sandbox.faults.clear()
        place.run(CLIENTS)
        assert place.asked(CLIENTS) == [months(account)[0], *months(account)[3:]]
        assert_sums(place, account)


def test_ten_years_within_the_limit_of_their_own(tmp_path: Path) -> None:
    """No answer is 429, what was read is loaded before each wait, and what it takes is said before."""
    size = Size(
        projects=2,
        users=2,
        invoices=0,
        estimates=0,
        time_entries=700,
        expenses=0,
        clients=2,
        days=3660,
    )
    account = build_account(size, seed=3, today=TODAY)
    stop_timers(account)
    clock = ClockAt(NOW)
    limit = Limit(clock=clock.now, general=(1_000_000, 15.0))
    with place_of(tmp_path, account, limit=limit) as place:
        settings = make_settings(place.sandbox)
        connection = connect(
            settings, (), None, clock=clock, budgets=Budgets(clock, GENERAL, REPORTS)
        )
        source = source_of(connection).with_resources(*LISTS, CLIENTS)
        notes: list[str] = []
        pipeline = make_pipeline(tmp_path)
        summary = sync(pipeline, source, listener=Listener(notes.append))
        assert summary.exit_code == 0
        assert (summary.waits, limit.refused) == (0, 0)
        assert place.asked(CLIENTS) == months(account)
        assert len(months(account)) > 100
        assert any(
            f"{CLIENTS}: {len(months(account))} spans, about 15 min" in note for note in notes
        )
        loads = rows(tmp_path, f"select count(distinct _dlt_load_id) from {CLIENTS}")
        assert loads == [(2,)], "before the wait, and at the end"
        assert_sums(place, account)


@pytest.mark.long
def test_verify_asks_for_every_month_and_repairs_what_a_hand_changed(tmp_path: Path) -> None:
    account = small()
    with place_of(tmp_path, account) as place:
        place.run(CLIENTS)
        third = months(account)[2]
        with make_pipeline(tmp_path).sql_client() as client:
            client.execute_sql(f"update {CLIENTS} set total_hours = 1 where from_date = '{third}'")
        verify: dict[str, Any] = {"choice": Choice(mode=Mode.ALL), "totals": True}
        told = place.run(CLIENTS, repairs=False, **verify)
        assert errors_of(told).keys() == {CLIENTS}
        assert "rows differ from Harvest" in errors_of(told)[CLIENTS]
        repaired = place.run(CLIENTS, **verify)
        assert place.asked(CLIENTS) == months(account)
        (line,) = (each for each in repaired.results if each.report == CLIENTS)
        assert line.verified.startswith("repaired ")
        assert_sums(place, account)
        (line,) = (each for each in place.run(CLIENTS, **verify).results if each.report == CLIENTS)
        assert (line.verified, line.new, line.changed) == ("yes", 0, 0)


@pytest.mark.long
def test_rows_and_tables_that_a_hand_took_are_asked_for_again(tmp_path: Path) -> None:
    account = small()
    with place_of(tmp_path, account) as place:
        place.run(CLIENTS)
        third = months(account)[2]
        with make_pipeline(tmp_path).sql_client() as client:
            client.execute_sql(f"delete from {CLIENTS} where from_date = '{third}'")
        place.run(CLIENTS)
        assert place.asked(CLIENTS) == [months(account)[0], third]
        with make_pipeline(tmp_path).sql_client() as client:
            client.execute_sql(f"drop table {CLIENTS}")
        place.run(CLIENTS)
        assert place.asked(CLIENTS) == months(account)
        assert_sums(place, account)


@pytest.mark.long
def test_a_member_reads_own_rows_and_what_is_refused_fails_alone(tmp_path: Path) -> None:
    account = small()
    user_id = next(
        key for key, row in account.rows["users"].items() if row["access_roles"] == ["member"]
    )
    with place_of(tmp_path, account) as place:
        place.sandbox.callers["member"] = Caller(user_id=user_id)
        summary = place.run(TEAM, "report_uninvoiced", lists=("time_entries",), token="member")
        assert "403" in errors_of(summary)["report_uninvoiced"]
        (line,) = (each for each in summary.results if each.report == TEAM)
        assert line.error is None
        assert "only rows of" in line.verified
        assert {user for (user,) in place.table(TEAM, "user_id")} <= {user_id}
        assert {each for (each,) in place.table(TEAM, "currency")} <= {None}
        place.run(TEAM)
        assert place.asked(TEAM) == months(account), "another token sees other rows"


def test_the_budgets_are_those_of_now(tmp_path: Path) -> None:
    account = small()
    with place_of(tmp_path, account) as place:
        name = "report_project_budget"
        summary = place.run(name, lists=())
        assert errors_of(summary) == {}
        assert [each.path for each in place.sandbox.requests if "reports/" in each.path] == [
            "/v2/reports/project_budget"
        ]
        first = place.table(name, "project_id")
        with_budget = [
            key for key, row in account.rows["projects"].items() if row["budget_by"] != "none"
        ]
        assert first == Counter((key,) for key in with_budget)
        for key in with_budget:
            account.update("projects", key, budget_by="none", budget=None)
        assert place.run(name, lists=()).exit_code == 0
        assert place.table(name, "project_id") == Counter()


@pytest.mark.long
def test_plain_dlt_loads_a_report_that_is_named(tmp_path: Path) -> None:
    account = small()
    with place_of(tmp_path, account) as place:
        whole = source_of(make_source(place.sandbox).connection)
        assert not {*whole.selected_resources} & {*OF_DAYS}
        assert "report_project_budget" in whole.selected_resources
        place.sandbox.clear()
        for _ in range(2):
            source = make_source(place.sandbox, CLIENTS, clock=ClockAt(NOW))
            assert place.sandbox.requests == []
            make_pipeline(tmp_path).run(source)
            assert_sums(place, account)
            place.sandbox.clear()
