"""The reports: right sums, right rows, right ranges."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest

from harvest_sandbox import Account, Clock

if TYPE_CHECKING:
    from sandbox.conftest import Api

RANGE = {"from": "2025-02-01", "to": "2025-04-30"}
RANGED = [
    *(f"reports/time/{subject}" for subject in ("clients", "projects", "tasks", "team")),
    *(f"reports/expenses/{subject}" for subject in ("clients", "projects", "categories", "team")),
    "reports/uninvoiced",
]
SUBJECTS = [
    ("clients", "client"),
    ("projects", "project"),
    ("tasks", "task"),
    ("team", "user"),
    ("categories", "expense_category"),
]


def in_range(account: Account, report: str) -> list[dict[str, Any]]:
    """Return the charges of the range."""
    return [
        row
        for row in account.delivered(report)
        if RANGE["from"] <= row["spent_date"] <= RANGE["to"]
    ]


@pytest.mark.parametrize(("subject", "field"), SUBJECTS[:4])
def test_time_reports_sum_rounded_hours_by_subject_and_currency(
    api: Api, account: Account, subject: str, field: str
) -> None:
    hours: dict[Any, float] = defaultdict(float)
    billable: dict[Any, float] = defaultdict(float)
    money: dict[Any, float] = defaultdict(float)
    for entry in in_range(account, "time_entries"):
        group = (entry[field]["id"], entry["client"]["currency"])
        hours[group] += entry["rounded_hours"]
        billable[group] += entry["rounded_hours"] * entry["billable"]
        money[group] += entry["rounded_hours"] * (entry["billable_rate"] or 0)
    rows = api.rows(f"reports/time/{subject}", include_fixed_fee="true", **RANGE)
    groups = {(row[f"{field}_id"], row["currency"]): row for row in rows}
    assert len(groups) == len(rows)
    assert {group: row["total_hours"] for group, row in groups.items()} == pytest.approx(hours)
    assert {group: row["billable_hours"] for group, row in groups.items()} == pytest.approx(
        billable
    )
    assert {group: row["billable_amount"] for group, row in groups.items()} == pytest.approx(
        money, abs=0.01
    )


@pytest.mark.parametrize(("subject", "field"), [SUBJECTS[0], SUBJECTS[1], SUBJECTS[3], SUBJECTS[4]])
def test_expense_reports_sum_costs(api: Api, account: Account, subject: str, field: str) -> None:
    total: dict[Any, float] = defaultdict(float)
    billable: dict[Any, float] = defaultdict(float)
    for expense in in_range(account, "expenses"):
        group = (expense[field]["id"], expense["client"]["currency"])
        total[group] += expense["total_cost"]
        billable[group] += expense["total_cost"] * expense["billable"]
    rows = api.rows(f"reports/expenses/{subject}", **RANGE)
    assert {
        (row[f"{field}_id"], row["currency"]): row["total_amount"] for row in rows
    } == pytest.approx(total)
    assert {
        (row[f"{field}_id"], row["currency"]): row["billable_amount"] for row in rows
    } == pytest.approx(billable)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (
            "time/clients",
            {
                "client_id",
                "client_name",
                "total_hours",
                "billable_hours",
                "currency",
                "billable_amount",
            },
        ),
        (
            "time/team",
            {
                "user_id",
                "user_name",
                "is_contractor",
                "weekly_capacity",
                "avatar_url",
                "total_hours",
            },
        ),
        (
            "time/tasks",
            {
                "task_id",
                "task_name",
                "total_hours",
                "billable_hours",
                "currency",
                "billable_amount",
            },
        ),
        (
            "expenses/team",
            {
                "user_id",
                "user_name",
                "is_contractor",
                "total_amount",
                "billable_amount",
                "currency",
            },
        ),
        (
            "expenses/categories",
            {
                "expense_category_id",
                "expense_category_name",
                "total_amount",
                "billable_amount",
                "currency",
            },
        ),
        (
            "uninvoiced",
            {
                "client_id",
                "project_id",
                "currency",
                "total_hours",
                "uninvoiced_hours",
                "uninvoiced_amount",
            },
        ),
    ],
)
def test_rows_have_their_fields_and_come_by_name(api: Api, path: str, fields: set[str]) -> None:
    rows = api.rows(f"reports/{path}", **RANGE)
    assert rows
    assert all(fields <= set(row) for row in rows)
    if path.startswith(("time/clients", "expenses/team")):
        assert all(set(row) == fields for row in rows)
    name = next(
        field
        for field in (
            "user_name",
            "task_name",
            "expense_category_name",
            "project_name",
            "client_name",
        )
        if field in rows[0]
    )
    assert [row[name] for row in rows] == sorted(row[name] for row in rows)


def test_fixed_fee_projects_are_valued_only_when_asked_for(api: Api, account: Account) -> None:
    fixed = {key for key, project in account.rows["projects"].items() if project["is_fixed_fee"]}
    plain = {
        row["project_id"]: row["billable_amount"]
        for row in api.rows("reports/time/projects", **RANGE)
    }
    valued = {
        row["project_id"]: row["billable_amount"]
        for row in api.rows("reports/time/projects", include_fixed_fee="true", **RANGE)
    }
    assert all(plain[key] == 0 < valued[key] for key in fixed)
    assert all(plain[key] == valued[key] for key in plain if key not in fixed)


def test_names_of_projects_carry_the_code_in_time_and_expense_reports_only(
    api: Api, account: Account
) -> None:
    project = next(
        row for row in account.rows["projects"].values() if row["code"] and row["is_active"]
    )
    named = {
        row["project_id"]: row["project_name"] for row in api.rows("reports/time/projects", **RANGE)
    }
    assert named[project["id"]] == f"[{project['code']}] {project['name']}"
    for path in ("uninvoiced", "project_budget"):
        named = {
            row["project_id"]: row["project_name"] for row in api.rows(f"reports/{path}", **RANGE)
        }
        assert named[project["id"]] == project["name"]


@pytest.mark.parametrize("path", RANGED)
def test_a_range_is_required_and_at_most_a_year(api: Api, path: str) -> None:
    assert api.get(path, to="2025-01-01").status_code == 422
    assert api.get(path, from_="2025-01-01").status_code == 422
    assert api.get(path, from_="20210101", to="20220101").status_code == 200
    answer = api.get(path, from_="2020-01-01", to="2021-01-01")
    assert (answer.status_code, answer.json()) == (
        400,
        {"message": "Invalid timeframe: must not exceed 1 year"},
    )


def test_reports_are_paged_by_number(api: Api) -> None:
    pages = api.pages("reports/time/projects", per_page=3, **RANGE)
    assert [page["page"] for page in pages] == [1, 2, 3]
    assert "from=2025-02-01" in pages[0]["links"]["next"]


def test_neighbouring_months_add_up_to_the_whole(api: Api) -> None:
    def hours(first: str, last: str) -> float:
        return math.fsum(
            row["total_hours"] for row in api.rows("reports/time/clients", from_=first, to=last)
        )

    assert hours("2025-02-01", "2025-02-28") + hours("2025-03-01", "2025-03-31") == pytest.approx(
        hours("2025-02-01", "2025-03-31")
    )


def test_running_timers_count_as_they_are(api: Api, clock: Clock) -> None:
    def hours() -> float:
        return float(
            sum(
                row["total_hours"]
                for row in api.rows("reports/time/clients", from_="2025-06-30", to="2025-06-30")
            )
        )

    before = hours()
    clock.advance(3600)
    assert hours() == before + 2


def test_uninvoiced_lists_billable_projects_even_without_hours(api: Api, account: Account) -> None:
    rows = {
        row["project_id"]: row
        for row in api.rows("reports/uninvoiced", from_="2030-01-01", to="2030-01-31")
    }
    assert set(rows) == {
        key for key, project in account.rows["projects"].items() if project["is_billable"]
    }
    without = api.rows(
        "reports/uninvoiced", include_fixed_fee="false", from_="2030-01-01", to="2030-01-31"
    )
    assert all(not account.rows["projects"][row["project_id"]]["is_fixed_fee"] for row in without)


def test_uninvoiced_sums_open_work(api: Api, account: Account) -> None:
    amounts: dict[int, float] = defaultdict(float)
    for entry in in_range(account, "time_entries"):
        if entry["billable"] and not entry["is_billed"]:
            amounts[entry["project"]["id"]] += entry["rounded_hours"] * (
                entry["billable_rate"] or 0
            )
    for expense in in_range(account, "expenses"):
        if expense["billable"] and not expense["is_billed"]:
            amounts[expense["project"]["id"]] += expense["total_cost"]
    for row in api.rows("reports/uninvoiced", include_fixed_fee="false", **RANGE):
        assert row["uninvoiced_amount"] == pytest.approx(amounts[row["project_id"]], abs=0.01)


def test_the_budget_report_tells_what_is_left(api: Api, account: Account) -> None:
    rows = {row["project_id"]: row for row in api.rows("reports/project_budget")}
    assert set(rows) == {
        key for key, project in account.rows["projects"].items() if project["budget_by"] != "none"
    }
    for key, row in rows.items():
        project = account.rows["projects"][key]
        if row["budget"] is not None:
            assert row["budget_remaining"] == pytest.approx(row["budget"] - row["budget_spent"])
        if project["budget_by"] == "project" and not project["budget_is_monthly"]:
            entries = [
                entry
                for entry in account.delivered("time_entries")
                if entry["project"]["id"] == key
            ]
            assert row["budget_spent"] == pytest.approx(
                sum(entry["rounded_hours"] for entry in entries)
            )
    active = api.rows("reports/project_budget", is_active="false")
    assert [row["project_id"] for row in active] == [
        key for key in rows if not account.rows["projects"][key]["is_active"]
    ]
