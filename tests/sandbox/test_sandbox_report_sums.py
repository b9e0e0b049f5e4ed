"""The sums of the reports: cases worked by hand, and any small account against a plain computation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import report_sums
from hypothesis import given, settings
from hypothesis import strategies as st

from harvest_sandbox import Account, Caller, Clock, Preferences
from harvest_sandbox.access import Access
from harvest_sandbox.budgets import budget_report
from harvest_sandbox.money import cents, exact, rounded, running_hours
from harvest_sandbox.reports import expense_report, time_report, uninvoiced_report

Row = dict[str, Any]
NOW = datetime(2025, 6, 30, 16, tzinfo=UTC)
TODAY, EARLIER = "2025-06-30", "2025-05-31"
QUERY = {"from": "2025-01-01", "to": "2025-06-30"}
TIME = ("total_hours", "billable_hours", "billable_amount")
EXPENSES = ("total_amount", "billable_amount")
UNINVOICED = ("total_hours", "uninvoiced_hours", "uninvoiced_expenses", "uninvoiced_amount")
BUDGET = ("budget", "budget_spent", "budget_remaining")


def empty(**preferences: bool) -> Account:
    """Return an account with two clients, users, tasks and a category, and no project."""
    account = Account(1, "Small", {}, now=Clock(NOW), preferences=Preferences(**preferences))
    for number, currency in enumerate(("EUR", "USD"), start=1):
        account.insert("clients", {"id": number}, name=f"Client {number}", currency=currency)
        account.insert("users", {"id": number}, first_name=f"User {number}")
        account.insert("tasks", {"id": number}, name=f"Task {number}")
    account.insert("expense_categories", {"id": 1})
    return account


def add_project(account: Account, **fields: Any) -> int:
    """Add a project on which both users and both tasks are; return its id."""
    plain: Row = {"client_id": 1}
    key: int = account.insert("projects", **(plain | fields))["id"]
    for number in (1, 2):
        account.insert("user_assignments", project_id=key, user_id=number)
        account.insert("task_assignments", project_id=key, task_id=number)
    return key


def track(account: Account, project: int, hours: float, **fields: Any) -> Row:
    """Add a time entry of rounded hours, by default of user and task 1, worth 10 an hour."""
    plain: Row = {"user_id": 1, "task_id": 1, "spent_date": TODAY, "billable_rate": 10}
    return account.insert(
        "time_entries",
        project_id=project,
        **(plain | {"hours": hours, "rounded_hours": hours} | fields),
    )


def spend(account: Account, project: int, total_cost: float, **fields: Any) -> None:
    """Add an expense."""
    plain: Row = {"user_id": 1, "expense_category_id": 1, "spent_date": TODAY}
    account.insert("expenses", project_id=project, total_cost=total_cost, **(plain | fields))


def bill(account: Account, project: int | None, amount: float, state: str, **fields: Any) -> None:
    """Add an invoice of one line."""
    named = account.copies.get("project", project) if project is not None else None
    line = {"amount": amount, "project": named, "taxed": True, "taxed2": False}
    account.insert("invoices", client_id=1, state=state, line_items=[line], **fields)


def administrator(account: Account) -> Access:
    """Return who sees everything."""
    return Access(account, Caller(access_roles=["administrator"]))


def sums(rows: list[Row], key: str, fields: tuple[str, ...]) -> dict[Any, report_sums.Shown]:
    """Return the numbers of a report's rows by key, and by currency where the key needs it."""
    found = {
        row[key] if fields in (UNINVOICED, BUDGET) else (row[key], row["currency"]): tuple(
            row[field] for field in fields
        )
        for row in rows
    }
    assert len(found) == len(rows)
    return found


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0.005", 0.01),
        ("1.005", 1.01),
        ("2.675", 2.68),
        ("1.0049999", 1.0),
        ("-0.005", -0.01),
        ("-0.004", 0.0),
        ("12345678.905", 12345678.91),
    ],
)
def test_half_a_cent_is_rounded_away_from_zero(value: str, expected: float) -> None:
    assert str(cents(exact(value))) == str(expected)


