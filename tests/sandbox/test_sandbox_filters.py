"""Every filter of every list, and single records."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from harvest_sandbox import Account, Clock
from harvest_sandbox.lists import LISTS, ListSpec

if TYPE_CHECKING:
    from sandbox.conftest import Api

Row = dict[str, Any]
TOP = [spec for spec in LISTS if "{" not in spec.path]
CASES: list[tuple[str, str, Callable[[Row], Any]]] = [
    ("clients", "is_active", lambda row: row["is_active"]),
    ("contacts", "client_id", lambda row: row["client"]["id"]),
    ("projects", "is_active", lambda row: row["is_active"]),
    ("projects", "client_id", lambda row: row["client"]["id"]),
    ("user_assignments", "user_id", lambda row: row["user"]["id"]),
    ("user_assignments", "is_active", lambda row: row["is_active"]),
    ("task_assignments", "is_active", lambda row: row["is_active"]),
    ("tasks", "is_active", lambda row: row["is_active"]),
    ("expense_categories", "is_active", lambda row: row["is_active"]),
    ("users", "is_active", lambda row: row["is_active"]),
    ("time_entries", "user_id", lambda row: row["user"]["id"]),
    ("time_entries", "client_id", lambda row: row["client"]["id"]),
    ("time_entries", "project_id", lambda row: row["project"]["id"]),
    ("time_entries", "task_id", lambda row: row["task"]["id"]),
    ("time_entries", "is_billed", lambda row: row["is_billed"]),
    ("time_entries", "is_running", lambda row: row["is_running"]),
    ("time_entries", "approval_status", lambda row: row["approval_status"]),
    (
        "time_entries",
        "external_reference_id",
        lambda row: (row["external_reference"] or {}).get("id"),
    ),
    ("expenses", "user_id", lambda row: row["user"]["id"]),
    ("expenses", "client_id", lambda row: row["client"]["id"]),
    ("expenses", "project_id", lambda row: row["project"]["id"]),
    ("expenses", "is_billed", lambda row: row["is_billed"]),
    ("expenses", "approval_status", lambda row: row["approval_status"]),
    ("invoices", "client_id", lambda row: row["client"]["id"]),
    ("invoices", "state", lambda row: row["state"]),
    ("estimates", "client_id", lambda row: row["client"]["id"]),
    ("estimates", "state", lambda row: row["state"]),
    ("pto/types", "is_active", lambda row: row["is_active"]),
    ("pto/requests", "user_id", lambda row: row["user"]["id"]),
    ("pto/requests", "status", lambda row: row["status"]),
    ("pto/requests", "pto_type_id", lambda row: row["pto_type"]["id"]),
    ("pto/work_schedules", "is_active", lambda row: row["is_active"]),
]


@pytest.mark.parametrize(
    ("path", "name", "value"), CASES, ids=[f"{path}-{name}" for path, name, _ in CASES]
)
def test_a_filter_returns_exactly_the_rows_that_match(
    api: Api, path: str, name: str, value: Callable[[Row], Any]
) -> None:
    everything = api.rows(path, per_page=2000)
    values = {value(row) for row in everything} - {None}
    assert len(values) > 1, "the account has rows of both sorts"
    for each in values:
        text = str(each).lower() if isinstance(each, bool) else str(each)
        got = api.rows(path, per_page=2000, **{name: text})
        assert got == [row for row in everything if value(row) == each]


def test_every_filter_of_every_list_has_a_case() -> None:
    listed = {(spec.path, name) for spec in TOP for name in spec.filters} - {
        ("invoices", "project_id")
    }
    assert {(path, name) for path, name in listed if name not in {"from", "to"}} == {
        (path, name) for path, name, _ in CASES
    }


def test_invoices_of_a_project_are_those_with_a_line_of_it(api: Api) -> None:
    invoices = api.rows("invoices")
    project = next(
        line["project"]["id"] for row in invoices for line in row["line_items"] if line["project"]
    )
    expected = [
        row["id"]
        for row in invoices
        if any((line["project"] or {}).get("id") == project for line in row["line_items"])
    ]
    assert api.ids("invoices", project_id=project) == expected


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("time_entries", "spent_date"),
        ("expenses", "spent_date"),
        ("invoices", "issue_date"),
        ("estimates", "issue_date"),
    ],
)
@pytest.mark.parametrize("form", ["%Y-%m-%d", "%Y%m%d"])
def test_from_and_to_are_both_inclusive(api: Api, path: str, field: str, form: str) -> None:
    dates = sorted({row[field] for row in api.rows(path) if row[field]})
    first, last = dates[len(dates) // 3], dates[-2]
    params = (
        {"from": first, "to": last}
        if "-" in form
        else {"from": first.replace("-", ""), "to": last.replace("-", "")}
    )
    got = {row[field] for row in api.rows(path, **params)}
    assert got == {day for day in dates if first <= day <= last}
    assert {row[field] for row in api.rows(path, to=last)} == {day for day in dates if day <= last}
    assert {row[field] for row in api.rows(path, from_=first)} == {
        day for day in dates if day >= first
    }


@pytest.mark.parametrize("spec", TOP, ids=lambda spec: spec.path)
def test_updated_since_has_its_boundary(
    api: Api, account: Account, clock: Clock, spec: ListSpec
) -> None:
    """Strictly greater for time entries (seen), inclusive elsewhere: code has to work with both."""
    clock.advance(3600)
    row = account.insert(spec.report)
    moment = clock.advance(0)
    before = api.ids(
        spec.path, updated_since=moment.replace(minute=moment.minute).strftime("%Y-%m-%dT%H:%M:%SZ")
    )
    if spec.since == "no":
        assert sorted(before) == sorted(account.rows[spec.report])
        return
    assert before == ([] if spec.since == "strict" else [row["id"]])
    earlier = clock.advance(-1).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert api.ids(spec.path, updated_since=earlier) == [row["id"]]


@pytest.mark.parametrize(
    "text",
    [
        "2025-06-30T16:00:00Z",
        "2025-06-30T18:00:00+02:00",
        "2025-06-30T18:00:00 02:00",
        "2025-06-30T16:00:00",
        "2025-06-30",
    ],
)
def test_updated_since_is_read_in_any_form(api: Api, account: Account, text: str) -> None:
    row = account.insert("clients")
    assert api.ids("clients", updated_since=text) == [row["id"]]


def test_a_fraction_of_a_second_lies_beyond_the_second(api: Api, account: Account) -> None:
    account.insert("clients")
    assert api.ids("clients", updated_since="2025-06-30T16:00:00.5Z") == []


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("clients", {"updated_since": "yesterday"}),
        ("clients", {"is_active": "perhaps"}),
        ("time_entries", {"from": "soon"}),
        ("time_entries", {"page": "x"}),
    ],
)
def test_a_wrong_parameter_is_refused(api: Api, path: str, params: dict[str, str]) -> None:
    answer = api.get(path, **params)
    assert answer.status_code == 422
    assert answer.json()["message"].startswith("Invalid")


def test_an_unknown_parameter_is_ignored(api: Api, account: Account) -> None:
    assert len(api.ids("clients", colour="red")) == len(account.rows["clients"])


@pytest.mark.parametrize(
    "spec", [spec for spec in LISTS if spec.single], ids=lambda spec: spec.path
)
def test_a_single_record_equals_its_row_in_the_list(
    api: Api, account: Account, spec: ListSpec
) -> None:
    parents = {"projects": "projects", "users": "users"}
    parent = next(iter(account.rows[parents[spec.path.split("/")[0]]])) if "{" in spec.path else ""
    path = spec.path.format(parent=parent)
    row = api.rows(path)[0]
    assert api.json(f"{path}/{row['id']}") == row
    missing = api.get(f"{path}/1")
    assert (missing.status_code, missing.json()) == (404, {"status": 404, "error": "Not Found"})


def test_assignments_of_a_project_are_a_part_of_all(api: Api, account: Account) -> None:
    for report in ("user_assignments", "task_assignments"):
        everything = api.rows(report)
        for project in account.rows["projects"]:
            expected = [row for row in everything if row["project"]["id"] == project]
            assert api.rows(f"projects/{project}/{report}", per_page=3) == expected


def test_children_are_listed_below_their_own_parent_only(api: Api, account: Account) -> None:
    for report, path in (
        ("invoice_payments", "invoices/{}/payments"),
        ("invoice_messages", "invoices/{}/messages"),
        ("estimate_messages", "estimates/{}/messages"),
        ("billable_rates", "users/{}/billable_rates"),
        ("cost_rates", "users/{}/cost_rates"),
    ):
        parents = path.split("/", maxsplit=1)[0]
        seen = {
            key: parent for parent in account.rows[parents] for key in api.ids(path.format(parent))
        }
        assert seen == account.parents[report]


def test_project_assignments_are_the_active_assignments_with_their_tasks(
    api: Api, account: Account
) -> None:
    seen: list[int] = []
    for user in account.rows["users"]:
        for row in api.rows(f"users/{user}/project_assignments"):
            seen.append(row["id"])
            assert "user" not in row
            project = row["project"]["id"]
            tasks = [
                each["id"]
                for each in api.rows(f"projects/{project}/task_assignments", is_active="true")
            ]
            assert sorted(tasks) == sorted(each["id"] for each in row["task_assignments"])
            assert (
                row["client"]["currency"] == account.rows["projects"][project]["client"]["currency"]
            )
    active = [key for key, row in account.rows["user_assignments"].items() if row["is_active"]]
    assert sorted(seen) == sorted(active)
