"""The account that is built: complete, consistent, plausible, the same for the same seed."""

from __future__ import annotations

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
from recorded import plain_rows

from harvest_sandbox import SIZES, Account, Caller, Clock, Size, build_account
from harvest_sandbox.access import Access
from harvest_sandbox.budgets import budget_report
from harvest_sandbox.money import totals
from harvest_sandbox.rows import EntryRows

TODAY = date(2025, 6, 30)
EXAMPLES = Path(__file__).parents[1] / "examples"
SEEDS = (1, 2, 3)
Row = dict[str, Any]

_built: dict[tuple[str, int], Account] = {}


def built(size: str, seed: int = 1) -> Account:
    """Return an account to read only."""
    if (size, seed) not in _built:
        _built[size, seed] = build_account(SIZES[size], seed=seed, today=TODAY)
    return _built[size, seed]


both_sizes = pytest.mark.parametrize("size", sorted(SIZES))


@both_sizes
def test_every_table_has_rows(size: str) -> None:
    assert all(built(size).rows[report] for report in built(size).rows)


@both_sizes
def test_the_sizes_are_those_asked_for(size: str) -> None:
    account, wanted = built(size), SIZES[size]
    for report in (
        "clients",
        "users",
        "projects",
        "time_entries",
        "expenses",
        "invoices",
        "estimates",
    ):
        assert len(account.rows[report]) == getattr(wanted, report)


def test_a_whole_load_of_the_demo_takes_less_than_eighty_requests() -> None:
    rows = built("demo").rows
    managers = sum("manager" in user["access_roles"] for user in rows["users"].values())
    requests = (
        25 + 4 * len(rows["users"]) + managers + 2 * len(rows["invoices"]) + len(rows["estimates"])
    )
    assert requests < 80
    assert all(len(table) <= 2000 for table in rows.values())


@both_sizes
def test_every_field_of_the_examples_is_in_every_row(size: str) -> None:
    account = built(size)
    for report, table in account.rows.items():
        example = json.loads((EXAMPLES / f"{report}.json").read_text(encoding="utf-8"))
        for row in table.values():
            assert set(row) == set(example), report
            for name, value in row.items():
                if isinstance(value, dict) and isinstance(example[name], dict):
                    assert set(value) == set(example[name]), (report, name)
    assert set(account.company) == set(
        json.loads((EXAMPLES / "company.json").read_text(encoding="utf-8"))
    )


@both_sizes
def test_invoices_and_estimates_add_up(size: str) -> None:
    account = built(size)
    for report in ("invoices", "estimates"):
        for row in account.rows[report].values():
            for line in row["line_items"]:
                assert line["amount"] == pytest.approx(
                    line["quantity"] * line["unit_price"], abs=0.0051
                )
            subtotal = math.fsum(line["amount"] for line in row["line_items"])
            taxes = row["tax_amount"] + row["tax2_amount"]
            assert row["amount"] == pytest.approx(
                subtotal - row["discount_amount"] + taxes, abs=0.006
            )
            assert (row["tax_amount"] > 0) <= (row["tax"] is not None)
    for key, row in account.rows["invoices"].items():
        payments = account.children_of("invoice_payments", key)
        paid = math.fsum(
            account.rows["invoice_payments"][payment]["amount"] for payment in payments
        )
        assert row["due_amount"] == pytest.approx(row["amount"] - paid, abs=0.001)
        assert (row["state"] == "paid") == (row["due_amount"] == 0)
        assert row["state"] != "draft" or row["sent_at"] is None


@pytest.mark.parametrize(
    "recorded",
    [row for row in plain_rows("invoices") if row["line_items"]],
    ids=itemgetter("number"),
)
def test_amounts_are_worked_out_as_harvest_works_them_out(recorded: Row) -> None:
    """Of lines, discount and taxes of the invoices that were recorded."""
    computed = totals(recorded)
    assert computed == {name: recorded[name] for name in computed}
    assert "amount" in computed


