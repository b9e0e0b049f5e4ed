"""What administrators, managers and members may read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harvest_sandbox import Account, Caller
from harvest_sandbox.lists import LISTS

if TYPE_CHECKING:
    from sandbox.conftest import Api

TOP = sorted(spec.path for spec in LISTS if "{" not in spec.path)
REPORT = {"from": "2025-01-01", "to": "2025-06-30"}


def user_of(account: Account, role: str) -> int:
    """Return an active user with a role."""
    return next(
        int(key)
        for key, user in account.rows["users"].items()
        if role in user["access_roles"] and user["is_active"]
    )


def become(api: Api, role: str, *extra: str) -> int:
    """Let the token belong to a user with exactly these roles."""
    user = user_of(api.account, role)
    api.sandbox.callers["token"] = Caller(user_id=user, access_roles=[role, *extra])
    return user


def open_paths(api: Api) -> set[str]:
    """Return the lists that do not refuse."""
    return {path for path in TOP if api.get(path).status_code == 200}


def test_an_administrator_reads_everything(api: Api) -> None:
    assert open_paths(api) == set(TOP)


def test_a_member_reads_own_time_and_expenses_only(api: Api) -> None:
    user = become(api, "member")
    assert open_paths(api) == {"time_entries", "expenses"}
    for path in ("time_entries", "expenses"):
        assert {row["user"]["id"] for row in api.rows(path)} == {user}
    refused = api.get("clients")
    assert (refused.status_code, refused.json(), refused.headers["Hint"]) == (
        403,
        {"message": "Not authorized!"},
        "Not authorized!",
    )


def test_a_member_sees_own_user_without_rates(api: Api) -> None:
    become(api, "member")
    me = api.json("users/me")
    assert me["access_roles"] == ["member"]
    assert not {"default_hourly_rate", "cost_rate"} & set(me)
    assert api.get("company").status_code == 200


@pytest.mark.parametrize(
    ("extra", "opened"),
    [
        ((), set()),
        (("client_and_task_manager",), {"clients", "contacts", "tasks"}),
        (("estimates_manager",), {"estimates", "estimate_item_categories"}),
        (("managed_projects_invoice_drafter",), {"invoices", "invoice_item_categories"}),
    ],
)
def test_a_manager_reads_what_the_roles_open(
    api: Api, extra: tuple[str, ...], opened: set[str]
) -> None:
    become(api, "manager", *extra)
    always = {
        "projects",
        "user_assignments",
        "task_assignments",
        "users",
        "time_entries",
        "expenses",
        "expense_categories",
    }
    assert open_paths(api) == always | opened


def test_a_manager_sees_managed_projects_and_teammates(api: Api, account: Account) -> None:
    user = become(api, "manager")
    managed = {
        row["project"]["id"]
        for row in account.rows["user_assignments"].values()
        if row["user"]["id"] == user and row["is_project_manager"] and row["is_active"]
    }
    mates = {mate for manager, mate in account.rows["teammates"] if manager == user}
    assert set(api.ids("projects")) == managed
    assert set(api.ids("users")) == mates
    for row in api.rows("time_entries", per_page=2000):
        assert row["user"]["id"] in mates | {user} or row["project"]["id"] in managed
    assert len(api.ids("time_entries")) < len(account.rows["time_entries"])
    assert {row["project"]["id"] for row in api.rows("task_assignments")} <= managed


def test_a_manager_of_nothing_is_refused(api: Api, account: Account) -> None:
    user = become(api, "manager")
    for key, row in list(account.rows["user_assignments"].items()):
        if row["user"]["id"] == user:
            account.update("user_assignments", key, is_project_manager=False)
    for mate in [mate for mate in account.rows["teammates"] if mate[0] == user]:
        account.delete("teammates", mate)
    assert open_paths(api) == {"time_entries", "expenses", "expense_categories"}
    assert {row["user"]["id"] for row in api.rows("time_entries")} == {user}


def test_records_outside_the_scope_are_refused_and_missing_ones_not_found(
    api: Api, account: Account
) -> None:
    user = become(api, "member")
    other = next(
        row["id"] for row in account.rows["time_entries"].values() if row["user"]["id"] != user
    )
    assert api.get(f"time_entries/{other}").status_code == 403
    assert api.get("time_entries/1").status_code == 404


def test_rates_and_teammates_below_users(api: Api, account: Account) -> None:
    user = become(api, "manager")
    mate = next(mate for manager, mate in account.rows["teammates"] if manager == user)
    assert api.get(f"users/{mate}/billable_rates").status_code == 403
    become(api, "manager", "billable_rates_manager")
    assert api.get(f"users/{mate}/billable_rates").status_code == 200
    assert api.get(f"users/{mate}/cost_rates").status_code == 403
    assert api.get(f"users/{user}/teammates").status_code == 403
    assert api.get(f"users/{mate}/project_assignments").status_code == 200


def test_a_member_reads_own_project_assignments_only(api: Api, account: Account) -> None:
    user = become(api, "member")
    other = next(key for key in account.rows["users"] if key != user)
    assert api.ids(f"users/{user}/project_assignments") == api.ids("users/me/project_assignments")
    assert api.get(f"users/{other}/project_assignments").status_code == 403


def test_teammates_of_a_user_who_is_no_manager_are_unprocessable(
    api: Api, account: Account
) -> None:
    answer = api.get(f"users/{user_of(account, 'member')}/teammates")
    assert answer.status_code == 422
    assert answer.json()["message"]


def test_reports_narrow_silently_and_hide_rates(api: Api) -> None:
    everything = {
        row["project_id"]: row["total_hours"] for row in api.rows("reports/time/projects", **REPORT)
    }
    user = become(api, "member")
    rows = api.rows("reports/time/projects", **REPORT)
    assert sum(row["total_hours"] for row in rows) < sum(everything.values())
    assert all("currency" not in row and "billable_amount" not in row for row in rows)
    assert {row["user_id"] for row in api.rows("reports/time/team", **REPORT)} == {user}
    assert api.get("reports/uninvoiced", **REPORT).status_code == 403
    become(api, "manager")
    assert all("currency" not in row for row in api.rows("reports/expenses/team", **REPORT))
    become(api, "manager", "billable_rates_manager", "managed_projects_invoice_manager")
    assert all("currency" in row for row in api.rows("reports/time/projects", **REPORT))
    assert {row["project_id"] for row in api.rows("reports/uninvoiced", **REPORT)} <= set(
        api.ids("projects")
    )


def test_the_budget_report_hides_money_from_those_without_rates(api: Api) -> None:
    become(api, "manager")
    rows = api.rows("reports/project_budget")
    assert rows
    for row in rows:
        assert (row["budget_spent"] is None) == (row["budget_by"] in {"project_cost", "task_fees"})


def test_a_lowered_role_shows_in_users_me(api: Api, account: Account) -> None:
    become(api, "manager")
    assert api.json("users/me")["access_roles"] == ["manager"]
    api.sandbox.callers["token"] = Caller()
    assert api.json("users/me")["access_roles"] == ["administrator"]
    assert account.rows["users"][user_of(account, "manager")]["access_roles"][0] == "manager"
