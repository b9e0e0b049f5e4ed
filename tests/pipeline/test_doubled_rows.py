"""A key that stands twice, since two machines loaded at once or a hand copied rows, counts as changed and is mended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from compare import assert_equal
from destinations import long, on
from faults_support import errors_of
from loads import Killed, killed_at, lose_answers
from pipelines import make_pipeline, rows
from support import serving, stop_timers, sync_once

from harvest_sandbox import Size, build_account
from harvest_source.loading import compare, loader, package
from harvest_source.loading.delivery import with_items
from harvest_source.loading.doubled import mend
from harvest_source.reading.reader import Choice, Mode

SMALL = Size(projects=4, users=4, invoices=8, estimates=4, time_entries=200, expenses=40, clients=3)
# one list, one with list elements, one paged by number, one object, children of a list and of users
NAMES = (
    "clients",
    "invoices",
    "time_entries",
    "company",
    "invoice_payments",
    "billable_rates",
    "project_assignments",
)
# table: column with the id of the row
TABLES = {name: "account_id" if name == "company" else "id" for name in NAMES} | {
    "invoices__line_items": "invoice_id",
    "project_assignments__task_assignments": "project_assignment_id",
}


def double(folder: Path) -> None:
    """Copies some rows, with their list elements, as another machine would have loaded them."""
    with make_pipeline(folder).sql_client() as client:
        for table, row_id in TABLES.items():
            condition = "true" if table == "company" else f"{row_id} % 3 = 0"
            client.execute_sql(f"create table copied as select * from {table} where {condition}")
            own = ("_dlt_id", "_dlt_parent_id", "_dlt_root_id") if "__" in table else ("_dlt_id",)
            for name in own if table != "time_entries" else ():  # Arrow tables have none
                client.execute_sql(f"update copied set {name} = {name} || '2'")
            client.execute_sql(f"insert into {table} select * from copied")
            client.execute_sql("drop table copied")


@on("duckdb", long("postgres"))
def test_doubled_rows_are_mended_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a quiet day, in lists of every length and in children, whose parents did not change either."""
    account = build_account(SMALL, seed=7)
    stop_timers(account)
    with serving(account) as sandbox:
        sync_once(tmp_path, sandbox, *NAMES)
        double(tmp_path)
        monkeypatch.setattr(compare, "PER_PAGE", 50)  # time entries are then a long list
        summary = sync_once(tmp_path, sandbox, *NAMES)
        assert {each.report: each.error for each in summary.results} == dict.fromkeys(NAMES)
        assert_equal(tmp_path, sandbox, *NAMES)
        assert rows(tmp_path, "select count(*) from company") == [(1,)]
        assert sum(each.changed for each in sync_once(tmp_path, sandbox, *NAMES).results) == 0


@pytest.mark.long
def test_doubled_rows_are_mended_by_a_full_refresh(tmp_path: Path) -> None:
    """Which is what `verify` does as well."""
    account = build_account(SMALL, seed=7)
    stop_timers(account)
    with serving(account) as sandbox:
        sync_once(tmp_path, sandbox, *NAMES)
        double(tmp_path)
        assert sync_once(tmp_path, sandbox, *NAMES, choice=Choice(mode=Mode.REPLACE)).exit_code == 0
        assert_equal(tmp_path, sandbox, *NAMES)


def standing_twice(folder: Path, table: str, key: str = "id") -> int:
    """Returns how many rows of a table are too many."""
    ((number,),) = rows(folder, f"select count(*) - count(distinct ({key})) from {table}")
    return int(number)


@pytest.mark.long
@pytest.mark.parametrize("day", ["first", "second"])
def test_file_that_dlt_loads_twice_leaves_each_row_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, day: str
) -> None:
    """On the first day, on which large tables are only added to, and on a later one: a list, its elements, children."""
    account = build_account(SMALL, seed=7)
    stop_timers(account)
    names = ("clients", "invoices", "time_entries", "invoice_messages")
    twice = ("clients", "invoices__line_items", "time_entries", "invoice_messages", "load_report")
    with serving(account) as sandbox:
        if day == "second":
            sync_once(tmp_path, sandbox, *names)
            for name in ("clients", "invoices", "time_entries"):
                for key in list(account.rows[name]):
                    account.update(name, key, notes="changed", address="changed")
            for invoice in list(account.rows["invoices"]):
                account.insert("invoice_messages", parent=invoice)
        left = lose_answers(monkeypatch, twice)
        assert errors_of(sync_once(tmp_path, sandbox, *names)) == {}
        assert left == set()
        assert_equal(tmp_path, sandbox, *names)
        assert standing_twice(tmp_path, "load_report", "run_id, account_id, report") == 0
        assert sum(each.changed for each in sync_once(tmp_path, sandbox, *names).results) == 0


