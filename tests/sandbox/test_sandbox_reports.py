"""The reports: right sums, right rows, right ranges."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
import report_sums

from harvest_sandbox import Account, Clock

if TYPE_CHECKING:
    from sandbox.conftest import Api

RANGE = {"from": "2025-02-01", "to": "2025-04-30"}
RANGED = [
    *(f"reports/time/{subject}" for subject in ("clients", "projects", "tasks", "team")),
    *(f"reports/expenses/{subject}" for subject in ("clients", "projects", "categories", "team")),
    "reports/uninvoiced",
]
FEES = pytest.mark.parametrize("fixed_fee", ["false", "true"])
SUBJECTS = report_sums.SUBJECTS


@FEES
@pytest.mark.parametrize("subject", ["clients", "projects", "tasks", "team"])
def test_time_reports_sum_rounded_hours_by_subject_and_currency(
    api: Api, account: Account, subject: str, fixed_fee: str
) -> None:
    rows = api.rows(f"reports/time/{subject}", include_fixed_fee=fixed_fee, **RANGE)
    expected = report_sums.time_sums(
        account, subject, RANGE["from"], RANGE["to"], fixed_fee=fixed_fee == "true"
    )
    assert len(rows) == len(expected)
    assert {
        (row[f"{SUBJECTS[subject]}_id"], row["currency"]): (
            row["total_hours"],
            row["billable_hours"],
            row["billable_amount"],
        )
        for row in rows
    } == expected


@pytest.mark.parametrize("subject", ["clients", "projects", "categories", "team"])
def test_expense_reports_sum_costs(api: Api, account: Account, subject: str) -> None:
    rows = api.rows(f"reports/expenses/{subject}", **RANGE)
    expected = report_sums.expense_sums(account, subject, RANGE["from"], RANGE["to"])
    assert len(rows) == len(expected)
    assert {
        (row[f"{SUBJECTS[subject]}_id"], row["currency"]): (
            row["total_amount"],
            row["billable_amount"],
        )
        for row in rows
    } == expected


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


@FEES
def test_uninvoiced_sums_open_work_and_open_fees(
    api: Api, account: Account, fixed_fee: str
) -> None:
    rows = api.rows("reports/uninvoiced", include_fixed_fee=fixed_fee, **RANGE)
    assert {
        row["project_id"]: (
            row["total_hours"],
            row["uninvoiced_hours"],
            row["uninvoiced_expenses"],
            row["uninvoiced_amount"],
        )
        for row in rows
    } == report_sums.uninvoiced_sums(
        account, RANGE["from"], RANGE["to"], fixed_fee=fixed_fee == "true"
    )


def test_the_budget_report_tells_what_is_left(api: Api, account: Account) -> None:
    rows = api.rows("reports/project_budget")
    assert {
        row["project_id"]: (row["budget"], row["budget_spent"], row["budget_remaining"])
        for row in rows
    } == report_sums.budget_sums(account)
    archived = api.rows("reports/project_budget", is_active="false")
    assert [row["project_id"] for row in archived] == [
        row["project_id"] for row in rows if not row["is_active"]
    ]
    assert archived
