"""Children that a hand took out are noticed by the next run, though Harvest has no count of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from compare import assert_equal
from destinations import long, on
from faults_support import Ears, errors_of, tiny
from loads import killed_at
from pipelines import make_pipeline, rows
from second_harvest import by_hand
from support import make_source, serving, sync_once

from harvest_source.loading.loader import Loader
from harvest_source.loading.syncing import sync
from harvest_source.settings import parse_since

LONG = pytest.mark.long
NAMES = ("invoices", "invoice_messages", "invoice_payments", "users", "billable_rates", "teammates")
TAKEN = (
    "delete from invoice_messages where id in (select min(id) from invoice_messages group by invoice_id)",
    "delete from billable_rates where id = (select min(id) from billable_rates)",
    "delete from teammates where id = (select min(id) from teammates)",
    "delete from invoice_payments",
)


@on("duckdb", long("postgres"), long("sqlite"))
@pytest.mark.parametrize(
    "deleted_rows", ["remove", *(pytest.param(each, marks=LONG) for each in ("keep", "ignore"))]
)
def test_children_taken_out_by_hand_come_back(tmp_path: Path, deleted_rows: str) -> None:
    """Of several parents and of both accounts, which have the same ids; then all is quiet again."""
    accounts = [tiny(), tiny()]
    accounts[1].id += 1
    with serving(*accounts) as sandbox:
        sync_once(tmp_path, sandbox, *NAMES, deleted_rows=deleted_rows)
        with make_pipeline(tmp_path).sql_client() as client:
            for statement in TAKEN:
                client.execute_sql(statement)
        ears = Ears()
        source = make_source(sandbox, *NAMES, deleted_rows=deleted_rows)
        assert errors_of(sync(make_pipeline(tmp_path), source, listener=ears)) == {}
        assert sorted(ears.notes) == sorted(
            f"{name} of account {account.id} is not as it was last counted: it is read from the beginning"
            for name in NAMES
            if name not in ("invoices", "users")
            for account in accounts
        )
        assert_equal(tmp_path, sandbox, *NAMES)
        sandbox.clear()
        again = sync_once(tmp_path, sandbox, *NAMES, deleted_rows=deleted_rows)
        assert sum(each.new + each.changed for each in again.results) == 0
        assert not [asked for asked in sandbox.requests if asked.path.count("/") > 3]


@pytest.mark.parametrize("deleted_rows", ["remove", "keep"])
def test_what_a_run_removed_that_ended_early_is_not_missed(
    tmp_path: Path, deleted_rows: str
) -> None:
    """Its invoice was deleted at Harvest: the next run asks for nothing more than on a quiet day."""
    options: Any = {"deleted_rows": deleted_rows}
    with by_hand(invoices=40, entries=0) as harvest:
        names = ("invoices", "invoice_messages", "invoice_payments")
        sync_once(tmp_path, harvest, *names, **options)
        harvest.requests.clear()
        sync_once(tmp_path, harvest, *names, **options)
        quiet = len(harvest.requests)
        gone = harvest.tables["invoices"].pop(2)["id"]  # it has line items, messages and payments
        harvest.now = "2026-07-02T08:30:00Z"
        with killed_at(Loader, "write_history"):
            sync_once(tmp_path, harvest, *names, **options)
        for table in names[1:]:
            left = f"select count(*) from {table} where invoice_id = {gone} and deleted_at is null"
            assert rows(tmp_path, left) == [(0,)], table
        harvest.requests.clear()
        ears = Ears()
        source = make_source(harvest, *names, **options)
        assert errors_of(sync(make_pipeline(tmp_path), source, listener=ears)) == {}
        assert (ears.notes, len(harvest.requests)) == ([], quiet)
        with make_pipeline(tmp_path).sql_client() as client:
            client.execute_sql("delete from invoice_messages where deleted_at is null")
        assert errors_of(sync_once(tmp_path, harvest, *names, **options)) == {}
        there = "select count(distinct invoice_id) from invoice_messages where deleted_at is null"
        assert rows(tmp_path, there) == [(39,)]


def test_children_that_a_run_removed_are_not_missed(tmp_path: Path) -> None:
    """With their invoice, also where Harvest refuses to give the children of another one in that run."""
    with by_hand(invoices=6, entries=0) as harvest:
        both = ("invoices", "invoice_messages")
        sync_once(tmp_path, harvest, *both)
        ((before,),) = rows(tmp_path, "select count(*) from invoice_messages")
        gone, other = (row["id"] for row in harvest.tables["invoices"][:2])
        harvest.tables["invoices"].pop(0)
        harvest.now = "2026-07-02T08:30:00Z"
        harvest.change("invoices", other)
        harvest.spoil = lambda asked: (
            (500, b"") if asked.path.endswith(f"{other}/messages") else None
        )
        assert set(errors_of(sync_once(tmp_path, harvest, *both))) == {"invoice_messages"}
        ((after,),) = rows(tmp_path, "select count(*) from invoice_messages")
        assert after < before
        assert rows(tmp_path, f"select * from invoice_messages where invoice_id = {gone}") == []
        harvest.spoil = lambda _asked: None
        harvest.requests.clear()
        assert errors_of(sync_once(tmp_path, harvest, *both)) == {}
        asked = [each.path for each in harvest.requests if each.path.endswith("/messages")]
        assert asked == [f"invoices/{other}/messages"]


def test_children_from_before_start_date_are_looked_for_once(tmp_path: Path) -> None:
    """Nobody follows them: they stay missing, and the run after that asks for none."""
    start = parse_since("start_date", "2026-04-01")
    both = ("invoices", "invoice_messages")
    with by_hand(invoices=16, entries=0) as harvest:
        sync_once(tmp_path, harvest, *both)
        with make_pipeline(tmp_path).sql_client() as client:
            client.execute_sql("delete from invoice_messages")
        assert errors_of(sync_once(tmp_path, harvest, *both, start_date=start)) == {}
        ((followed,),) = rows(tmp_path, "select count(*) from invoice_messages")
        assert followed
        harvest.requests.clear()
        sync_once(tmp_path, harvest, *both, start_date=start)
        assert not [each.path for each in harvest.requests if each.path.endswith("/messages")]
        assert rows(tmp_path, "select count(*) from invoice_messages") == [(followed,)]


def test_children_that_a_run_left_without_keeping_their_number_are_no_sign(tmp_path: Path) -> None:
    """A run that ended after its loads brought more of them: the next one does not ask for all."""
    account = tiny()
    both = ("invoices", "invoice_messages")
    with serving(account) as sandbox:
        sync_once(tmp_path, sandbox, *both)
        invoice = next(iter(account.rows["invoices"]))
        account.insert("invoice_messages", parent=invoice)
        account.update("invoices", invoice, notes="changed")
        with killed_at(Loader, "write_history"):
            sync_once(tmp_path, sandbox, *both)
        assert_equal(tmp_path, sandbox, "invoice_messages")
        sandbox.clear()
        assert errors_of(sync_once(tmp_path, sandbox, *both)) == {}
        asked = {each.path for each in sandbox.requests if each.path.endswith("/messages")}
        assert asked <= {f"/v2/invoices/{invoice}/messages"}  # changed lately: within the overlap