@pytest.mark.long
@pytest.mark.parametrize("deleted_rows", ["keep", "remove"])
@pytest.mark.parametrize(
    "twice",
    [
        "time_entries",
        "invoices__line_items",
        *(each for each in ("invoices", "deleted_rows")),
    ],
)
def test_removal_that_dlt_loads_twice_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, twice: str, deleted_rows: str
) -> None:
    """Rows that are kept with a mark stand once, with what a user wrote beside them, and are written down once."""
    account = build_account(SMALL, seed=7)
    stop_timers(account)
    options: Any = {"deleted_rows": deleted_rows}
    names = ("time_entries", "invoices")
    with serving(account) as sandbox:
        sync_once(tmp_path, sandbox, *names, **options)
        ((lines,),) = rows(tmp_path, "select count(*) from invoices__line_items")
        with make_pipeline(tmp_path).sql_client() as client:
            client.execute_sql("alter table time_entries add column own varchar")
            client.execute_sql("update time_entries set own = 'mine'")
        invoice = rows(tmp_path, "select max(invoice_id) from invoices__line_items")[0][0]
        for name, key in (
            ("time_entries", min(account.rows["time_entries"])),
            ("invoices", invoice),
        ):
            account.delete(name, key)
        keeps = deleted_rows == "keep"
        left = lose_answers(monkeypatch, {twice} if keeps or "__" not in twice else ())
        assert errors_of(sync_once(tmp_path, sandbox, *names, **options)) == {}
        assert left == set()
        assert rows(
            tmp_path, "select report, count(*) from deleted_rows group by 1 order by 1"
        ) == [
            ("invoices", 1),
            ("time_entries", 1),
        ]
        assert [standing_twice(tmp_path, name) for name in names] == [0, 0]
        assert standing_twice(tmp_path, "invoices__line_items", "invoice_id, id") == 0
        if keeps:
            assert rows(tmp_path, "select count(*) from invoices__line_items") == [(lines,)]
            assert rows(tmp_path, "select own from time_entries where deleted_at is not null") == [
                ("mine",)
            ]
        assert rows(tmp_path, "select count(*) from time_entries where own is null") == [(0,)]


def test_pending_load_of_which_dlt_loads_a_file_twice_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No number of a first load says that its list elements stand twice."""
    account = build_account(SMALL, seed=7)
    names = ("clients", "invoices")
    monkeypatch.setattr(compare, "PER_PAGE", 3)  # invoices are then a long list
    with serving(account) as sandbox:
        with killed_at(loader, "finish_pending"):
            sync_once(tmp_path, sandbox, *names)
        left = lose_answers(monkeypatch, {"invoices__line_items"})
        summary = sync_once(tmp_path, sandbox, *names)
        assert (summary.pending_loaded, errors_of(summary), left) == (True, {}, set())
        assert_equal(tmp_path, sandbox, *names)


def test_run_killed_before_it_mends_what_dlt_loaded_twice_has_it_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bookmarks of what stands twice are forgotten before it is loaded once more."""
    account = build_account(SMALL, seed=7)
    names = ("clients", "invoices")
    monkeypatch.setattr(compare, "PER_PAGE", 3)
    fill, filled = with_items, list[int]()

    def fill_once(*given: Any) -> Any:
        filled.append(1)
        if len(filled) > 1:
            raise Killed
        return fill(*given)

    with serving(account) as sandbox:
        with monkeypatch.context() as patch:
            patch.setattr(loader, "with_items", fill_once)
            left = lose_answers(patch, {"invoices__line_items"})
            with pytest.raises(Killed):
                sync_once(tmp_path, sandbox, *names)
        assert left == set()
        assert standing_twice(tmp_path, "invoices__line_items", "invoice_id, id") > 0
        assert errors_of(sync_once(tmp_path, sandbox, *names)) == {}
        assert_equal(tmp_path, sandbox, *names)


@pytest.mark.long
@pytest.mark.parametrize(
    ("ended_in", "twice", "key"),
    [
        (package, "load_report", "run_id, account_id, report"),
        (loader, "deleted_rows", "account_id, report, id"),
    ],
)
def test_pending_history_of_which_dlt_loads_a_file_twice_stands_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended_in: Any, twice: str, key: str
) -> None:
    """What a run writes down is mended by the run that finishes its load; what stood there before stays."""
    account = build_account(SMALL, seed=7)
    count = f"select count(*) from {twice}"
    with serving(account) as sandbox:
        for _ in range(2):
            account.delete("invoices", min(account.rows["invoices"]))
            sync_once(tmp_path, sandbox, "clients", "invoices")
        ((before,),) = rows(tmp_path, count)
        if twice == "deleted_rows":
            account.delete("invoices", min(account.rows["invoices"]))
        with killed_at(ended_in, "finish_pending"):
            sync_once(tmp_path, sandbox, "clients", "invoices")
        left = lose_answers(monkeypatch, {twice})
        summary = sync_once(tmp_path, sandbox, "clients", "invoices")
        assert (summary.pending_loaded, errors_of(summary), left) == (True, {}, set())
        assert standing_twice(tmp_path, twice, key) == 0
        # of each run two rows of `load_report`, or one row that was deleted
        assert rows(tmp_path, count) == [(before + (1 if twice == "deleted_rows" else 4),)]
        assert_equal(tmp_path, sandbox, "clients", "invoices")


@pytest.mark.parametrize("named", ["load_report", "deleted_rows"])
def test_rows_that_stand_once_are_left_alone(tmp_path: Path, named: str) -> None:
    """A file may be loaded again since the first time it came to nothing."""
    account = build_account(SMALL, seed=7)
    with serving(account) as sandbox:
        sync_once(tmp_path, sandbox, "clients", "invoices")
        account.delete("invoices", min(account.rows["invoices"]))
        sync_once(tmp_path, sandbox, "clients", "invoices")
    query = f"select * from {named} order by all", "select count(*) from _dlt_loads"
    before = [rows(tmp_path, each) for each in query]
    assert before[0]
    mend(make_pipeline(tmp_path), {named})
    assert [rows(tmp_path, each) for each in query] == before
