"""One run as a whole, in memory: what it says of each table, and what it leaves there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from near import Near, stay_in_this_process
from support import TOKEN, stop_timers

from harvest_sandbox import Account, Fault, Size, build_account
from harvest_sandbox.access import Caller
from harvest_sandbox.requests import Request
from harvest_source.api import client
from harvest_source.catalogue.report import AccountReport
from harvest_source.errors import TokenRejectedError
from harvest_source.loading import compare
from harvest_source.loading.states import LIST_ELEMENTS
from harvest_source.loading.summary import Summary
from harvest_source.reading import shape
from harvest_source.reading.reader import Choice, Mode

TINY = Size(projects=4, users=4, invoices=6, estimates=2, time_entries=30, expenses=8, clients=3)
LATE = "2026-01-01T00:00:00Z"  # of a row that was committed late
VERIFY = Choice(mode=Mode.ALL)


@pytest.fixture(autouse=True)
def _near(monkeypatch: pytest.MonkeyPatch) -> None:
    stay_in_this_process(monkeypatch)


@pytest.fixture
def account() -> Account:
    """Returns a small account in which no timer runs."""
    account = build_account(TINY, seed=5)
    stop_timers(account)
    return account


Begin = Callable[..., Near]


@pytest.fixture
def begin(tmp_path: Path, account: Account) -> Begin:
    """Gives a function that makes tables of some reports which follow the account, after a first run."""

    def make(*names: str, **settings: Any) -> Near:
        near = Near(tmp_path, account, names=names, **settings)
        assert near.run().exit_code == 0
        return near

    return make


def verified(summary: Summary) -> dict[str, str]:
    """Returns what a run says of each report."""
    return {result.report: result.verified for result in summary.results}


def errors(summary: Summary) -> dict[str, str]:
    """Returns the error of each report that has one."""
    return {result.report: result.error for result in summary.results if result.error}


def ids(near: Near, name: str, column: str = "id") -> list[int]:
    """Returns the ids that stand in a table."""
    return sorted(row[column] for row in near.store.tables[name].values())


def first(rows: Iterable[int], number: int) -> list[int]:
    """Returns the first of some ids."""
    return list(rows)[:number]


# sums


def test_sums_and_rows_that_differ_are_told_and_then_repaired(
    begin: Begin, account: Account
) -> None:
    near = begin("time_entries", "expenses", "clients")
    for entry_id in first(account.rows["time_entries"], 5):
        account.update("time_entries", entry_id, quiet=True, rounded_hours=90.25)
    before = dict(near.store.tables["time_entries"])
    told = near.run(VERIFY, repairs=False, totals=True)
    assert (
        errors(told)
        == {"time_entries": "5 rows differ from Harvest; without --no-repair they are read again"}
        or "sum of rounded_hours" in errors(told)["time_entries"]
    )
    assert any("sum of rounded_hours is" in note for note in told.notes)
    assert near.store.tables["time_entries"] == before
    repaired = near.run(VERIFY, totals=True)
    assert (repaired.exit_code, repaired.notes) == (0, [])
    assert verified(repaired) == {"time_entries": "repaired 5", "expenses": "yes", "clients": "yes"}
    again = near.run(VERIFY, repairs=False, totals=True)
    assert (again.exit_code, set(verified(again).values())) == (0, {"yes"})


def test_sums_that_cannot_be_asked_for_fail_no_report(begin: Begin) -> None:
    near = begin("time_entries", "expenses")
    near.sandbox.faults.append(Fault(path="reports/", status=500, times=None))
    (note,) = near.run(VERIFY, totals=True).notes
    assert note.startswith(f"sums of account {near.accounts[0].id} are not compared")


def test_token_that_dies_before_the_sums_ends_the_run(begin: Begin) -> None:
    near = begin("time_entries")
    near.sandbox.faults.append(Fault(path="reports/", status=401, times=None))
    with pytest.raises(TokenRejectedError):
        near.run(VERIFY, totals=True)


# what a table has and Harvest has not


def test_rows_that_were_kept_go_once_none_are_kept_any_more(begin: Begin, account: Account) -> None:
    """Also where one of them is back."""
    near = begin("time_entries", "expenses", deleted_rows="keep")
    gone = first(account.rows["expenses"], 2)
    back = account.rows["expenses"][gone[1]]
    for each in gone:
        account.delete("expenses", each)
    assert near.run().exit_code == 0
    assert set(gone) <= {*ids(near, "expenses")}
    near.settings["deleted_rows"] = "remove"
    account.rows["expenses"][gone[1]] = back
    assert verified(near.run())["expenses"] == "repaired 2"
    assert ids(near, "expenses") == sorted(account.rows["expenses"])


def test_list_of_users_without_the_administrator_who_asks_is_no_proof(
    begin: Begin, account: Account
) -> None:
    """Nothing of the account is removed, also where users are read for their rates alone."""
    near = begin("users", "expenses", "billable_rates")
    before = {name: ids(near, name) for name in near.names}
    me = next(iter(account.rows["users"]))
    others = [row for row in account.rows["users"].values() if row["id"] != me]
    page = {"users": others, "total_entries": len(others), "links": {"next": None}}
    fault = Fault(path="/v2/users$", status=200, body=json.dumps(page).encode(), times=None)
    near.sandbox.faults.append(fault)
    account.delete("expenses", before["expenses"][0])
    for mode in (Mode.CHANGES, Mode.ALL):
        doubted = errors(near.run(Choice(mode=mode)))
        assert "Harvest's list of users lacks the token's own user" in doubted["users"]
        assert "nothing of account" in doubted["expenses"]
        assert {name: ids(near, name) for name in near.names} == before
    near.names = ("billable_rates",)
    near.run(VERIFY)
    assert ids(near, "billable_rates") == before["billable_rates"]
    near.sandbox.faults.clear()
    near.names = tuple(before)
    assert errors(near.run()) == {}
    assert ids(near, "expenses") == before["expenses"][1:]


def test_what_hangs_on_a_hidden_row_is_hidden_with_it(begin: Begin, account: Account) -> None:
    """A manager no longer sees a project: Harvest refuses it alone, and its lists hold nothing of it."""
    near = begin("projects", "task_assignments", "user_assignments")
    before = {name: ids(near, name) for name in near.names}
    hidden = before["projects"][0]
    near.sandbox.callers[TOKEN] = Caller(access_roles=["manager"])
    near.store.kept.clear()  # whoever loaded before saw no more
    for name in near.names:
        rows = [
            row for row in account.rows[name].values() if row.get("project", row)["id"] != hidden
        ]
        page = {name: rows, "total_entries": len(rows), "links": {"next": None}}
        body = json.dumps(page).encode()
        near.sandbox.faults.append(Fault(path=f"/v2/{name}$", status=200, body=body, times=None))
    near.sandbox.faults.append(Fault(path=f"/v2/projects/{hidden}$", status=403, times=None))
    told = near.run(VERIFY)
    assert errors(told) == {}
    assert "1 project not seen" in verified(told)["projects"]
    assert "task assignments not seen" in verified(told)["task_assignments"]
    assert {name: ids(near, name) for name in near.names} == before
    seen = next(row for row in near.store.tables["projects"].values() if row["id"] != hidden)
    seen["notes"] = "by hand"
    repaired = verified(near.run(VERIFY, totals=True))
    assert repaired["projects"].startswith("repaired 1, 1 project not seen")


def test_table_that_does_not_meet_a_count_which_never_stands_still_is_no_proof(
    begin: Begin, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read by project, so that no reading of this run is the account's list, which was looked at less than a day ago."""
    near = begin("projects", "user_assignments", assignments="project")
    monkeypatch.setattr(compare, "PER_PAGE", 2)
    number = len(account.rows["user_assignments"])
    rows = list(account.rows["user_assignments"].values())

    def lie(asked: Request) -> None:
        """Gives another count each time."""
        if asked.path == "/v2/user_assignments":
            whole = asked.query.get("per_page") != "1"
            page = {"user_assignments": rows if whole else [], "links": {"next": None}}
            body = json.dumps({**page, "total_entries": number + len(near.sandbox.requests)})
            near.sandbox.faults.append(Fault(path=f"{asked.path}$", status=200, body=body.encode()))

    monkeypatch.setattr(near.near, "before", lie)
    error = errors(near.run())["user_assignments"]
    assert error.startswith(f"the table has {number} rows, Harvest ")
    assert error.endswith("; the next run looks again")
    monkeypatch.undo()
    stay_in_this_process(monkeypatch)
    near.sandbox.faults.clear()
    assert errors(near.run()) == {}


