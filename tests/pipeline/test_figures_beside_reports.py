"""Harvest's reports say what the figures say, rounded half up: of every project, user and month, whatever the account prefers."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import duckdb
import pytest
from clocks import SteppedClock
from figures_beside_reports import (
    OF_TIME,
    Number,
    compared,
    numbers_of_figures,
    numbers_of_reports,
)
from support import serving, sync_once

from harvest_sandbox import Account, Preferences, Sandbox, Size, build_account
from harvest_sandbox.build.projects import KINDS
from harvest_sandbox.rows import getter

TODAY = date(2025, 6, 30)
LARGE = Size(
    clients=25,
    users=30,
    projects=64,
    time_entries=100_000,
    expenses=2_000,
    invoices=60,
    estimates=2,
    days=364,
)
SMALL = Size(
    clients=8,
    users=6,
    projects=16,
    time_entries=3_000,
    expenses=120,
    invoices=12,
    estimates=1,
    days=364,
)
WITHOUT_RATE = 150  # of so many billable entries one has no rate, as with a user without one
TIME_REPORTS = ("time/projects", "time/clients", "time/tasks", "time/team")


def account_of(size: Size, *, only_billable: bool) -> Account:
    """Returns an account with all kinds of projects, a timer on each kind, and billable entries without a rate."""
    preferences = Preferences(budgets_count_billable_only=only_billable)
    account = build_account(size, seed=16, today=TODAY, preferences=preferences)
    entries = account.rows["time_entries"]
    is_billable = getter(entries, "billable")
    for key in [key for key in entries if is_billable(key)][::WITHOUT_RATE]:
        account.update("time_entries", key, billable_rate=None)
    for project_id in list(account.rows["projects"])[: len(KINDS)]:
        account.insert(
            "time_entries",
            project_id=project_id,
            spent_date=f"{TODAY}",
            is_running=True,
            timer_started_at=f"{TODAY}T14:53:00Z",
        )
    return account


def load(folder: Path, sandbox: Sandbox) -> Path:
    """Loads the account on its last day; returns the file."""
    (account,) = sandbox.accounts
    assert sync_once(folder, sandbox, clock=SteppedClock(account.now().timestamp())).exit_code == 0
    (file,) = folder.glob("*.duckdb")
    return file


def subjects(numbers: set[Number], report: str) -> int:
    """Returns of how many months of a project, user, client or task there are numbers."""
    return len({(number.subject, number.days) for number in numbers if number.report == report})


def count(file: Path, condition: str) -> int:
    """Returns how many time entries a condition is true for."""
    with duckdb.connect(str(file), read_only=True) as connection:
        ((number,),) = connection.execute(
            f"select count(*) from harvest.time_entries where {condition}"
        ).fetchall()
    return int(number)


@pytest.mark.long
@pytest.mark.parametrize("only_billable", [False, True])
def test_every_project_user_and_month_equals_its_report(
    tmp_path: Path,
    only_billable: bool,  # noqa: FBT001 - pytest passes it by name
) -> None:
    """Of 100,000 entries; with running entries added where the reports hold them."""
    account = account_of(LARGE, only_billable=only_billable)
    with serving(account) as sandbox:
        file = load(tmp_path, sandbox)
        for counts_timers, below_zero in ((True, True), (False, False)):
            account.preferences.reports_count_timers = counts_timers
            account.preferences.uninvoiced_below_zero = below_zero
            found = compared(
                numbers_of_figures(file, TODAY, with_timers=counts_timers),
                numbers_of_reports(sandbox),
            )
            assert found.differing == {}
            assert bool(found.below_zero) is below_zero
            assert subjects(found.equal, "time/projects") > 400
            assert subjects(found.equal, "time/team") > 250
            assert subjects(found.equal, "uninvoiced") > 300
            assert subjects(found.equal, "expenses/projects") > 300
            assert subjects(found.equal, "project_budget") > 40
    assert count(file, "true") > LARGE.time_entries
    assert count(file, "is_running") > len(KINDS)
    assert count(file, "billable and billable_rate is null") > 100
    of_hours = "project__id in (select id from harvest.projects where budget_by = 'project')"
    assert bool(count(file, f"not budgeted and {of_hours}")) is only_billable


# what is there once, in a project by time with a budget of hours for its whole life
OPEN_ENTRY = """select min(e.id) from time_entries e join projects p on p.id = e.project__id
    where e.billable and not e.is_billed and not e.is_running and e.billable_rate is not null and p.is_billable
        and not p.is_fixed_fee and p.budget is not null and p.budget_by = 'project' and not p.budget_is_monthly"""
OPEN_EXPENSE = """select min(x.id) from expenses x join projects p on p.id = x.project__id
    where x.billable and not x.is_billed and not p.is_fixed_fee and p.budget_by <> 'project_cost'"""
TIME = {(report, value) for report in TIME_REPORTS for value in OF_TIME}
AMOUNTS = {(report, "billable_amount") for report in TIME_REPORTS}
SPENT = {("project_budget", "budget_spent"), ("project_budget", "budget_remaining")}
UNINVOICED_TIME = {("uninvoiced", "uninvoiced_hours"), ("uninvoiced", "uninvoiced_amount")}
# what a hand changes in the tables, and which numbers are then no longer those of the reports
CHANGES: dict[str, set[tuple[str, str]]] = {
    f"update time_entries set rounded_hours = rounded_hours + 0.25 where id = ({OPEN_ENTRY})": (
        TIME | SPENT | UNINVOICED_TIME
    ),
    f"update time_entries set billable_rate = billable_rate + 1 where id = ({OPEN_ENTRY})": (
        AMOUNTS | {("uninvoiced", "uninvoiced_amount")}
    ),
    f"update time_entries set is_billed = true where id = ({OPEN_ENTRY})": UNINVOICED_TIME,
    f"update time_entries set budgeted = false where id = ({OPEN_ENTRY})": SPENT,
    f"update time_entries set user__id = -user__id where id = ({OPEN_ENTRY})": {
        ("time/team", value) for value in OF_TIME
    },
    f"delete from time_entries where id = ({OPEN_ENTRY})": TIME | SPENT | UNINVOICED_TIME,
    f"update expenses set total_cost = total_cost + 0.01 where id = ({OPEN_EXPENSE})": {
        ("expenses/projects", "total_amount"),
        ("expenses/projects", "billable_amount"),
        ("expenses/clients", "billable_amount"),
        ("uninvoiced", "uninvoiced_expenses"),
        ("uninvoiced", "uninvoiced_amount"),
    },
    "update projects set budget = budget + 1 where id = (select min(id) from projects where budget_by = 'project')": {
        ("project_budget", "budget"),
        ("project_budget", "budget_remaining"),
    },
}


@pytest.mark.long
def test_one_value_that_a_hand_changes_is_seen_in_each_number_that_it_is_part_of(
    tmp_path: Path,
) -> None:
    account = account_of(SMALL, only_billable=False)
    with serving(account) as sandbox:
        file = load(tmp_path, sandbox)
        reports = numbers_of_reports(sandbox)
    assert compared(numbers_of_figures(file, TODAY, with_timers=True), reports).differing == {}
    assert compared(numbers_of_figures(file, TODAY, with_timers=False), reports).differing
    for change, expected in CHANGES.items():
        changed = Path(shutil.copy(file, tmp_path / "changed.duckdb"))
        with duckdb.connect(str(changed)) as connection:
            connection.execute("use harvest")
            assert connection.execute(change).fetchall() == [(1,)], change
        figures = numbers_of_figures(changed, TODAY, with_timers=True)
        differing = compared(figures, reports).differing
        assert {(number.report, number.value) for number in differing} == expected, change
