"""Paid time off: loaded where an account has it, passed over where not, whatever shape its answers have."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from command_line import Type
from compare import assert_equal
from faults_support import TINY, bookmarks, errors_of, tables_of, tiny
from pipelines import make_pipeline, rows
from second_harvest import Asked, HandMade, by_hand
from support import make_source, notes_on_rows, serving, sync_once

from harvest_sandbox import Account, Clock, Fault, Sandbox, build_account
from harvest_source.catalogue.reports import NAMES
from harvest_source.loading.summary import Summary

PTO = tuple(name for name in NAMES if name.startswith("pto_"))
PERSON = {"id": 5, "name": "Test Person"}


def built() -> Account:
    """Returns a small account whose clock stands still on a day in June."""
    return build_account(TINY, seed=5, today=date(2026, 6, 30))


def advance(account: Account, seconds: int) -> None:
    """Moves the clock of such an account."""
    assert isinstance(account.now, Clock)
    account.now.advance(seconds)


def paths(sandbox: Sandbox) -> list[str]:
    """Returns what was asked of paid time off."""
    return [
        request.path.partition("/pto/")[2]
        for request in sandbox.requests
        if "/pto/" in request.path
    ]


def verdicts(summary: Summary) -> dict[str, str]:
    """Returns what the summary says of each report."""
    return {each.report: each.verified for each in summary.results}


def pto_tables(folder: Path) -> dict[str, Any]:
    """Returns the rows of all tables of paid time off."""
    return {name: each for name, each in tables_of(folder).items() if name.startswith("pto_")}


def request_of(account: Account, status: str) -> dict[str, Any]:
    """Returns the first request in a state."""
    return next(row for row in account.rows["pto_requests"].values() if row["status"] == status)


def test_all_tables_equal_the_account_and_a_second_run_asks_for_changes(tmp_path: Path) -> None:
    """Requests by their bookmark, the short lists whole, balances of nobody."""
    with serving(tiny()) as sandbox:
        summary = sync_once(tmp_path, sandbox, *PTO)
        assert errors_of(summary) == {}
        assert set(verdicts(summary).values()) == {"yes", "read today"}
        assert_equal(tmp_path, sandbox, *PTO)
        sandbox.clear()
        again = sync_once(tmp_path, sandbox, *PTO)
        assert [(each.new, each.changed, each.deleted) for each in again.results] == [(0, 0, 0)] * 7
        assert sorted(paths(sandbox)) == [
            "allocations",
            "assignments",
            "holiday_calendars",
            "requests",
            "requests",
            "types",
            "work_schedules",
        ]
        asked = [request.query for request in sandbox.requests if request.path.endswith("requests")]
        assert sorted("updated_since" in query for query in asked) == [False, True]


def test_changes_of_every_kind_are_followed(tmp_path: Path) -> None:
    """A request approved, withdrawn and deleted; new holidays; another calendar; a balance with its user's requests."""
    account = built()
    with serving(account) as sandbox:
        sync_once(tmp_path, sandbox, *PTO)
        pending, approved = request_of(account, "pending"), request_of(account, "approved")
        advance(account, 3600)
        account.update("pto_requests", pending["id"], status="approved")
        account.delete("pto_requests", approved["id"])
        (key, *_) = account.rows["pto_holiday_calendars"]
        entries = account.rows["pto_holiday_calendars"][key]["entries"][1:]
        account.update("pto_holiday_calendars", key, entries=entries, entries_count=len(entries))
        user = pending["user"]["id"]
        account.pto.calendar_of[user] = list(account.rows["pto_holiday_calendars"])[-1]
        sandbox.clear()
        summary = sync_once(tmp_path, sandbox, *PTO)
        assert errors_of(summary) == {}
        assert paths(sandbox).count("balances") == 1
        assert {each.report: each.deleted for each in summary.results}["pto_requests"] == 1
        assert_equal(tmp_path, sandbox, *(name for name in PTO if name != "pto_balances"))
    balance = "select b.used_days, b.pending_days from pto_balances__balances b"
    assert rows(tmp_path, f"{balance} where user_id = {user} and used_days > 0")
    kept = rows(tmp_path, "select id, row from deleted_rows")
    assert [row_id for row_id, _ in kept] == [approved["id"]]
    assert len(json.loads(kept[0][1])["request_days"]) == len(approved["request_days"])