@both_sizes
def test_hourly_lines_are_the_hours_billed_on_the_invoice(size: str) -> None:
    account = built(size)
    hours: dict[int, float] = defaultdict(float)
    fixed = {key for key, project in account.rows["projects"].items() if project["is_fixed_fee"]}
    for entry in account.rows["time_entries"].values():
        if entry["invoice"] and entry["project"]["id"] not in fixed:
            assert entry["billable_rate"] is not None
            hours[entry["invoice"]["id"]] += entry["rounded_hours"]
    for key, row in account.rows["invoices"].items():
        lines = math.fsum(
            line["quantity"] for line in row["line_items"] if line["kind"] == "Service"
        )
        assert lines == pytest.approx(hours[key])


@both_sizes
def test_links_lead_to_rows_and_agree_with_each_other(size: str) -> None:
    rows = built(size).rows
    for entry in rows["time_entries"].values():
        project = rows["projects"][entry["project"]["id"]]
        assert entry["client"] == project["client"]
        task = rows["task_assignments"][entry["task_assignment"]["id"]]
        assert (task["project"]["id"], task["task"]) == (project["id"], entry["task"])
        if entry["user_assignment"]:
            assignment = rows["user_assignments"][entry["user_assignment"]["id"]]
            assert (assignment["project"]["id"], assignment["user"]) == (
                project["id"],
                entry["user"],
            )
        assert entry["billable"] == (project["is_billable"] and task["billable"])
        assert entry["billable"] or entry["billable_rate"] is None
        assert entry["invoice"] is None or (entry["is_billed"] and entry["billable"])
        if entry["invoice"]:
            invoice = rows["invoices"][entry["invoice"]["id"]]
            assert invoice["client"]["id"] == entry["client"]["id"]
            assert invoice["number"] == entry["invoice"]["number"]
            assert invoice["period_start"] <= entry["spent_date"] <= invoice["period_end"]
    for contact in rows["contacts"].values():
        assert contact["client"]["name"] == rows["clients"][contact["client"]["id"]]["name"]


@both_sizes
def test_no_moment_lies_in_the_future_and_no_row_changed_before_it_was(size: str) -> None:
    account = built(size)
    now = account.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    for report, table in account.rows.items():
        for row in table.values():
            if report != "teammates":
                assert row["created_at"] <= row["updated_at"] <= now, (report, row)


@both_sizes
def test_spent_dates_are_working_days_of_fourteen_months(size: str) -> None:
    days = [
        date.fromisoformat(row["spent_date"])
        for row in built(size).rows["time_entries"].values()
        if not row["is_running"]
    ]
    assert all(day.weekday() < 5 and (TODAY - day).days in range(1, 426) for day in days)
    assert len({day.strftime("%Y-%m") for day in days}) >= 14


def test_entries_are_spread_over_as_many_days_as_wanted() -> None:
    """In ten years each working day has some, and each year its share."""
    account = build_account(replace(SIZES["demo"], time_entries=30_000, days=3650), today=TODAY)
    per_day = Counter(row["spent_date"] for row in account.rows["time_entries"].values())
    assert len(account.rows["time_entries"]) == 30_000
    assert (min(per_day), max(per_day)) == ("2015-07-03", "2025-06-30")
    working = [date(2015, 7, 3) + timedelta(days=back) for back in range(3650)]
    assert {str(day) for day in working if day.weekday() < 5} <= {*per_day}
    assert max(per_day.values()) < 2 * 30_000 / len(per_day)


@pytest.mark.parametrize(
    ("seed", "form"),
    [(1, r"([1-9]|1[0-2]):[0-5]\d(am|pm)"), (2, r"(\d|1\d|2[0-3]):[0-5]\d")],
)
def test_times_of_day_are_written_by_the_companys_clock(seed: int, form: str) -> None:
    """Without a leading zero by either, as recorded."""
    entries = built("demo", seed).rows["time_entries"].values()
    times = [row[name] for row in entries for name in ("started_time", "ended_time") if row[name]]
    assert [text for text in times if not re.fullmatch(form, text)] == []
    assert {len(text) for text in times} == ({6, 7} if seed == 1 else {4, 5})