@pytest.mark.parametrize(
    ("hours", "expected"), [(0, 0), (0.01, 0.25), (0.25, 0.25), (2.1, 2.25), (1.75, 1.75), (8, 8)]
)
def test_hours_are_rounded_up_to_a_quarter(hours: float, expected: float) -> None:
    assert rounded(hours) == expected


@pytest.mark.parametrize(("seconds", "expected"), [(0, 1.0), (17, 1.0), (18, 1.01), (3600, 2.0)])
def test_a_timer_has_run_since_it_was_started(seconds: int, expected: float) -> None:
    entry = {"hours_without_timer": 1, "timer_started_at": "2025-06-30T16:00:00Z"}
    assert running_hours(entry, NOW + timedelta(seconds=seconds)) == expected


@dataclass(frozen=True)
class Budget:
    """A project, what was done on it, and the budget, spent and remaining that the report must show."""

    project: Row
    work: Callable[[Account, int], Any]
    expected: tuple[float | None, float, float | None]
    people: tuple[float | None, float | None] = (None, None)
    tasks: tuple[float | None, float | None] = (None, None)


def work(account: Account, project: int) -> None:
    """Track 3 billable hours of user and task 1, 0.5 others of user and task 2, 2 hours a month ago; spend 7 and 5."""
    track(account, project, 3)
    track(account, project, 0.5, user_id=2, task_id=2, billable=False, billable_rate=None)
    track(account, project, 2, spent_date=EARLIER)
    spend(account, project, 7)
    spend(account, project, 5, billable=False, spent_date=EARLIER)


def archived_part(account: Account, project: int) -> None:
    """Do the same and archive the assignments of user and task 2."""
    work(account, project)
    for report, field in (("user_assignments", "user"), ("task_assignments", "task")):
        for key, row in account.rows[report].items():
            if row[field]["id"] == 2:
                account.update(report, key, is_active=False)


BUDGETS = {
    "hours: all of them": Budget({"budget_by": "project", "budget": 5}, work, (5.0, 5.5, -0.5)),
    "hours, this month": Budget(
        {"budget_by": "project", "budget": 5, "budget_is_monthly": True}, work, (5.0, 3.5, 1.5)
    ),
    "hours: the budget is blank": Budget({"budget_by": "project"}, work, (None, 5.5, None)),
    "hours: the budget is 0": Budget({"budget_by": "project", "budget": 0}, work, (0.0, 5.5, -5.5)),
    "hours that do not count": Budget(
        {"budget_by": "project", "budget": 5},
        lambda account, key: (track(account, key, 1), track(account, key, 2, budgeted=False)),
        (5.0, 1.0, 4.0),
    ),
    "money: billable hours": Budget(
        {"budget_by": "project_cost", "cost_budget": 60, "budget": 9}, work, (60.0, 50.0, 10.0)
    ),
    "money of a fixed fee": Budget(
        {"budget_by": "project_cost", "cost_budget": 60, "is_fixed_fee": True, "fee": 1},
        work,
        (60.0, 50.0, 10.0),
    ),
    "money: an entry that is not billable has a rate left": Budget(
        {"budget_by": "project_cost", "cost_budget": 60},
        lambda account, key: track(account, key, 2, billable=False, billable_rate=10),
        (60.0, 0.0, 60.0),
    ),
    "money and expenses, billable or not": Budget(
        {"budget_by": "project_cost", "cost_budget": 60, "cost_budget_include_expenses": True},
        work,
        (60.0, 62.0, -2.0),
    ),
    "money and expenses, this month": Budget(
        {
            "budget_by": "project_cost",
            "cost_budget": 60,
            "cost_budget_include_expenses": True,
            "budget_is_monthly": True,
        },
        work,
        (60.0, 37.0, 23.0),
    ),
    "money: half a cent": Budget(
        {"budget_by": "project_cost", "cost_budget": 1},
        lambda account, key: track(account, key, 0.25, billable_rate=0.02),
        (1.0, 0.01, 1.0),
    ),
    "people: one has none": Budget({"budget_by": "person"}, work, (4.0, 5.0, -1.0), (4, None)),
    "people: one has 0": Budget({"budget_by": "person"}, work, (4.0, 5.5, -1.5), (4, 0)),
    "people: nobody has one": Budget({"budget_by": "person"}, work, (None, 0.0, None)),
    "people, this month": Budget(
        {"budget_by": "person", "budget_is_monthly": True}, work, (4.0, 3.0, 1.0), (4, None)
    ),
    "people: one is archived": Budget(
        {"budget_by": "person"}, archived_part, (4.0, 5.0, -1.0), (4, 3)
    ),
    "people: budgets of tasks mean nothing": Budget(
        {"budget_by": "person"}, work, (1.0, 0.5, 0.5), (None, 1), (9, 9)
    ),
    "tasks: one has none": Budget({"budget_by": "task"}, work, (2.5, 0.5, 2.0), tasks=(None, 2.5)),
    "tasks: one has 0": Budget({"budget_by": "task"}, work, (2.5, 5.5, -3.0), tasks=(0, 2.5)),
    "tasks: one is archived": Budget(
        {"budget_by": "task"}, archived_part, (4.0, 5.0, -1.0), tasks=(4, 3)
    ),
    "fees of tasks: one has none": Budget(
        {"budget_by": "task_fees"}, work, (80.0, 50.0, 30.0), tasks=(80, None)
    ),
    "fees of tasks: expenses mean nothing": Budget(
        {"budget_by": "task_fees", "cost_budget_include_expenses": True},
        work,
        (80.0, 50.0, 30.0),
        tasks=(80, 0),
    ),
}