@pytest.mark.parametrize("status", [403, 404])
def test_an_account_without_the_module_costs_one_request_and_a_note(
    tmp_path: Path, status: int
) -> None:
    """404 is a page for people. The tables are there, empty; other reports do not suffer; switched on later all comes."""
    account = tiny()
    account.pto.refused = status
    with serving(account) as sandbox:
        summary = sync_once(tmp_path, sandbox, "users", *PTO)
        assert (summary.exit_code, paths(sandbox)) == (0, ["types"])
        assert notes_on_rows(summary) == [
            f"skipped, since Harvest has no paid time off for this user in account {account.id} ({status}): {', '.join(PTO)}"
        ]
        assert verdicts(summary) == {"users": "yes", **dict.fromkeys(PTO, "module off")}
        assert set(pto_tables(tmp_path)) >= {*PTO, "pto_requests__request_days"}
        assert not any(pto_tables(tmp_path).values())
        account.pto.refused = None
        assert errors_of(sync_once(tmp_path, sandbox, "users", *PTO)) == {}
        assert_equal(tmp_path, sandbox, *PTO)


def test_what_was_loaded_stays_when_the_module_goes(tmp_path: Path) -> None:
    account = tiny()
    with serving(account) as sandbox:
        sync_once(tmp_path, sandbox, "users", *PTO)
        before, marks = pto_tables(tmp_path), bookmarks(tmp_path)
        account.pto.refused = 403
        summary = sync_once(tmp_path, sandbox, "users", *PTO)
        assert summary.exit_code == 0
        assert pto_tables(tmp_path) == before
        assert bookmarks(tmp_path) == marks


@pytest.mark.long
@pytest.mark.parametrize(
    ("refused", "lost"),
    [
        ("work_schedules", {"pto_work_schedules"}),
        ("balances", {"pto_balances"}),
        ("requests", {"pto_requests", "pto_balances"}),
    ],
)
@pytest.mark.parametrize("status", [403, 404])
def test_one_refused_table_is_passed_over_alone(
    tmp_path: Path, refused: str, lost: set[str], status: int
) -> None:
    """Balances follow requests: without the list of these nobody knows whose changed."""
    with serving(tiny()) as sandbox:
        _refuse(sandbox, refused, status)
        summary = sync_once(tmp_path, sandbox, *PTO)
        assert summary.exit_code == 0
        assert {name for name, each in verdicts(summary).items() if each == "passed over"} == lost
        (note,) = notes_on_rows(summary)
        assert note.endswith(f"({status}): {', '.join(name for name in PTO if name in lost)}")
        assert_equal(tmp_path, sandbox, *(name for name in PTO if name not in lost))


def _refuse(sandbox: Sandbox, path: str, status: int) -> None:
    sandbox.faults.append(Fault(path=rf"/pto/{path}$", status=status, times=None))


@pytest.mark.long
@pytest.mark.parametrize("status", [401, 422, 500])
def test_any_other_error_is_one(tmp_path: Path, status: int) -> None:
    with serving(tiny()) as sandbox:
        _refuse(sandbox, "work_schedules", status)
        if status == 401:
            with pytest.raises(Exception, match="refuses the token"):
                sync_once(tmp_path, sandbox, *PTO)
            return
        summary = sync_once(tmp_path, sandbox, *PTO)
        assert (summary.exit_code, set(errors_of(summary))) == (1, {"pto_work_schedules"})


@pytest.mark.long
def test_two_accounts_one_with_and_one_without(tmp_path: Path) -> None:
    """In the tables, in the notes, and in the figure, which is null for the one without."""
    ours, theirs = tiny(), tiny(seed=2)
    theirs.pto.refused = 403
    with serving(ours, theirs) as sandbox:
        summary = sync_once(tmp_path, sandbox)
        assert errors_of(summary) == {}
        (note,) = (note for note in summary.notes if "paid time off" in note)
        assert str(theirs.id) in note
        assert rows(tmp_path, "select distinct account_id from pto_requests") == [(ours.id,)]
    known = "select account_id, count(*) > 0, count(available_hours) > 0 from utilisation group by 1 order by 1"
    assert rows(tmp_path, known) == [(theirs.id, True, False), (ours.id, True, True)]


def test_a_users_balance_that_is_refused_is_passed_over_and_said(tmp_path: Path) -> None:
    account = tiny(size=replace(TINY, users=4))
    hidden = list(account.rows["users"])[-1]
    with serving(account) as sandbox:
        _refuse_balance_of(sandbox, hidden)
        summary = sync_once(tmp_path, sandbox, *PTO)
        assert errors_of(summary) == {}
        assert verdicts(summary)["pto_balances"] == "read today, 1 user not seen"
        assert len(rows(tmp_path, "select * from pto_balances")) == len(account.rows["users"]) - 1