@both_sizes
def test_hours_of_a_day_are_plausible(size: str) -> None:
    per_day: Counter[tuple[int, str]] = Counter()
    for row in built(size).rows["time_entries"].values():
        per_day[row["user"]["id"], row["spent_date"]] += row["hours"]
    assert max(per_day.values()) < 24
    assert 3 < sum(per_day.values()) / len(per_day) < 9


@both_sizes
def test_budgets_fit_the_work(size: str) -> None:
    rows = [
        row
        for row in budget_report(Access(built(size), Caller()), {})
        if row["budget"] and not row["budget_is_monthly"]
    ]
    assert all(0.3 < row["budget_spent"] / row["budget"] < 1.5 for row in rows)
    assert {row["budget_remaining"] < 0 for row in rows} == {True, False}


@both_sizes
def test_the_account_is_worth_looking_at(size: str) -> None:
    rows = {report: list(table.values()) for report, table in built(size).rows.items()}
    assert len({row["currency"] for row in rows["clients"]}) >= 5
    assert {row["is_active"] for row in rows["clients"]} == {True, False}
    assert {row["budget_by"] for row in rows["projects"]} == {
        "project",
        "project_cost",
        "task",
        "task_fees",
        "person",
        "none",
    }
    assert {row["bill_by"] for row in rows["projects"]} == {"Project", "Tasks", "People", "none"}
    assert (
        {row["is_fixed_fee"] for row in rows["projects"]}
        == {row["is_billable"] for row in rows["projects"]}
        == {True, False}
    )
    assert {row["state"] for row in rows["invoices"]} == {"draft", "open", "paid", "closed"}
    assert any(0 < row["due_amount"] < row["amount"] for row in rows["invoices"])
    assert any(
        row["state"] == "open" and row["due_date"] < TODAY.isoformat() for row in rows["invoices"]
    )
    assert {row["state"] for row in rows["estimates"]} == {"draft", "sent", "accepted", "declined"}
    assert any(row["issue_date"] is None for row in rows["estimates"])
    assert sum(row["is_running"] for row in rows["time_entries"]) == 2
    assert {line["project"] is None for row in rows["invoices"] for line in row["line_items"]} == {
        True,
        False,
    }
    assert any(row["payment_gateway"]["name"] for row in rows["invoice_payments"])
    assert {row["start_date"] is None for row in rows["billable_rates"]} == {True, False}
    assert any(row["end_date"] for row in rows["cost_rates"])
    assert any("🚀" in (row["notes"] or "") for row in rows["time_entries"])
    assert {row["receipt"] is None for row in rows["expenses"]} == {True, False}
    assert any(row["user_assignment"] is None for row in rows["expenses"])
    assert any(row["user_assignment"] is None for row in rows["time_entries"])
    assert any(row["external_reference"] for row in rows["time_entries"])
    assert {type(row["hours"]) for row in rows["time_entries"]} == {int, float}
    assert min(row["id"] for row in rows["time_entries"]) > 2**31
    assert any(not row["is_active"] for row in rows["users"])
    assert any(row["is_contractor"] for row in rows["users"])
    assert any(row["event_type"] == "close" for row in rows["invoice_messages"])
    assert any(row["recipients"] for row in rows["estimate_messages"])


Tables = Mapping[str, Mapping[Any, Row]]
Test = Callable[[Row, Tables], Any]


def project_of(row: Row, rows: Tables) -> Row:
    """Return the project of a charge or an assignment."""
    return rows["projects"][row["project"]["id"]]


def shares(way: str, budget: float | None) -> Test:
    """Return what finds the active part with work of a project with such budgets whose own one is null or 0."""
    field = "user" if way == "person" else "task"

    def test(row: Row, rows: Tables) -> bool:
        found = row["budget"] is None if budget is None else row["budget"] == budget
        return bool(found and row["is_active"]) and (
            project_of(row, rows)["budget_by"] == way
            and any(
                (entry["project"]["id"], entry[field]["id"])
                == (row["project"]["id"], row[field]["id"])
                for entry in rows["time_entries"].values()
            )
        )

    return test


def budgets(way: str, *, monthly: bool) -> Test:
    """Return what finds a project with such a budget."""
    return lambda row, _: row["budget_by"] == way and row["budget_is_monthly"] == monthly


