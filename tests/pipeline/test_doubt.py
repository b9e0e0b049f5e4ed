"""Nothing is removed on doubt: where so much is gone that Harvest may have answered wrongly, a person must say so."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from compare import assert_equal
from faults_support import TINY, errors_of, path_of, tables_of, tiny
from support import TOKEN, make_pipeline, make_source, rows, serving, sync_once

from harvest_sandbox import Fault, Sandbox
from harvest_sandbox.access import Caller
from harvest_source.reports.catalogue import by_name
from harvest_source.reports.reader import Choice
from harvest_source.syncing import Summary, sync

ACCEPT = "--accept-deletions"


def answer_empty(sandbox: Sandbox, names: Iterable[str]) -> None:
    """Has lists answer as if they had no row, counts too, until the faults are cleared."""
    for report in map(by_name, names):
        body = json.dumps({report.rows_key: [], "total_entries": 0, "links": {"next": None}})
        sandbox.faults.append(Fault(path=path_of(report), status=200, body=body, times=None))


def accept(folder: Path, sandbox: Sandbox, *names: str) -> Summary:
    """Runs with `--accept-deletions`."""
    return sync(make_pipeline(folder), make_source(sandbox, *names, folder=folder / "spool"), accept_deletions=True)


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
        assert rows(tmp_path, "select account_id, report from deleted_rows") == [(other.id, "roles")]
        assert errors_of(accept(tmp_path, sandbox, *names)) == {}
        assert_equal(tmp_path, sandbox, *names)


def test_list_of_users_without_the_administrator_who_asks_is_no_proof(tmp_path: Path) -> None:
    """Nothing is removed, also by a full refresh, and where the list is read for the rates alone."""
    names = ("users", "billable_rates")
    with serving(tiny()) as sandbox:
        sync_once(tmp_path, sandbox, *names)
        before = tables_of(tmp_path)
        answer_empty(sandbox, ["users"])
        for chosen in (("users",), ("billable_rates",), names):
            summary = sync_once(tmp_path, sandbox, *chosen, choice=Choice(full_refresh=True, replaces=True))
            assert all("lacks the token's own user" in errors_of(summary)[name] for name in chosen)
            assert tables_of(tmp_path) == before


def test_list_of_users_never_holds_the_manager_who_asks(tmp_path: Path) -> None:
    """A manager sees teammates only: that is no reason for doubt."""
    account = tiny()
    manager, *_ = next(iter(account.rows["teammates"]))
    with serving(account) as sandbox:
        sandbox.callers[TOKEN] = Caller(user_id=manager)
        for choice in (Choice(), Choice(full_refresh=True)):
            assert errors_of(sync_once(tmp_path, sandbox, "users", choice=choice)) == {}
    assert (manager,) not in rows(tmp_path, "select id from users")