def _refuse_balance_of(sandbox: Sandbox, user_id: int) -> None:
    sandbox.faults.append(
        Fault(path=r"/pto/balances$", query=f"user_id={user_id}", status=404, times=None)
    )


@pytest.mark.long
def test_allocations_of_years_before_stay(tmp_path: Path) -> None:
    """The list holds one year; in January all of its rows are others."""
    account = built()
    with serving(account) as sandbox:
        sync_once(tmp_path, sandbox, *PTO)
        year = account.now().year
        advance(account, 366 * 86400)
        summary = sync_once(tmp_path, sandbox, *PTO)
        assert errors_of(summary) == {}
        assert verdicts(summary)["pto_allocations"] == "yes"
        (first, second) = rows(
            tmp_path, "select year, count(*) from pto_allocations group by 1 order by 1"
        )
        assert (first[0], second[0], first[1]) == (year, year + 1, second[1])
        key = next(
            key
            for key, row in account.rows["users"].items()
            if row["is_active"] and "administrator" not in row["access_roles"]
        )
        account.update("users", key, is_active=False)
        assert errors_of(sync_once(tmp_path, sandbox, *PTO)) == {}
        left = rows(tmp_path, f"select distinct year from pto_allocations where user__id = {key}")
        assert left == [(year,)]


def spoilt(harvest: HandMade, answers: dict[str, Any]) -> None:
    """Has a server made by hand answer paths of paid time off as given: a value, or what makes it of the request."""

    def spoil(asked: Asked) -> tuple[int, bytes] | None:
        if asked.path.removeprefix("pto/") not in answers or not asked.path.startswith("pto/"):
            return None
        answer = answers[asked.path.removeprefix("pto/")]
        return 200, json.dumps(answer(asked) if callable(answer) else answer).encode()

    harvest.spoil = spoil


STAMPS = {"created_at": "2026-02-03T09:00:00Z", "updated_at": "2026-02-04T10:30:00Z"}
TYPES = [{"id": n, "name": f"Type {n}", "level": n, **STAMPS} for n in range(1, 8)]
Pages = Callable[[Asked], Any]


def by_number(asked: Asked) -> Any:
    """Answers three types a page, by number, below keys that nobody documented."""
    page = int(asked.query.get("page", "1"))
    chosen = TYPES[3 * page - 3 : 3 * page]
    return {"items": chosen, "meta": {"page": page, "total_pages": 3, "total_entries": len(TYPES)}}


@pytest.mark.long
@pytest.mark.parametrize(
    "types",
    [{"types": TYPES}, TYPES, by_number],
    ids=["another key", "bare list", "pages by number"],
)
def test_envelopes_and_fields_that_nobody_documented_are_read(tmp_path: Path, types: Any) -> None:
    """A field that is new is a column, and the summary names it; texts with numbers in them are exact decimals."""
    with by_hand(users=2, invoices=1, entries=1) as harvest:
        user = harvest.tables["users"][0]["id"]
        other = harvest.tables["users"][1]["id"]
        balance = {"pto_type": {"id": 1, "name": "Type 1"}, "used_days": "1.50", "mood": "good"}
        spoilt(
            harvest,
            {
                "types": types,
                "requests": {"requests": [], "page": 1, "total_pages": 1},
                "holiday_calendars": [{"id": 3, "name": "Here", "entries": []}],
                "work_schedules": {"id": 4, "name": "Full time"},
                "assignments": {"data": [{"user": PERSON, "shifts": [{"day": 1}, {"day": 2}]}]},
                "allocations": [
                    {"year": 2026, "user": PERSON, "pto_type": {"id": 1}, "steps": [1, 2]}
                ],
                "balances": lambda asked: {
                    "user": {"id": int(asked.query["user_id"])},
                    "year": 2026,
                    "as_of": "2026-06-30",
                    "balances": [balance] if asked.query["user_id"] == str(user) else [],
                },
            },
        )
        for _ in range(2):
            summary = sync_once(tmp_path, harvest, *PTO)
            assert errors_of(summary) == {}
        assert [(each.new, each.changed) for each in summary.results] == [(0, 0)] * 7
    assert rows(tmp_path, "select id, level from pto_types order by id") == [
        (n, n) for n in range(1, 8)
    ]
    assert rows(tmp_path, "select day from pto_assignments__shifts order by _dlt_list_idx") == [
        (1,),
        (2,),
    ]
    assert rows(tmp_path, "select steps from pto_allocations") == [("[1, 2]",)]
    assert rows(tmp_path, "select user_id from pto_balances order by 1") == [(user,), (other,)]
    of_policy = "select user_id, used_days, mood from pto_balances__balances"
    assert [(key, float(used), mood) for key, used, mood in rows(tmp_path, of_policy)] == [
        (user, 1.5, "good")
    ]