def begins(*, starts: bool) -> Test:
    """Return what finds a fixed fee with a start or without one."""
    return lambda row, _: row["is_fixed_fee"] and row["fee"] and bool(row["starts_on"]) == starts


def overdrawn(row: Row, rows: Tables) -> bool:
    """Tell whether more was invoiced of a fixed fee than was agreed, drafts left out."""
    lines = [
        line["amount"]
        for invoice in rows["invoices"].values()
        for line in invoice["line_items"]
        if invoice["state"] != "draft" and line["project"] and line["project"]["id"] == row["id"]
    ]
    return bool(row["is_fixed_fee"]) and sum(lines) > row["fee"]


WAYS = ("project", "project_cost", "task", "task_fees", "person")
# what the rules of the reports tell apart: the table, and what a row of it must be like
IN_EVERY_ACCOUNT: dict[str, tuple[str, Test]] = {
    **{f"budget by {way}": ("projects", budgets(way, monthly=False)) for way in (*WAYS, "none")},
    "monthly hours": ("projects", budgets("project", monthly=True)),
    "budget with expenses": ("projects", lambda row, _: row["cost_budget_include_expenses"]),
    "null for a person": ("user_assignments", shares("person", None)),
    "0 for a person": ("user_assignments", shares("person", 0)),
    "null for a task": ("task_assignments", shares("task", None)),
    "0 for a task": ("task_assignments", shares("task", 0)),
    "null for a task's fees": ("task_assignments", shares("task_fees", None)),
    "0 for a task's fees": ("task_assignments", shares("task_fees", 0)),
    "person gone with a budget": (
        "user_assignments",
        lambda row, _: not row["is_active"] and row["budget"],
    ),
    "task gone": ("task_assignments", lambda row, _: not row["is_active"]),
    "fee with a start": ("projects", begins(starts=True)),
    "fee without a start": ("projects", begins(starts=False)),
    "no capacity of one's own": ("users", lambda row, _: row["weekly_capacity"] is None),
    "capacity 0": ("users", lambda row, _: row["weekly_capacity"] == 0),
    "timer": ("time_entries", lambda row, _: row["is_running"]),
    "not billable": ("time_entries", lambda row, _: not (row["billable"] or row["is_billed"])),
    "billed, not billable": (
        "time_entries",
        lambda row, _: row["is_billed"] and not row["billable"],
    ),
    "billed by hand": (
        "time_entries",
        lambda row, _: row["is_billed"] and row["billable"] and not row["invoice"],
    ),
    "on a draft": (
        "time_entries",
        lambda row, rows: (
            row["invoice"] and rows["invoices"][row["invoice"]["id"]]["state"] == "draft"
        ),
    ),
    "expense, not billable": ("expenses", lambda row, _: not row["billable"]),
    "written off": (
        "invoices",
        lambda row, _: row["state"] == "closed" and row["due_amount"] == row["amount"],
    ),
    "discount": ("invoices", lambda row, _: row["discount_amount"]),
    "two taxes": ("invoices", lambda row, _: row["tax_amount"] and row["tax2_amount"]),
    "retainer": ("invoices", lambda row, _: row["retainer"]),
    "category of expenses": ("invoice_item_categories", lambda row, _: row["use_as_expense"]),
    "category of services": ("invoice_item_categories", lambda row, _: row["use_as_service"]),
}
IN_LARGER_ONES: dict[str, tuple[str, Test]] = {
    **{f"monthly by {way}": ("projects", budgets(way, monthly=True)) for way in WAYS},
    "null for a project": (
        "projects",
        lambda row, _: row["budget_by"] == "project" and row["budget"] is None,
    ),
    "monthly money with expenses": (
        "projects",
        lambda row, _: row["budget_is_monthly"] and row["cost_budget_include_expenses"],
    ),
    "billable without a budget": (
        "projects",
        lambda row, _: row["is_billable"] and row["budget_by"] == "none",
    ),
    "hours budgeted that nobody pays": (
        "projects",
        lambda row, _: not row["is_billable"] and row["budget_by"] == "project",
    ),
    "fee invoiced beyond": ("projects", overdrawn),
    "written off after a payment": (
        "invoices",
        lambda row, _: row["state"] == "closed" and 0 < row["due_amount"] < row["amount"],
    ),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("size", "name"),
    [
        *((size, name) for size in sorted(SIZES) for name in IN_EVERY_ACCOUNT),
        *(("default", name) for name in IN_LARGER_ONES),
    ],
)
def test_every_rule_of_the_reports_has_a_row_that_shows_it(size: str, name: str, seed: int) -> None:
    report, test = (IN_EVERY_ACCOUNT | IN_LARGER_ONES)[name]
    rows = built(size, seed).rows
    assert any(test(row, rows) for row in rows[report].values())


