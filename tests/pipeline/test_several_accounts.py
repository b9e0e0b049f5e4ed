"""Several accounts in one run: what happens in one of them leaves the others as they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from compare import assert_equal
from faults_support import TINY, errors_of, tiny
from support import make_pipeline, make_source, rows, serving, sync_once

from harvest_sandbox import Account
from harvest_source.reports.catalogue import REPORTS
from harvest_source.reports.reader import Choice
from harvest_source.syncing import sync

LONG = pytest.mark.long
PARENTS = ("projects", "users", "invoices", "estimates")  # children are read by these
# every report that is, or may be, read by rows of another, and the lists that lose rows along
LINKED = (*PARENTS, *(report.name for report in REPORTS if report.parent or report.project_path), "time_entries", "expenses")


def three_accounts() -> tuple[Account, Account, Account]:
    """Returns accounts with the same ids in them."""
    first, second, third = (tiny(size=replace(TINY, invoices=8)) for _ in range(3))
    second.id, third.id = first.id + 1, first.id + 2
    return first, second, third


def delete_parents(account: Account) -> None:
    """Deletes one row of each list that children hang on, but not the caller, and an invoice that was paid."""
    account.delete("invoices", account.parent_of("invoice_payments", list(account.rows["invoice_payments"])[-1]))
    for name in PARENTS:
        account.delete(name, list(account.rows[name])[-1])


@LONG
@pytest.mark.parametrize(
    ("destination", "assignments"),
    [("duckdb", "project"), ("postgres", "account"), ("filesystem", "account")],
    indirect=["destination"],
)
@pytest.mark.usefixtures("destination")
def test_deletions_in_one_account_are_followed_there(tmp_path: Path, assignments: str) -> None:
    """By a plain run, and by one that compares every value, as `verify` does; rows of the other accounts stay as they are."""
    accounts = three_accounts()
    with serving(*accounts) as sandbox:
        sync_once(tmp_path, sandbox, *LINKED, assignments=assignments)
        delete_parents(accounts[1])
        summary = sync_once(tmp_path, sandbox, *LINKED, assignments=assignments)
        assert errors_of(summary) == {}
        assert {each.account_id for each in summary.results if each.new or each.changed or each.deleted} == {accounts[1].id}
        gone = {name for (name,) in rows(tmp_path, "select distinct report from deleted_rows")}
        assert gone >= {*PARENTS, "invoice_payments", "invoice_messages", "estimate_messages", "project_assignments"}
        assert_equal(tmp_path, sandbox, *LINKED)
        delete_parents(accounts[2])
        choice = Choice(full_refresh=True)
        source = make_source(sandbox, *LINKED, folder=tmp_path / "spool", choice=choice, assignments=assignments)
        assert errors_of(sync(make_pipeline(tmp_path), source, totals=True)) == {}
        assert_equal(tmp_path, sandbox, *LINKED)


@pytest.mark.parametrize(
    "destination", ["duckdb", pytest.param("postgres", marks=LONG), pytest.param("filesystem", marks=LONG)], indirect=True
)
@pytest.mark.usefixtures("destination")
def test_rows_gone_in_one_account_are_marked_there_alone(tmp_path: Path) -> None:
    """`deleted_rows = "keep"`: also the children of what is gone."""
    names = ("invoices", "invoice_messages", "invoice_payments")
    accounts = three_accounts()
    with serving(*accounts) as sandbox:
        sync_once(tmp_path, sandbox, *names, deleted_rows="keep")
        before = rows(tmp_path, "select count(*) from invoices")
        accounts[1].delete(
            "invoices", accounts[1].parent_of("invoice_payments", next(iter(accounts[1].rows["invoice_payments"])))
        )
        assert errors_of(sync_once(tmp_path, sandbox, *names, deleted_rows="keep")) == {}
    assert rows(tmp_path, "select count(*) from invoices") == before
    for name in names:
        live = f"select account_id, count(*) from {name} where deleted_at is null group by account_id order by 1"
        assert rows(tmp_path, live) == [(each.id, len(each.rows[name])) for each in accounts], name
