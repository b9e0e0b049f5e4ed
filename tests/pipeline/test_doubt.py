"""Nothing is removed on doubt: where so much is gone that Harvest may have answered wrongly, a person must say so."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from compare import assert_equal
from faults_support import TINY, errors_of, path_of, tables_of, tiny
from pipelines import make_pipeline, rows
from support import TOKEN, make_source, serving, sync_once

from harvest_sandbox import Fault, Sandbox
from harvest_sandbox.access import Caller
from harvest_source.catalogue.lookup import by_name
from harvest_source.loading.summary import Summary
from harvest_source.loading.syncing import sync
from harvest_source.reading.reader import Choice, Mode
from harvest_source.settings import parse_since

ACCEPT = "--accept-deletions"


def answer_empty(sandbox: Sandbox, names: Iterable[str]) -> None:
    """Has lists answer as if they had no row, counts too, until the faults are cleared."""
    for report in map(by_name, names):
        body = json.dumps({report.rows_key: [], "total_entries": 0, "links": {"next": None}})
        sandbox.faults.append(Fault(path=path_of(report), status=200, body=body, times=None))


def accept(folder: Path, sandbox: Sandbox, *names: str) -> Summary:
    """Runs with `--accept-deletions`."""
    return sync(make_pipeline(folder), make_source(sandbox, *names), accept_deletions=True)


LISTS = ("clients", "expenses", "invoices", "projects", "roles", "time_entries", "users")
# lists that answer as if they were empty; 40 expenses are enough to be doubted, the other tables are smaller
EMPTY = {
    "all lists": LISTS,
    "one large list and a small one": ("expenses", "clients"),
    "all lists but users": tuple(name for name in LISTS if name != "users"),
    "projects, under which the expenses are": ("projects", "roles"),
    "users and a small one": ("users", "clients"),
}


@pytest.mark.long
def test_lists_without_their_rows_for_one_run_cost_no_row(tmp_path: Path) -> None:
    """Of no table, however small, since one of the account is doubted."""
    names = (*LISTS, "invoice_payments", "billable_rates")
    account = tiny(size=replace(TINY, expenses=40, time_entries=15))
    with serving(account) as sandbox:
        sync_once(tmp_path, sandbox, *names)
        before = tables_of(tmp_path)
        for case, empty in EMPTY.items():
            answer_empty(sandbox, empty)
            errors = errors_of(sync_once(tmp_path, sandbox, *names))
            assert set(errors) >= set(empty), case
            assert all(ACCEPT in error for error in errors.values()), case
            assert tables_of(tmp_path) == before, case
            sandbox.faults.clear()
        assert errors_of(sync_once(tmp_path, sandbox, *names)) == {}
        assert_equal(tmp_path, sandbox, *names)


def test_doubt_about_one_table_is_its_accounts(tmp_path: Path) -> None:
    """Every row of the account stays until a person accepts; what is gone in another account goes."""
    names = ("expenses", "roles", "clients")
    account, other = tiny(size=replace(TINY, expenses=40)), tiny()
    other.id = account.id + 1
    with serving(account, other) as sandbox:
        sync_once(tmp_path, sandbox, *names)
        for expense in list(account.rows["expenses"])[:30]:
            account.delete("expenses", expense)
        for each in (account, other):
            each.delete("roles", next(iter(each.rows["roles"])))
        doubted = sync_once(tmp_path, sandbox, *names).results
        assert {(each.account_id, each.report) for each in doubted if each.error} == {
            (account.id, "expenses"),
            (account.id, "roles"),
        }
        assert rows(tmp_path, "select account_id, report from deleted_rows") == [
            (other.id, "roles")
        ]
        assert errors_of(accept(tmp_path, sandbox, *names)) == {}
        assert_equal(tmp_path, sandbox, *names)


@pytest.mark.long
def test_list_of_users_without_the_administrator_who_asks_is_no_proof(tmp_path: Path) -> None:
    """Nothing is removed, also by a full refresh, and where the list is read for the rates alone."""
    names = ("users", "billable_rates")
    with serving(tiny()) as sandbox:
        sync_once(tmp_path, sandbox, *names)
        before = tables_of(tmp_path)
        answer_empty(sandbox, ["users"])
        for chosen in (("users",), ("billable_rates",), names):
            summary = sync_once(tmp_path, sandbox, *chosen, choice=Choice(mode=Mode.REPLACE))
            assert all("lacks the token's own user" in errors_of(summary)[name] for name in chosen)
            assert tables_of(tmp_path) == before
        assert (
            "lacks the token's own user"
            in errors_of(sync_once(tmp_path, sandbox, "users"))["users"]
        )
        assert tables_of(tmp_path) == before


def test_list_of_users_never_holds_the_manager_who_asks(tmp_path: Path) -> None:
    """A manager sees teammates only: that is no reason for doubt."""
    account = tiny()
    manager, *_ = next(iter(account.rows["teammates"]))
    with serving(account) as sandbox:
        sandbox.callers[TOKEN] = Caller(user_id=manager)
        for choice in (Choice(), Choice(mode=Mode.ALL)):
            assert errors_of(sync_once(tmp_path, sandbox, "users", choice=choice)) == {}
    assert (manager,) not in rows(tmp_path, "select id from users")


# who asks in each run, and how -> whether the last run may take rows that it does not see for gone
HISTORIES = {
    "lowered after a run that ignores": (["boss", "ann ignore", "ann"], False),
    "lowered after a first run that did not learn who asks": (["boss unknown", "ann"], False),
    "another member in between": (["ann", "ben", "ann"], False),
    "the same member, ignoring in between": (["ann", "ann ignore", "ann"], True),
    "another member": (["ann", "ben"], False),
    "another member in between, ignoring": (["ann", "ben ignore", "ann"], False),
    "accepted for another table only": (["boss", "ann accept expenses", "ann"], False),
    "accepted for a part only": (["boss", "ann accept since", "ann"], False),
    "raised and lowered": (["ann", "boss", "ann"], False),
    "doubted twice": (["boss", "ann", "ann"], False),
    "who asks is not learned now": (["ann", "ann unknown"], False),
    "accepted once": (["boss", "ann accept", "ann"], True),
    "an administrator again": (["boss", "ann", "boss unknown", "boss"], True),
    "raised": (["ann", "boss"], True),
}
SHORT = 4  # of these are not marked as long


@pytest.mark.long
@pytest.mark.parametrize(
    ("runs", "believed"),
    [
        pytest.param(*each, id=name, marks=[pytest.mark.long] * (n >= SHORT))
        for n, (name, each) in enumerate(HISTORIES.items())
    ],
)
def test_rows_that_may_only_be_hidden_stay(
    tmp_path: Path, runs: list[str], *, believed: bool
) -> None:
    """Harvest shows members their own rows without a sign that there are others; who asked is kept for each table."""
    account = tiny(size=replace(TINY, time_entries=15))
    users = Counter(entry["user"]["id"] for entry in account.rows["time_entries"].values())
    (ann, _), (ben, _) = users.most_common(2)
    callers = {
        "boss": Caller(),
        "ann": Caller(ann, access_roles=["member"]),
        "ben": Caller(ben, access_roles=["member"]),
    }
    with serving(account) as sandbox:
        for place, run in enumerate(runs):
            who, *how = run.split()
            sandbox.callers[TOKEN] = callers[who]
            if "unknown" in how:
                sandbox.faults.append(Fault(path="/users/me$", status=500, times=None))
            before = set(rows(tmp_path, "select id from time_entries")) if place else set()
            if place == len(runs) - 1:
                own = [
                    entry["id"]
                    for entry in account.rows["time_entries"].values()
                    if entry["user"]["id"] == ann
                ]
                account.delete("time_entries", own[0])
            source = make_source(
                sandbox,
                *(["expenses"] if "expenses" in how else ["time_entries", "expenses"]),
                deleted_rows="ignore" if "ignore" in how else "remove",
                choice=Choice(since=parse_since("since", "2026-01-01") if "since" in how else None),
            )
            errors = errors_of(
                sync(make_pipeline(tmp_path), source, accept_deletions="accept" in how)
            )
            sandbox.faults.clear()
        after = set(rows(tmp_path, "select id from time_entries"))
    if believed:
        assert (errors, len(before - after)) == ({}, 1)
    else:
        assert "rows may be hidden" in errors["time_entries"]
        assert before <= after