@pytest.mark.parametrize("name", BUDGETS)
def test_a_budget_is_spent_as_harvest_counts_it(name: str) -> None:
    case, account = BUDGETS[name], empty()
    key = add_project(account, **case.project)
    add_project(account, budget_by="none")
    for report, budgets in (("user_assignments", case.people), ("task_assignments", case.tasks)):
        for number, budget in enumerate(budgets):
            account.update(report, list(account.rows[report])[number], budget=budget)
    case.work(account, key)
    assert sums(budget_report(administrator(account), {}), "project_id", BUDGET) == {
        key: case.expected
    }


@pytest.mark.parametrize(
    ("only_billable", "spent"), [(False, {"b": 3.5, "n": 0.5}), (True, {"b": 3.0, "n": 0.0})]
)
def test_only_billable_hours_are_budgeted_where_the_account_prefers_it(
    only_billable: bool,  # noqa: FBT001 - pytest passes it by name
    spent: dict[str, float],
) -> None:
    account = empty(budgets_count_billable_only=only_billable)
    names = {
        add_project(account, name="b", budget_by="project", budget=5): "b",
        add_project(account, name="n", budget_by="project", budget=5, is_billable=False): "n",
    }
    for key, name in names.items():
        if name == "b":
            track(account, key, 3)
        track(account, key, 0.5, billable=False, billable_rate=None)
    rows = budget_report(administrator(account), {})
    assert {names[row["project_id"]]: row["budget_spent"] for row in rows} == spent


def test_an_entry_that_becomes_billable_is_budgeted() -> None:
    account = empty(budgets_count_billable_only=True)
    entry = track(account, add_project(account, budget_by="project", budget=5), 2, billable=False)
    assert entry["budgeted"] is False
    assert account.update("time_entries", entry["id"], billable=True)["budgeted"] is True


def fee(account: Account, **fields: Any) -> int:
    """Add a project with a fixed fee of 1000 and 2 hours on it."""
    key = add_project(account, **({"is_fixed_fee": True, "fee": 1000} | fields))
    track(account, key, 2)
    spend(account, key, 7)
    return key


