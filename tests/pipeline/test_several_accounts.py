"""Several accounts in one run: what happens in one of them leaves the others as they are."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import Type
from compare import assert_equal
from faults_support import TINY, errors_of, tiny
from pipelines import make_pipeline, rows
from second_harvest import Asked, HandMade, by_hand
from support import make_source, serving, sync_once

from harvest_sandbox import Account
from harvest_source.catalogue.reports import REPORTS
from harvest_source.errors import AccountNotFoundError, HarvestError, TokenRejectedError
from harvest_source.loading.syncing import sync
from harvest_source.reading.reader import Choice, Mode

LONG = pytest.mark.long
PARENTS = ("projects", "users", "invoices", "estimates")  # children are read by these
# every report that is, or may be, read by rows of another, and the lists that lose rows along
LINKED = (
    *PARENTS,
    *(report.name for report in REPORTS if report.parent or report.project_path),
    "time_entries",
    "expenses",
)


def three_accounts() -> tuple[Account, Account, Account]:
    """Returns accounts with the same ids in them."""
    first, second, third = (tiny(size=replace(TINY, invoices=8)) for _ in range(3))
    second.id, third.id = first.id + 1, first.id + 2
    return first, second, third


def delete_parents(account: Account) -> None:
    """Deletes one row of each list that children hang on, but not the caller, and an invoice that was paid."""
    account.delete(
        "invoices",
        account.parent_of("invoice_payments", list(account.rows["invoice_payments"])[-1]),
    )
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
        assert {
            each.account_id for each in summary.results if each.new or each.changed or each.deleted
        } == {accounts[1].id}
        gone = {name for (name,) in rows(tmp_path, "select distinct report from deleted_rows")}
        assert gone >= {
            *PARENTS,
            "invoice_payments",
            "invoice_messages",
            "estimate_messages",
            "project_assignments",
        }
        assert_equal(tmp_path, sandbox, *LINKED)
        delete_parents(accounts[2])
        choice = Choice(mode=Mode.ALL)
        source = make_source(sandbox, *LINKED, choice=choice, assignments=assignments)
        assert errors_of(sync(make_pipeline(tmp_path), source, totals=True)) == {}
        assert_equal(tmp_path, sandbox, *LINKED)


@pytest.mark.parametrize(
    "destination",
    ["duckdb", pytest.param("postgres", marks=LONG), pytest.param("filesystem", marks=LONG)],
    indirect=True,
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
            "invoices",
            accounts[1].parent_of(
                "invoice_payments", next(iter(accounts[1].rows["invoice_payments"]))
            ),
        )
        assert errors_of(sync_once(tmp_path, sandbox, *names, deleted_rows="keep")) == {}
    assert rows(tmp_path, "select count(*) from invoices") == before
    for name in names:
        live = f"select account_id, count(*) from {name} where deleted_at is null group by account_id order by 1"
        assert rows(tmp_path, live) == [(each.id, len(each.rows[name])) for each in accounts], name


FAILING, GOOD = 78, 77
CHOSEN = ("clients", "invoices", "invoice_payments")


def answers_of_two(harvest: HandMade, status: int, *failing: int) -> None:
    """Has the server list two accounts with the same rows, some of which answer everything with a status."""
    accounts = [
        {"id": each, "name": f"Account {each}", "product": "harvest"} for each in (GOOD, FAILING)
    ]

    def answer(asked: Asked) -> tuple[int, bytes] | None:
        if asked.path == "api/v2/accounts":
            return 200, json.dumps({"accounts": accounts}).encode()
        own = int(asked.headers.get("harvest-account-id", "0"))
        return (status, b'{"message": "no"}') if own in failing else None

    harvest.spoil = answer


@pytest.mark.long
@pytest.mark.parametrize(
    "status",
    [
        401,
        404,
        pytest.param(402, marks=LONG),
        pytest.param(403, marks=LONG),
        pytest.param(500, marks=LONG),
    ],
)
def test_account_that_refuses_everything_fails_alone(tmp_path: Path, status: int) -> None:
    """Its reports have the error, its rows stay; the other account is loaded and compared; then both are complete again."""
    with by_hand(invoices=3, entries=0) as harvest:
        answers_of_two(harvest, 200)
        assert errors_of(sync_once(tmp_path, harvest, *CHOSEN)) == {}
        before = rows(tmp_path, f"select * from clients where account_id = {FAILING} order by id")
        harvest.now = "2026-07-02T08:30:00Z"
        harvest.change("clients", harvest.tables["clients"][0]["id"], name="Renamed")
        answers_of_two(harvest, status, FAILING)
        summary = sync_once(tmp_path, harvest, *CHOSEN)
        assert summary.exit_code == 1
        assert {(each.account_id, each.report) for each in summary.results if each.error} == {
            (FAILING, name) for name in CHOSEN
        }
        assert all(
            str(status) in (each.error or "")
            for each in summary.results
            if each.account_id == FAILING
        )
        assert {each.report: each.changed for each in summary.results if each.account_id == GOOD}[
            "clients"
        ] == 1
        assert (
            rows(tmp_path, f"select * from clients where account_id = {FAILING} order by id")
            == before
        )
        answers_of_two(harvest, 200)
        assert errors_of(sync_once(tmp_path, harvest, *CHOSEN)) == {}
        assert rows(
            tmp_path, "select account_id from clients where name = 'Renamed' order by 1"
        ) == [(GOOD,), (FAILING,)]


@pytest.mark.parametrize(
    ("status", "error"), [(401, TokenRejectedError), (404, AccountNotFoundError)]
)
def test_run_ends_where_every_account_refuses(
    tmp_path: Path, status: int, error: type[HarvestError]
) -> None:
    """Then it is the token that is wrong, or the account ids."""
    with by_hand(invoices=1, entries=0) as harvest:
        answers_of_two(harvest, status, GOOD, FAILING)
        with pytest.raises(error):
            sync_once(tmp_path, harvest, *CHOSEN)


@pytest.mark.long
@pytest.mark.parametrize("everywhere", [False, pytest.param(True, marks=LONG)])
def test_module_that_is_off_in_an_account_is_not_asked_there(
    tmp_path: Path, *, everywhere: bool
) -> None:
    """Its rows stay, also when their project goes; the other account is compared. Off in all: later runs end as without it."""
    north, south = tiny(), tiny()
    south.id = north.id + 1
    names = ("projects", "expenses", "expense_categories")
    with serving(north, south) as sandbox:
        sync_once(tmp_path, sandbox, *names)
        of_south = f"select * from expenses where account_id = {south.id} order by id"
        before = rows(tmp_path, of_south)
        for account in (north, south) if everywhere else (south,):
            account.company["expense_feature"] = False
        project = next(iter(south.rows["expenses"].values()))["project"]["id"]
        south.delete("projects", project)
        if not everywhere:
            north.delete("expenses", next(iter(north.rows["expenses"])))
        before_run = len(sandbox.requests)
        summary = sync(make_pipeline(tmp_path), make_source(sandbox, *names), totals=True)
        assert errors_of(summary) == {}
        found = {
            (each.account_id, each.report): (each.verified, each.deleted)
            for each in summary.results
        }
        off = ("module off", 0)
        assert found[south.id, "projects"] == ("repaired 1", 1)
        assert found[south.id, "expenses"] == found[south.id, "expense_categories"] == off
        assert found[north.id, "expenses"] == (off if everywhere else ("repaired 1", 1))
        asked = [
            each.path
            for each in sandbox.requests[before_run:]
            if each.headers.get("Harvest-Account-Id") == str(south.id)
        ]
        assert "/v2/projects" in asked
        assert [path for path in asked if path.split("/")[2] in names[1:]] == []
        assert rows(tmp_path, of_south) == before
        assert errors_of(sync_once(tmp_path, sandbox, *names)) == {}


def test_reports_of_an_account_that_fails_share_one_line(type_command: Type) -> None:
    """On the command line: which reports, which account and why, once; the same where nobody says who the token's user is."""
    with by_hand(invoices=1, entries=0) as harvest:
        choice = ("--account", "all", "--reports", "clients,contacts,tasks")
        answers_of_two(harvest, 404, FAILING)
        done = type_command(*choice, harvest=harvest)
        assert done.code == 1
        (line,) = (line for line in done.err.splitlines() if line.startswith("not "))
        reason = f"Harvest does not know account {FAILING} for this token (404)"
        assert line == f"not loaded: clients, contacts, tasks (account {FAILING}): {reason}"
        harvest.spoil = lambda asked: (403, b"{}") if asked.path == "users/me" else None
        done = type_command(*choice, harvest=harvest)
        assert done.code == 1
        (line,) = (line for line in done.err.splitlines() if line.startswith("not "))
        assert line.startswith(
            f"not verified: clients, contacts, tasks (account {GOOD}): the token's user was"
        )