def test_the_same_seed_and_day_give_the_same_account() -> None:
    first, second = (build_account(SIZES["demo"], seed=7, today=TODAY) for _ in range(2))
    for report in first.rows:
        assert dict(first.rows[report]) == dict(second.rows[report]), report
    assert (first.id, first.company) == (second.id, second.company)


def test_other_seeds_share_no_id() -> None:
    for report in built("demo").rows:
        if report != "teammates":
            ids = [key for seed in SEEDS for key in built("demo", seed).rows[report]]
            assert len(ids) == len(set(ids)), report
    assert len({built("demo", seed).id for seed in SEEDS}) == len(SEEDS)


def test_without_a_day_the_account_ends_today_and_its_clock_runs() -> None:
    account = build_account()
    assert not isinstance(account.now, Clock)
    newest = max(
        date.fromisoformat(row["spent_date"]) for row in account.rows["time_entries"].values()
    )
    assert (account.now().date() - newest).days in {0, 1}, (
        "one day later where midnight has just passed"
    )


@pytest.mark.parametrize(
    "size",
    [
        Size(0, 0, 0, 0, 0, 0, 0),
        Size(1, 1, 1, 1, 1, 1, 1),
        Size(clients=0),
        Size(users=0),
        Size(projects=0),
        Size(time_entries=0, expenses=0),
        Size(2, 2, 2, 5, 2, 3, 9),
    ],
)
def test_any_size_can_be_built(size: Size) -> None:
    account = build_account(size, today=TODAY)
    assert len(account.rows["clients"]) == size.clients
    for row in account.delivered("time_entries"):
        assert row["hours"] >= 0


def test_many_entries_stay_packed_until_they_are_asked_for() -> None:
    account = build_account(Size(time_entries=20_000, users=20, projects=20), today=TODAY)
    rows = account.rows["time_entries"]
    assert isinstance(rows, EntryRows)
    assert len(rows) == 20_000
    key = next(iter(rows))
    peeked = rows.peek(key)
    assert {name: rows.getter(name)(key) for name in peeked} == peeked
    assert rows[key] == peeked
    assert rows[key] is rows[key]


@both_sizes
def test_paid_time_off_fits_together(size: str) -> None:
    """Requests in each state, one over a weekend without hours there and one of half a day; their users and types exist."""
    account = built(size)
    requests = list(account.rows["pto_requests"].values())
    assert {row["status"] for row in requests} == {"approved", "pending", "rejected"}
    for row in requests:
        assert row["user"]["id"] in account.rows["users"]
        assert row["pto_type"]["id"] in account.rows["pto_types"]
        days = [date.fromisoformat(day["date"]) for day in row["request_days"]]
        assert (days[0], days[-1]) == tuple(
            date.fromisoformat(row[name]) for name in ("start_date", "end_date")
        )
        assert row["days"] == sum(day["day_fraction"] for day in row["request_days"])
        for day, named in zip(days, row["request_days"], strict=True):
            assert (named["hours"] == 0) == (day.weekday() > 4)
    assert any(day["day_fraction"] == 0.5 for row in requests for day in row["request_days"])
    assert any(day["hours"] == 0 for row in requests for day in row["request_days"])
    for calendar in account.rows["pto_holiday_calendars"].values():
        assert calendar["entries_count"] == len(calendar["entries"]) > 0
    assert set(account.pto.calendar_of.values()) == set(account.rows["pto_holiday_calendars"])
    assert set(account.pto.calendar_of) < set(account.rows["users"])
