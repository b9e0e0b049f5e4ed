"""The account that is built: complete, consistent, plausible, the same for the same seed."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from harvest_sandbox import SIZES, Account, Caller, Clock, Size, build_account
from harvest_sandbox.access import Access
from harvest_sandbox.budgets import budget_report
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


def test_a_whole_load_of_the_demo_takes_less_than_seventy_requests() -> None:
    rows = built("demo").rows
    managers = sum("manager" in user["access_roles"] for user in rows["users"].values())
    requests = (
        19 + 3 * len(rows["users"]) + managers + 2 * len(rows["invoices"]) + len(rows["estimates"])
    )
    assert requests < 70
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
        if entry["is_billed"]:
            invoice = rows["invoices"][entry["invoice"]["id"]]
            assert invoice["client"]["id"] == entry["client"]["id"]
            assert invoice["number"] == entry["invoice"]["number"]
            assert invoice["period_start"] <= entry["spent_date"] <= invoice["period_end"]
        else:
            assert entry["invoice"] is None
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
