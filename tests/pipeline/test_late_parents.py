"""A parent that comes into sight late brings its children: an old row that a role, a date or a late commit had hidden."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from compare import assert_equal
from destinations import on
from faults_support import errors_of
from pipelines import rows
from second_harvest import HandMade, Json, by_hand, like
from support import serving, stop_timers, sync_once

from harvest_sandbox import Sandbox, Size, build_account
from harvest_source.catalogue.lookup import by_name
from harvest_source.settings import parse_since

OLD = {"created_at": "2025-02-03T04:05:06Z", "updated_at": "2025-03-04T05:06:07Z"}
LATER = "2026-07-02T08:30:00Z"
START_INSTANT = parse_since("start_date", "2026-04-01")
LONG = pytest.mark.long
ON_INVOICES = ("invoices", "invoice_messages", "invoice_payments")
ON_ESTIMATES = ("estimates", "estimate_messages")
ON_USERS = ("users", "billable_rates", "cost_rates", "teammates", "project_assignments")
PARENTS = {"invoices": ON_INVOICES, "estimates": ON_ESTIMATES, "users": ON_USERS}


def equal(folder: Path, harvest: HandMade, *names: str) -> None:
    """Asserts that the tables hold what the server answers now, and nothing else."""
    assert_equal(folder, cast("Sandbox", harvest), *names)


def add_old(harvest: HandMade, parent: str, row_id: int) -> Json:
    """Adds a parent that changed last long before any mark, with a child in each of its lists."""
    row = like(parent, row_id, **OLD)
    if parent == "users":
        row["access_roles"] = ["manager"]
        harvest.tables["user_assignments"].append(
            {
                **harvest.tables["user_assignments"][0],
                "id": row_id + 1,
                "user": {"id": row_id, "name": "Late"},
                **OLD,
            }
        )
    for place, name in enumerate(PARENTS[parent][1:]):
        if name != "project_assignments":
            path = by_name(name).path.format(parent_id=row_id)
            harvest.tables[path] = [
                like(name, row_id + 10 + place, **({} if name == "teammates" else OLD))
            ]
    harvest.tables[parent].append(row)
    return row


@pytest.mark.long
@pytest.mark.parametrize(
    "parent", ["users", pytest.param("invoices", marks=LONG), pytest.param("estimates", marks=LONG)]
)
def test_children_of_a_row_that_came_late_are_read_in_the_same_run(
    tmp_path: Path, parent: str
) -> None:
    """A row committed late, or seen since the role was raised: its count tells it, and what hangs on it comes along, once."""
    names = PARENTS[parent]
    with by_hand(invoices=6, entries=0) as harvest:
        sync_once(tmp_path, harvest, *names)
        for row_id in (21, 41):
            add_old(harvest, parent, row_id)
        summary = sync_once(tmp_path, harvest, *names)
        assert errors_of(summary) == {}
        equal(tmp_path, harvest, *names)
        harvest.requests.clear()
        summary = sync_once(tmp_path, harvest, *names)
        assert sum(result.new + result.changed + result.deleted for result in summary.results) == 0
        assert not [
            asked
            for asked in harvest.requests
            if asked.path.startswith((f"{parent}/21/", f"{parent}/41/"))
        ]


@LONG
@on("duckdb", "postgres", "filesystem")
def test_earlier_start_date_brings_the_children_too(tmp_path: Path) -> None:
    """`start_date` was set, then taken away; then set again: what is older stays, and costs no request."""
    names = (*ON_INVOICES, *ON_ESTIMATES)
    with by_hand(invoices=16, entries=0) as harvest:
        sync_once(tmp_path, harvest, *names, start_date=START_INSTANT)
        ((before,),) = rows(tmp_path, "select count(*) from invoice_messages")
        sync_once(tmp_path, harvest, *names)
        ((after,),) = rows(tmp_path, "select count(*) from invoice_messages")
        assert before < after
        equal(tmp_path, harvest, *names)
        harvest.requests.clear()
        sync_once(tmp_path, harvest, *names, start_date=START_INSTANT)
        assert [asked.path for asked in harvest.requests if asked.path.endswith("/messages")] == []


@pytest.mark.parametrize(
    "chosen", [pytest.param(("invoices", "invoice_messages"), marks=LONG), ("invoice_messages",)]
)
def test_parent_in_the_table_without_a_reading_is_overdue(
    tmp_path: Path, chosen: tuple[str, ...]
) -> None:
    """A run of the parents alone found it; the next run of the children reads it, chosen with the parents or without."""
    with by_hand(invoices=6, entries=0) as harvest:
        sync_once(tmp_path, harvest, "invoices", "invoice_messages")
        add_old(harvest, "invoices", 21)
        sync_once(tmp_path, harvest, "invoices")
        sync_once(tmp_path, harvest, *chosen)
        equal(tmp_path, harvest, "invoices", "invoice_messages")


@pytest.mark.long
def test_parent_that_only_the_parents_bookmark_brings_is_read(tmp_path: Path) -> None:
    """The children's mark is ahead of the parents': a row between the two comes by the list of parents."""
    both = ("invoices", "invoice_payments")
    with by_hand(invoices=6, entries=0) as harvest:
        sync_once(tmp_path, harvest, *both)
        harvest.now = LATER
        harvest.change("invoices", harvest.tables["invoices"][0]["id"])
        sync_once(tmp_path, harvest, "invoice_payments")
        add_old(harvest, "invoices", 21)["updated_at"] = "2026-07-02T01:00:00Z"
        sync_once(tmp_path, harvest, *both)
        equal(tmp_path, harvest, *both)


@LONG
def test_late_parents_of_one_account_leave_the_other_alone(tmp_path: Path) -> None:
    """Both accounts have the same ids; an old invoice and an old user come into sight in one of them."""
    size = Size(projects=3, users=4, invoices=5, estimates=2, time_entries=0, expenses=0, clients=2)
    north, south = build_account(size, seed=7), build_account(size, seed=7)
    south.id = north.id + 1
    for account in (north, south):
        stop_timers(account)
    names = (*ON_INVOICES, "users", "billable_rates")
    with serving(north, south) as sandbox:
        hidden: dict[str, Any] = {}
        for report in ("invoices", "users"):
            oldest = min(south.rows[report].values(), key=lambda row: row["updated_at"])
            hidden[report] = south.rows[report].pop(oldest["id"])
        sync_once(tmp_path, sandbox, *names)
        for report, row in hidden.items():
            south.rows[report][row["id"]] = row
            south.versions[report] += 1
        summary = sync_once(tmp_path, sandbox, *names)
        assert errors_of(summary) == {}
        assert {result.account_id for result in summary.results if result.new} == {south.id}
        assert_equal(tmp_path, sandbox, *names)


@pytest.mark.long
def test_late_parent_whose_children_cannot_be_read_is_said_and_read_next_time(
    tmp_path: Path,
) -> None:
    """The run that found it is not complete: never "read today" while an invoice was not read."""
    both = ("invoices", "invoice_messages")
    with by_hand(invoices=6, entries=0) as harvest:
        sync_once(tmp_path, harvest, *both)
        add_old(harvest, "invoices", 21)
        harvest.spoil = lambda asked: (500, b"") if asked.path == "invoices/21/messages" else None
        summary = sync_once(tmp_path, harvest, *both)
        assert set(errors_of(summary)) == {"invoice_messages"}
        harvest.spoil = lambda _asked: None
        assert errors_of(sync_once(tmp_path, harvest, *both)) == {}
        equal(tmp_path, harvest, *both)


@LONG
def test_assignments_of_a_project_that_came_late_are_there(tmp_path: Path) -> None:
    """With `assignments = "project"` the projects are the parents."""
    names = ("projects", "task_assignments", "user_assignments")
    with by_hand(invoices=1, entries=0) as harvest:
        sync_once(tmp_path, harvest, *names, assignments="project")
        project = {**harvest.tables["projects"][0], "id": 21, "name": "Late", **OLD}
        harvest.tables["projects"].append(project)
        for place, name in enumerate(names[1:]):
            harvest.tables[name].append(
                {
                    **harvest.tables[name][0],
                    "id": 31 + place,
                    "project": {"id": 21, "name": "Late"},
                    **OLD,
                }
            )
        assert errors_of(sync_once(tmp_path, harvest, *names, assignments="project")) == {}
        equal(tmp_path, harvest, *names)
