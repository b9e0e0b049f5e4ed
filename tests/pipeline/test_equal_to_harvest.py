"""The tables equal the account, after the first run and after every later one."""

from __future__ import annotations

from pathlib import Path

import pytest
from compare import assert_equal
from destinations import long, on
from pipelines import make_pipeline, rows
from support import serving, stop_timers, sync_once

from harvest_sandbox import Account, Size, build_account
from harvest_source.catalogue.reports import REPORTS
from harvest_source.reading.reader import Choice
from harvest_source.settings import parse_since

SMALL = Size(projects=4, users=4, invoices=8, estimates=4, time_entries=200, expenses=40, clients=3)


def small(seed: int = 7) -> Account:
    return build_account(SMALL, seed=seed)


# lists, some with list elements, and what hangs on projects, users, invoices and estimates
LINKED = (
    *(
        "time_entries",
        "expenses",
        "projects",
        "task_assignments",
        "user_assignments",
        "project_assignments",
    ),
    *("invoices", "invoice_messages", "invoice_payments", "estimates", "estimate_messages"),
)


@on("duckdb", long("postgres"))
def test_deleted_rows_go_with_all_that_hangs_on_them(tmp_path: Path) -> None:
    """One plain run after deletions and cascades makes ids and child rows equal, and writes down what went."""
    account = small()
    stop_timers(account)
    with serving(account) as sandbox:
        sync_once(tmp_path, sandbox, *LINKED)
        account.delete("time_entries", list(account.rows["time_entries"])[17])
        account.delete("projects", list(account.rows["projects"])[2])
        account.delete("invoices", list(account.rows["invoices"])[4])
        account.delete("estimates", list(account.rows["estimates"])[1])
        summary = sync_once(tmp_path, sandbox, *LINKED)
        assert [result.error for result in summary.results if result.error] == []
        assert_equal(tmp_path, sandbox, *LINKED)
    gone = dict(rows(tmp_path, "select report, count(*) from deleted_rows group by report"))
    assert gone == {result.report: result.deleted for result in summary.results if result.deleted}
    assert gone["projects"] == 1
    assert gone["invoices"] == 1
    assert rows(tmp_path, "select count(*) from deleted_rows where \"row\" like '%_key%'") == [(0,)]


@pytest.mark.long
@on("duckdb", "postgres", "filesystem")
def test_kept_rows_are_marked_when_they_are_gone(tmp_path: Path) -> None:
    """`deleted_rows = "keep"` leaves the row with its values and says when it was noticed."""
    account = small()
    with serving(account) as sandbox:
        sync_once(tmp_path, sandbox, "time_entries", "invoices", deleted_rows="keep")
        entry, invoice = list(account.rows["time_entries"])[3], list(account.rows["invoices"])[3]
        hours = account.rows["time_entries"][entry]["hours"]
        lines = len(account.rows["invoices"][invoice]["line_items"])
        account.delete("time_entries", entry)
        account.delete("invoices", invoice)
        sync_once(tmp_path, sandbox, "time_entries", "invoices", deleted_rows="keep")
        sync_once(tmp_path, sandbox, "time_entries", "invoices", deleted_rows="keep")
    assert [
        float(row[0])
        for row in rows(tmp_path, "select hours from time_entries where deleted_at is not null")
    ] == [hours]
    assert rows(tmp_path, "select id from invoices where deleted_at is not null") == [(invoice,)]
    assert rows(
        tmp_path, f"select count(*) from invoices__line_items where invoice_id = {invoice}"
    ) == [(lines,)]
    assert rows(tmp_path, "select count(*) from invoices where account_id = 0") == [(0,)]


@pytest.mark.long
@on("duckdb", "postgres")
def test_more_than_half_of_a_table_does_not_go_unasked(tmp_path: Path) -> None:
    """Doubt: exit 1 and nothing removed, until a person accepts it."""
    account = small()
    with serving(account) as sandbox:
        sync_once(tmp_path, sandbox, "expenses")
        for expense in list(account.rows["expenses"])[:30]:
            account.delete("expenses", expense)
        (result,) = sync_once(tmp_path, sandbox, "expenses").results
        assert "--accept-deletions" in (result.error or "")
        assert rows(tmp_path, "select count(*) from expenses") == [(40,)]