def by_time(account: Account) -> int:
    """Add a project by time with every kind of time and expense; only 3 hours and 7 are open."""
    key = add_project(account)
    work(account, key)
    track(account, key, 8, is_billed=True)
    track(account, key, 1, billable_rate=None)
    track(account, key, 4, billable=False, is_billed=True, billable_rate=None)
    spend(account, key, 90, is_billed=True)
    bill(account, key, 80, "open")
    return key


def invoiced(
    account: Account,
    *states: str,
    agreed: float | None = 1000,
    amount: float = 400,
    **fields: Any,
) -> int:
    """Add a project with a fixed fee and invoices over a part of it; another project's line means nothing."""
    key = fee(account, fee=agreed)
    for state in states:
        bill(account, key, amount, state, **fields)
    bill(account, add_project(account, is_billable=False), 50, "paid")
    bill(account, None, 60, "paid")
    return key


UNINVOICED_CASES: dict[str, tuple[Callable[[Account], int], tuple[float, ...]]] = {
    "by time: billable, not billed, in the range": (by_time, (16.5, 4.0, 7.0, 37.0)),
    "a fee without invoices": (fee, (2.0, 2.0, 7.0, 1000.0)),
    "a fee without start begins when the project was created": (
        lambda account: fee(account, created_at="2025-06-30T23:59:59Z"),
        (2.0, 2.0, 7.0, 1000.0),
    ),
    "a fee without start, before the project was created": (
        lambda account: fee(account, created_at="2025-07-01T00:00:00Z"),
        (2.0, 2.0, 7.0, 0.0),
    ),
    "a fee that begins on the last day": (
        lambda account: fee(account, starts_on="2025-06-30", created_at="2025-07-02T08:00:00Z"),
        (2.0, 2.0, 7.0, 1000.0),
    ),
    "a fee that begins later": (
        lambda account: fee(account, starts_on="2025-07-01", created_at="2025-01-02T08:00:00Z"),
        (2.0, 2.0, 7.0, 0.0),
    ),
    "a fee: drafts are not invoiced": (
        lambda account: invoiced(account, "draft", "draft"),
        (2.0, 2.0, 7.0, 1000.0),
    ),
    "a fee: open, paid and written off are": (
        lambda account: invoiced(account, "open", "closed", "draft"),
        (2.0, 2.0, 7.0, 200.0),
    ),
    "a fee: before tax and discount": (
        lambda account: invoiced(account, "paid", tax=19, discount=10),
        (2.0, 2.0, 7.0, 600.0),
    ),
    "a fee that was invoiced beyond": (
        lambda account: invoiced(account, "open", "paid", amount=600.25),
        (2.0, 2.0, 7.0, -200.5),
    ),
    "no fee": (
        lambda account: invoiced(account, "paid", agreed=None),
        (2.0, 2.0, 7.0, -400.0),
    ),
}


@pytest.mark.parametrize("name", UNINVOICED_CASES)
@pytest.mark.parametrize("below_zero", [True, False])
def test_uninvoiced_is_what_no_invoice_but_drafts_holds(
    name: str,
    below_zero: bool,  # noqa: FBT001 - pytest passes it by name
) -> None:
    build, expected = UNINVOICED_CASES[name]
    account = empty(uninvoiced_below_zero=below_zero)
    key = build(account)
    rows = uninvoiced_report(administrator(account), {"from": "2025-06-01", "to": "2025-06-30"})
    if not below_zero:
        expected = (*expected[:3], max(expected[3], 0.0))
    assert sums(rows, "project_id", UNINVOICED) == {key: expected}


@pytest.mark.parametrize(("timers", "hours"), [(True, 3.25), (False, 2.0)])
def test_running_timers_are_in_all_reports_or_in_none(
    timers: bool,  # noqa: FBT001 - pytest passes it by name
    hours: float,
) -> None:
    account = empty(reports_count_timers=timers)
    key = add_project(account, budget_by="project", budget=5)
    track(account, key, 2)
    running = {"is_running": True, "timer_started_at": "2025-06-30T14:59:00Z"}
    track(account, key, 0, **running)
    caller = administrator(account)
    (row,) = time_report(caller, "projects", QUERY)
    assert (row["total_hours"], row["billable_amount"]) == (hours, hours * 10)
    (row,) = uninvoiced_report(caller, QUERY)
    assert (row["uninvoiced_hours"], row["uninvoiced_amount"]) == (hours, hours * 10)
    (row,) = budget_report(caller, {})
    assert row["budget_spent"] == hours


