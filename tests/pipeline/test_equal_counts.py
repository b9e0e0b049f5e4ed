"""Equal counts are not equal rows: what came late, changed late or went is found by a run that looks back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from clocks import LaterClock
from compare import assert_equal
from second_harvest import HandMade, by_hand
from support import serving, stop_timers, sync_once

from harvest_sandbox import Sandbox, Size, build_account
from harvest_source.loading import looking_back

# one that an answer holds, one paged by number and one by cursor that no answer holds (the hand-made server gives five rows)
LISTS = ("clients", "time_entries", "user_assignments")


def with_marks() -> HandMade:
    """Returns an account each of whose lists ends at the server's present time, noon of 1 July."""
    harvest = by_hand(invoices=0)
    for name in LISTS:
        harvest.change(name, harvest.tables[name][0]["id"])
    return harvest


def come(harvest: HandMade, name: str, row_id: int, updated_at: str) -> None:
    """Adds a row with a change time of the past."""
    harvest.tables[name].append({**harvest.tables[name][1], "id": row_id, "updated_at": updated_at})


def late_and_an_old_row_goes(harvest: HandMade, name: str) -> None:
    """An hour late; beside it an old row is deleted."""
    come(harvest, name, 5, "2026-07-01T11:00:00Z")
    del harvest.tables[name][2]


def late_and_a_row_of_the_last_hours_goes(harvest: HandMade, name: str) -> None:
    """Both lie within the last day: no count tells them apart."""
    come(harvest, name, 6, "2026-07-01T09:00:00Z")
    harvest.tables[name].remove(harvest.row(name, 5))


def changed_late(harvest: HandMade, name: str) -> None:
    """No row more and none less: a version was committed an hour late."""
    harvest.tables[name][1].update(
        updated_at="2026-07-01T11:00:00Z", created_at="2024-12-31T23:59:59Z"
    )


STEPS: dict[Callable[[HandMade, str], None], tuple[int, int, int]] = {
    late_and_an_old_row_goes: (1, 0, 1),
    late_and_a_row_of_the_last_hours_goes: (1, 0, 1),
    changed_late: (0, 1, 0),
}


@pytest.mark.long
def test_what_came_an_hour_late_is_found_by_the_next_run(tmp_path: Path) -> None:
    """Counts stay equal; what is missing is loaded and what is gone is removed, in one run that ends well."""
    with with_marks() as harvest:
        sync_once(tmp_path, harvest, *LISTS)
        for step, (new, changed, deleted) in STEPS.items():
            for name in LISTS:
                step(harvest, name)
            results = sync_once(tmp_path, harvest, *LISTS).results
            assert [(each.new, each.changed, each.deleted) for each in results] == [
                (new, changed, deleted)
            ] * 3, step.__doc__
            assert {each.verified for each in results} == {f"repaired {new + changed + deleted}"}
            assert_equal(tmp_path, cast("Sandbox", harvest), *LISTS)
        assert {each.verified for each in sync_once(tmp_path, harvest, *LISTS).results} == {"yes"}


@pytest.mark.long
@pytest.mark.parametrize(
    "whole_rows",
    [looking_back.WHOLE_ROWS, 4],
    ids=["read whole once a day", "counted since instants"],
)
def test_what_came_months_late_is_found_a_day_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole_rows: int
) -> None:
    """Beside it a newer row is deleted, so that the counts stay equal, those of the last day too."""
    monkeypatch.setattr(looking_back, "WHOLE_ROWS", whole_rows)
    with with_marks() as harvest:
        sync_once(tmp_path, harvest, *LISTS)
        for name in LISTS:
            come(harvest, name, 7, "2026-02-03T03:03:03Z")
            newest = max(harvest.tables[name][1:], key=lambda row: str(row["updated_at"]))
            harvest.tables[name].remove(newest)
        results = sync_once(tmp_path, harvest, *LISTS, clock=LaterClock(24)).results
        assert [(each.new, each.deleted, each.error) for each in results] == [(1, 1, None)] * 3
        assert_equal(tmp_path, cast("Sandbox", harvest), *LISTS)


@pytest.mark.long
def test_looking_back_costs_nothing_for_short_lists_and_little_for_long_ones(
    tmp_path: Path,
) -> None:
    """A list that one answer holds is read instead of counted; a longer one takes one request more, once a day its pages."""
    account = build_account(
        Size(
            projects=4, users=4, invoices=8, estimates=4, time_entries=2100, expenses=40, clients=3
        ),
        seed=3,
    )
    stop_timers(account)
    with serving(account) as sandbox:
        names = ("clients", "expenses", "time_entries")
        sync_once(tmp_path, sandbox, *names)
        requests = {
            each.report: each.requests for each in sync_once(tmp_path, sandbox, *names).results
        }
    assert requests == {
        "clients": 2,
        "expenses": 2,
        "time_entries": 4,
    }  # of entries that change now, those running are asked for


@pytest.mark.long
def test_first_run_of_a_quiet_day_stays_below_100_requests(tmp_path: Path) -> None:
    """Looking back comes out of what is free: what may wait is read with the rest."""
    size = Size(
        projects=20,
        users=10,
        invoices=300,
        estimates=20,
        time_entries=5000,
        expenses=300,
        clients=20,
    )
    account = build_account(size, seed=1)
    stop_timers(account)
    with serving(account) as sandbox:
        sync_once(tmp_path, sandbox)
        sandbox.clear()
        assert sync_once(tmp_path, sandbox, clock=LaterClock(24)).exit_code == 0
        assert 50 < len(sandbox.requests) < 100