@pytest.mark.long
@on("duckdb", "postgres")
def test_since_leaves_bookmarks_alone(tmp_path: Path) -> None:
    """A `--since` run loads a part, called `part`; the next plain run is still a whole first load."""
    account = small()
    stop_timers(account)
    with serving(account) as sandbox:
        instants = sorted(
            parse_since("updated_at", entry["updated_at"])
            for entry in account.rows["time_entries"].values()
        )
        (part,) = sync_once(
            tmp_path, sandbox, "time_entries", choice=Choice(since=instants[-100])
        ).results
        assert part.verified == "part"
        assert 0 < (part.total or 0) < 200
        (whole,) = sync_once(tmp_path, sandbox, "time_entries").results
        assert (whole.total, whole.verified) == (200, "yes")


@pytest.mark.long
@on("duckdb", "postgres", "filesystem")
def test_two_accounts_with_the_same_ids_stay_apart(tmp_path: Path) -> None:
    """Rows, bookmarks and deletions of one account leave the other untouched."""
    north, south = small(), build_account(SMALL, seed=7)
    south.id = north.id + 1
    for account in (north, south):
        stop_timers(account)
    with serving(north, south) as sandbox:
        sync_once(tmp_path, sandbox, *LINKED, accounts=(north.id,))
        sync_once(tmp_path, sandbox, *LINKED, accounts=(south.id,))
        assert_equal(tmp_path, sandbox, *LINKED)
        named = rows(
            tmp_path, "select account_id, name, currency, week_start_day from accounts order by 1"
        )
        assert named == [
            (each.id, each.name, each.company["currency"], each.company["week_start_day"])
            for each in (north, south)
        ]
        north.delete("time_entries", next(iter(north.rows["time_entries"])))
        sync_once(tmp_path, sandbox, *LINKED)
        assert_equal(tmp_path, sandbox, *LINKED)


TYPES = {
    "duckdb": {
        "hours": "DECIMAL(20,6)",
        "id": "BIGINT",
        "spent_date": "DATE",
        "updated_at": "TIMESTAMP WITH TIME ZONE",
    },
    "postgres": {
        "hours": "numeric",
        "id": "bigint",
        "spent_date": "date",
        "updated_at": "timestamp with time zone",
    },
}


@pytest.mark.parametrize("destination", TYPES, indirect=True)
def test_every_report_of_the_catalogue_has_a_table(tmp_path: Path, destination: str) -> None:
    """Also on an account without a row: declared columns and child tables are there, with the database's own types."""
    account = small()
    for name in (
        "projects",
        "invoices",
        "estimates",
        "expenses",
        "time_entries",
        "contacts",
        "clients",
        "tasks",
        "roles",
    ):
        for row_id in list(account.rows[name]):
            account.delete(name, row_id)
    with serving(account) as sandbox:
        for _ in range(2):
            assert sync_once(tmp_path, sandbox).exit_code == 0
    found = {
        row[0]
        for row in rows(
            tmp_path,
            "select table_name from information_schema.tables where table_schema = 'harvest'",
        )
    }
    for report in REPORTS:
        assert {report.name, *(f"{report.name}__{nested.name}" for nested in report.lists)} <= found
        assert rows(tmp_path, f"select count(*) from {report.name} where account_id = 0") == [(0,)]
    columns = "select column_name, data_type from information_schema.columns where table_schema = 'harvest'"
    types = dict(rows(tmp_path, f"{columns} and table_name = 'time_entries'"))
    assert {name: types[name] for name in TYPES[destination]} == TYPES[destination]


@pytest.mark.long
@on("duckdb", "postgres")
def test_payments_that_do_not_add_up_are_read_again(tmp_path: Path) -> None:
    """`amount - due_amount` of an invoice against its payments shows one that is missing, without any change time."""
    account = small()
    with serving(account) as sandbox:
        sync_once(tmp_path, sandbox, "invoices", "invoice_payments")
        paid = next(row for row in account.rows["invoices"].values() if row["state"] == "paid")
        with make_pipeline(tmp_path).sql_client() as client:
            client.execute_sql(f"delete from invoice_payments where invoice_id = {paid['id']}")
        sandbox.clear()
        sync_once(tmp_path, sandbox, "invoices", "invoice_payments")
        assert any(
            request.path.endswith(f"/invoices/{paid['id']}/payments")
            for request in sandbox.requests
        )
        assert_equal(tmp_path, sandbox, "invoice_payments")