@pytest.mark.long
@pytest.mark.parametrize(
    ("types", "said"),
    [
        (
            {"types": TYPES, "archived": TYPES},
            "cannot be told which rows of an answer are pto_types",
        ),
        ([{"name": "Vacation"}], "without its key (id)"),
        ({"types": TYPES, "total_entries": 9}, "7 of 9 rows"),
    ],
)
def test_rows_that_cannot_be_told_are_their_reports_error_alone(
    tmp_path: Path, types: Any, said: str
) -> None:
    with by_hand(users=2, invoices=1, entries=1) as harvest:
        others: dict[str, Any] = {"holiday_calendars": [], "work_schedules": [], "requests": []}
        spoilt(harvest, {**others, "types": TYPES})
        names = ("pto_types", "pto_requests", "pto_holiday_calendars", "pto_work_schedules")
        sync_once(tmp_path, harvest, *names)
        spoilt(harvest, {**others, "types": types})
        summary = sync_once(tmp_path, harvest, *names)
        assert set(errors_of(summary)) == {"pto_types"}
        assert said in str(errors_of(summary)["pto_types"])
        assert summary.exit_code == 1
    assert rows(tmp_path, "select count(*) from pto_types") == [(len(TYPES),)]


def test_plain_dlt_loads_it_and_passes_it_over(tmp_path: Path) -> None:
    account = tiny()
    with serving(account) as sandbox:
        pipeline = make_pipeline(tmp_path, "plain")
        pipeline.run(make_source(sandbox, *PTO))
        found = rows(tmp_path, "select count(*) from pto_balances", "plain")
        assert found == [(len(account.rows["users"]),)]
        account.pto.refused = 404
        sandbox.clear()
        pipeline.run(make_source(sandbox, *PTO))
        assert set(paths(sandbox)) == {"types"}
        assert rows(tmp_path, "select count(*) from pto_balances", "plain") == found


@pytest.mark.long
def test_the_figure_is_there_without_the_tables_and_changes_with_them(
    tmp_path: Path, type_command: Type
) -> None:
    """A run of reports without paid time off has the view, and `show` the figure; with the tables both have their columns."""
    account = tiny()
    some = ("time_entries", "users", "clients", "projects", "tasks", "company")
    with serving(account) as sandbox:
        sync_once(tmp_path, sandbox, *some)
        hours = "select count(*) > 0, count(available_hours), sum(hours) from utilisation"
        ((is_there, known, before),) = rows(tmp_path, hours)
        assert (is_there, known) == (True, 0)
        done = type_command("show", "utilisation", "--json")
        assert {row["available_hours"] for row in json.loads(done.out)} == {None}
        sync_once(tmp_path, sandbox, *some, *PTO)
        ((_, known, after),) = rows(tmp_path, hours)
        assert (known > 0, after) == (True, before)
        shown = json.loads(type_command("show", "utilisation", "--json").out)
    assert len([row for row in shown if row["available_hours"] is not None]) == known


def test_leave_and_holidays_of_a_loaded_account_are_taken_off(tmp_path: Path) -> None:
    """Leave over a weekend takes its working days, half a day half of them, and a holiday in it counts once."""
    account = built()
    for key in list(account.rows["pto_requests"]):
        account.delete("pto_requests", key)
    user = next(iter(account.rows["time_entries"].values()))["user"]["id"]
    account.update("users", user, weekly_capacity=144000, is_active=True)
    holiday = {"id": 1, "name": "A Wednesday", "date": "2026-06-17"}
    calendar = account.insert("pto_holiday_calendars", entries=[holiday], entries_count=1)
    account.pto.calendar_of[user] = calendar["id"]
    for status, first, last in (
        ("approved", "2026-06-05", "2026-06-09"),
        ("approved", "2026-06-16", "2026-06-18"),
        ("pending", "2026-06-22", "2026-06-23"),
        ("rejected", "2026-06-24", "2026-06-24"),
    ):
        account.insert("pto_requests", user_id=user, status=status, start_date=first, end_date=last)
    half = [{"id": 2, "date": "2026-06-15", "hours": 4, "day_fraction": 0.5}]
    account.insert("pto_requests", user_id=user, status="approved", request_days=half)
    with serving(account) as sandbox:
        assert errors_of(sync_once(tmp_path, sandbox)) == {}
    june = f"select capacity_hours, holiday_hours, leave_hours, available_hours from utilisation where user_id = {user}"
    assert rows(tmp_path, f"{june} and month = '2026-06-01'") == [(176, 8, 24 + 16 + 4, 124)]