# what comes late


def test_row_whose_values_cannot_be_loaded_is_no_repair(
    begin: Begin, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison finds it; it brings more new columns than a report may."""
    near = begin("expenses", "clients")
    row = account.insert("expenses")
    row.update(created_at=LATE, updated_at=LATE, new=1)
    monkeypatch.setattr(shape, "MOST_NEW_COLUMNS", 0)
    told = near.run()
    assert "more than 0 fields of expenses" in errors(told)["expenses"]
    assert verified(told)["clients"] == "yes"
    assert row["id"] not in ids(near, "expenses")
    monkeypatch.undo()
    stay_in_this_process(monkeypatch)
    assert verified(near.run())["expenses"] == "repaired 1"
    assert ids(near, "expenses") == sorted(account.rows["expenses"])


def test_children_of_a_parent_that_came_late_are_read_in_the_same_run(
    begin: Begin, account: Account
) -> None:
    near = begin("invoices", "invoice_payments")
    invoice = account.insert("invoices")
    account.insert("invoice_payments", parent=invoice["id"])
    invoice.update(created_at=LATE, updated_at=LATE)
    told = near.run()
    assert verified(told) == {"invoices": "repaired 1", "invoice_payments": "read today"}
    assert ids(near, "invoice_payments") == sorted(account.rows["invoice_payments"])


# what a person should know


def test_values_that_lost_digits_or_fit_no_column_are_told(begin: Begin, account: Account) -> None:
    near = begin("expenses", "projects")
    account.update("expenses", next(iter(account.rows["expenses"])), total_cost=0.12345678)
    account.update("projects", next(iter(account.rows["projects"])), budget="plenty")
    assert near.run().notes == [
        "values more than six decimals, rounded: expenses.total_cost",
        "values of another type, kept as text: projects.budget",
    ]


def test_rows_from_before_the_start_date_are_told(begin: Begin, account: Account) -> None:
    """Also those that hang on such a row."""
    near = begin("expenses", "invoices", "invoice_payments")
    changed = sorted(row["updated_at"] for row in account.rows["expenses"].values())
    near.settings["start_date"] = changed[3]
    older = {
        invoice_id
        for invoice_id, row in account.rows["invoices"].items()
        if row["updated_at"] < changed[3]
    }
    payments = [
        each
        for each in account.rows["invoice_payments"]
        if account.parent_of("invoice_payments", each) in older
    ]
    assert payments
    told = verified(near.run(VERIFY))
    assert told["expenses"] == "yes, 3 older rows not followed"
    assert told["invoice_payments"] == (
        f"read today, {len(payments)} older row{'s' * (len(payments) > 1)} not followed"
    )


# a destination that cannot merge


def test_table_that_lost_rows_with_a_killed_run_is_read_from_the_beginning(
    begin: Begin, account: Account
) -> None:
    """Of all accounts; one with lists also where there are rows of a load that was never completed."""
    near = begin("clients", "expenses", "invoices")
    other = account.id + 1
    line = {"error": None, "started_at": datetime(2026, 1, 1, tzinfo=UTC)}
    near.store.tables["load_report"] = {
        (each, name): {**line, "account_id": each, "report": name, "rows_here": rows}
        for each in (account.id, other)
        for name, rows in (("clients", 3), ("expenses", 8), ("invoices", None), ("tasks", 9))
    }
    near.store.states[AccountReport(other, "expenses")] = {"updated_at": LATE}
    near.store.tables["expenses"].popitem()
    near.store.unfinished = {"clients", "invoices"}  # clients have no lists
    near.store.rewrites = True
    assert set(verified(near.run()).values()) == {"yes"}
    assert ids(near, "expenses") == sorted(account.rows["expenses"])
    assert AccountReport(other, "expenses") not in near.store.states
    lost = "lost rows since the last run: it is read from the beginning"
    elsewhere = " when that account is loaded"
    assert [note for note in near.heard if "lost" in note] == [
        f"expenses of account {account.id} {lost}",
        f"invoices of account {account.id} {lost}",
        f"clients of account {other} {lost}{elsewhere}",
        f"expenses of account {other} {lost}{elsewhere}",
        f"invoices of account {other} {lost}{elsewhere}",
    ]


def test_list_with_other_elements_is_read_from_the_beginning(
    begin: Begin, account: Account
) -> None:
    near = begin("clients", "invoices")
    near.store.kept[LIST_ELEMENTS][str(account.id)]["invoices__line_items"] += 1
    assert errors(near.run()) == {}
    assert f"invoices of account {account.id} is not as it was last counted" in "\n".join(
        near.heard
    )


def test_windows_of_a_list_go_with_a_run_that_is_complete(
    tmp_path: Path, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a list that is loaded, and of one that only tells whose children are asked for."""
    monkeypatch.setattr(client, "PER_PAGE", 4)
    near = Near(tmp_path, account, names=("time_entries", "invoice_messages"))
    for number in range(20):
        account.insert("invoices", issue_date=f"2026-0{1 + number % 9}-01")
    assert near.run().exit_code == 0
    assert ids(near, "time_entries") == sorted(account.rows["time_entries"])
    assert not list(tmp_path.rglob("answers.db"))