amounts = st.integers(0, 3_000_000).map(
    lambda number: number // 10_000 if number % 3 == 0 else number / 10_000
)
hundredths = st.integers(0, 2_000).map(lambda number: number / 100)
days = st.dates(date(2025, 3, 1), date(2025, 7, 20)).map(date.isoformat)
maybe_amounts = st.none() | st.just(0) | amounts


@st.composite
def accounts(draw: st.DrawFn) -> Account:
    """Return an account of up to three projects of any kind, with any work, expenses and invoices on them."""
    flag = st.booleans()
    account = empty(**{name: draw(flag) for name in vars(Preferences())})
    for _ in range(draw(st.integers(1, 3))):
        add_project(
            account,
            client_id=draw(st.integers(1, 2)),
            is_billable=draw(flag),
            is_fixed_fee=draw(flag),
            fee=draw(maybe_amounts),
            budget_by=draw(
                st.sampled_from(["project", "project_cost", "task", "task_fees", "person", "none"])
            ),
            budget=draw(maybe_amounts),
            cost_budget=draw(maybe_amounts),
            budget_is_monthly=draw(flag),
            cost_budget_include_expenses=draw(flag),
            starts_on=draw(st.none() | days),
            created_at=f"{draw(days)}T08:00:00Z",
        )
    projects = st.sampled_from(list(account.rows["projects"]))
    for report in ("user_assignments", "task_assignments"):
        for key in account.rows[report]:
            account.update(report, key, budget=draw(maybe_amounts), is_active=draw(flag))
    for _ in range(draw(st.integers(0, 8))):
        charge = {
            "spent_date": draw(days),
            "user_id": draw(st.integers(1, 2)),
            "billable": draw(flag),
            "is_billed": draw(flag),
        }
        if draw(st.integers(0, 3)) == 0:
            spend(account, draw(projects), draw(amounts), **charge)
            continue
        charge |= {"task_id": draw(st.integers(1, 2)), "billable_rate": draw(maybe_amounts)}
        if draw(st.integers(0, 4)) == 0:
            charge |= {"is_running": True, "timer_started_at": "2025-06-30T12:34:00Z"}
        track(account, draw(projects), draw(hundredths), **charge)
    for _ in range(draw(st.integers(0, 3))):
        state = draw(st.sampled_from(["draft", "open", "paid", "closed"]))
        bill(account, draw(st.none() | projects), draw(amounts), state)
    return account


spans = st.tuples(days, days).map(sorted)


@given(account=accounts(), span=spans, fixed_fee=st.booleans())
@settings(max_examples=300)
def test_reports_hold_the_plain_sums_of_the_rows(
    account: Account,
    span: list[str],
    fixed_fee: bool,  # noqa: FBT001 - drawn by name
) -> None:
    first, last = span
    caller, query = administrator(account), {"from": first, "to": last}
    query_of_fees = query | {"include_fixed_fee": str(fixed_fee).lower()}
    for subject, field in report_sums.SUBJECTS.items():
        if subject != "categories":
            assert sums(time_report(caller, subject, query_of_fees), f"{field}_id", TIME) == (
                report_sums.time_sums(account, subject, first, last, fixed_fee=fixed_fee)
            )
        if subject != "tasks":
            assert sums(expense_report(caller, subject, query), f"{field}_id", EXPENSES) == (
                report_sums.expense_sums(account, subject, first, last)
            )
    assert sums(uninvoiced_report(caller, query_of_fees), "project_id", UNINVOICED) == (
        report_sums.uninvoiced_sums(account, first, last, fixed_fee=fixed_fee)
    )
    assert sums(budget_report(caller, {}), "project_id", BUDGET) == report_sums.budget_sums(account)
