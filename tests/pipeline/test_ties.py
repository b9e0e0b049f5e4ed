"""List elements whose row was taken out, or whose tie to their row was: the next run leaves each element once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from compare import assert_equal
from destinations import long, on
from faults_support import Ears, errors_of, tiny
from pipelines import make_pipeline, rows
from support import make_source, serving, sync_once

from harvest_sandbox import Account, Fault, Sandbox
from harvest_source.destinations.warehouse import IDS, Warehouse
from harvest_source.loading import loader
from harvest_source.loading import run as run_module
from harvest_source.loading.summary import Summary
from harvest_source.loading.syncing import sync
from harvest_source.reading.reader import Choice, Mode

NAMES = ("invoices", "roles", "invoice_messages")  # a list, one that is read whole, children
ROW = "delete from invoices where id = (select min(invoice_id) from invoices__line_items)"
HANDS: dict[str, tuple[str, ...]] = {
    "a row": (ROW,),
    "all rows": ("delete from invoices", "delete from roles", "delete from invoice_messages"),
    "a table of elements": ("drop table invoices__line_items",),
    "ids of rows": (
        "alter table invoices drop column _dlt_id",
        "alter table roles drop column _dlt_id",
    ),
    "the tie to a row": ("alter table invoices__line_items drop column _dlt_root_id",),
    "the tie to a parent": ("alter table roles__user_ids drop column _dlt_parent_id",),
    "ids that were made": ("update invoices set _dlt_id = null",),
    "elements beside those of their row": (
        "create table copied as select * from invoices__line_items",
        # each element has an id of its own, which some databases ask for
        "update copied set _dlt_root_id = 'none', _dlt_parent_id = 'none', _dlt_id = substr(_dlt_id, 2)",
        "insert into invoices__line_items select * from copied",
        "drop table copied",
    ),
}
"""What a hand takes out, in one database after the other."""
TIES_LOST = (
    "alter table {} drop column _dlt_root_id",
    "alter table {} drop column _dlt_parent_id",
    "update {} set _dlt_root_id = 'none'",
)
LISTS = ("invoices__line_items", "project_assignments__task_assignments")
NOT_ALL_IS_READ: dict[str, dict[str, Any]] = {
    "later rows": {"start_date": datetime(2100, 1, 1, tzinfo=UTC)},
    "what changed since": {"choice": Choice(since=datetime(2100, 1, 1, tzinfo=UTC))},
    "no rows that are gone": {"deleted_rows": "keep"},
    "nothing": {},  # Harvest refuses it
    "one account": {},
}
"""What a run reads, with its options."""
BY_ITS_TIES = """
    select i.account_id, i.id, count(e.id), count(distinct e.id) from invoices i
    join invoices__line_items e on e._dlt_root_id = i._dlt_id and e._dlt_parent_id = i._dlt_id
    group by i.account_id, i.id order by 1, 2"""
BY_HARVEST = """
    select account_id, invoice_id, count(*), count(distinct id) from invoices__line_items
    group by account_id, invoice_id order by 1, 2"""


def do(folder: Path, *statements: str) -> None:
    """Does what a hand does in the database."""
    with make_pipeline(folder).sql_client() as client:
        for statement in statements:
            client.execute_sql(statement)


def run(folder: Path, sandbox: Sandbox, *names: str, **options: Any) -> tuple[Summary, list[str]]:
    """Runs once; returns the summary and what the run told."""
    ears = Ears()
    return sync(
        make_pipeline(folder), make_source(sandbox, *names, **options), listener=ears
    ), ears.notes


@pytest.fixture
def served() -> Iterator[tuple[list[Account], Sandbox]]:
    """Gives two accounts with the same ids."""
    accounts = [tiny(), tiny()]
    accounts[1].id += 1
    with serving(*accounts) as sandbox:
        yield accounts, sandbox


def assert_tied(folder: Path, sandbox: Sandbox, *names: str) -> None:
    """Asserts that the tables hold what Harvest has, by its ids and by dlt's, and that the next run is a quiet one."""
    assert_equal(folder, sandbox, *names)
    assert rows(folder, BY_ITS_TIES) == rows(folder, BY_HARVEST)
    summary, notes = run(folder, sandbox, *names)
    assert notes == []
    assert [(each.new, each.changed, each.error) for each in summary.results] == [
        (0, 0, None)
    ] * len(summary.results)


@on(long("duckdb"), long("postgres"), long("sqlite"), long("mariadb"))
def test_elements_stand_once_whatever_was_taken_out(
    tmp_path: Path, served: tuple[list[Account], Sandbox]
) -> None:
    """Of both accounts; and they go on being replaced when their row changes."""
    accounts, sandbox = served
    sync_once(tmp_path, sandbox, *NAMES)
    for name, hands in HANDS.items():
        do(tmp_path, *hands)
        assert errors_of(sync_once(tmp_path, sandbox, *NAMES)) == {}, name
        assert_tied(tmp_path, sandbox, *NAMES)
        for account in accounts:
            for invoice in list(account.rows["invoices"])[:2]:
                lines = account.rows["invoices"][invoice]["line_items"]
                account.update("invoices", invoice, notes=name, line_items=lines[:-1] or lines)
        assert errors_of(sync_once(tmp_path, sandbox, *NAMES)) == {}, name
        assert_equal(tmp_path, sandbox, *NAMES)
        assert rows(tmp_path, BY_ITS_TIES) == rows(tmp_path, BY_HARVEST), name


@on("duckdb", long("postgres"), long("sqlite"))
@pytest.mark.parametrize(
    "read",
    [
        "later rows",
        "no rows that are gone",
        "nothing",
        "one account",
        long("what changed since"),
    ],
)
def test_elements_whose_row_stands_are_tied_to_it_whatever_is_read(
    tmp_path: Path, served: tuple[list[Account], Sandbox], read: str
) -> None:
    """None is lost that the run cannot read again, and the next run of everything finds the tables equal."""
    accounts, sandbox = served
    names, options = ("invoices", "project_assignments"), NOT_ALL_IS_READ[read]
    own = {"accounts": (accounts[0].id,)} if read == "one account" else {}
    kept = {name: options[name] for name in options if name == "deleted_rows"}
    sync_once(tmp_path, sandbox, *names, **kept)
    if kept:
        for account in accounts:
            gone = [row for row in account.rows["invoices"].values() if row["line_items"]][:2]
            for row in gone:
                account.delete("invoices", row["id"])
        sync_once(tmp_path, sandbox, *names, **kept)
    held = [held_in(tmp_path, table) for table in LISTS]
    assert all(held)
    for hand in TIES_LOST:
        do(tmp_path, *map(hand.format, LISTS))
        sandbox.faults[:] = (
            [Fault("invoices|project_assignments", status=403, times=None)]
            if read == "nothing"
            else []
        )
        run(tmp_path, sandbox, *names, **options, **own)
        assert [held_in(tmp_path, table) for table in LISTS] == held, hand
        assert rows(tmp_path, BY_ITS_TIES) == rows(tmp_path, BY_HARVEST), hand
    sandbox.faults.clear()
    assert errors_of(sync_once(tmp_path, sandbox, *names, **kept)) == {}
    assert [held_in(tmp_path, table) for table in LISTS] == held
    if not kept:
        assert_equal(tmp_path, sandbox, *names)


def held_in(folder: Path, table: str) -> list[tuple[Any, ...]]:
    """Returns whose elements a table holds."""
    above = {LISTS[0]: "invoice_id", LISTS[1]: "project_assignment_id"}[table]
    return rows(folder, f"select account_id, {above}, id from {table} order by 1, 2, 3")


@pytest.mark.parametrize("read", ["nothing", long("what changed since"), long("one account")])
def test_doubled_elements_go_with_the_next_run_that_reads_them(
    tmp_path: Path, served: tuple[list[Account], Sandbox], read: str
) -> None:
    """Where the run that ties them cannot read them, and their number was kept as the right one."""
    accounts, sandbox = served
    own = {"accounts": (accounts[0].id,)} if read == "one account" else {}
    sync_once(tmp_path, sandbox, "invoices")
    whole = rows(tmp_path, BY_HARVEST)
    do(tmp_path, *HANDS["elements beside those of their row"])
    sums = "select account_id, count(*), sum(id) from invoices__line_items group by account_id"
    doubled = {
        str(account_id): {LISTS[0]: number, f"{LISTS[0]}{IDS}": int(ids)}
        for account_id, number, ids in rows(tmp_path, sums)
    }
    with pytest.MonkeyPatch.context() as patch:  # as earlier versions did
        patch.setattr(run_module, "elements_to_keep", lambda *_: doubled)
        patch.setattr(run_module, "with_other_elements", lambda *_: set())
        patch.setattr(loader, "tie", lambda *_: None)
        sync_once(tmp_path, sandbox, "invoices")
    if read == "nothing":
        sandbox.faults.append(Fault("invoices", status=403, times=None))
    run(tmp_path, sandbox, "invoices", **NOT_ALL_IS_READ[read], **own)
    sandbox.faults.clear()
    assert errors_of(sync_once(tmp_path, sandbox, "invoices")) == {}
    assert rows(tmp_path, BY_HARVEST) == whole
    assert_tied(tmp_path, sandbox, "invoices")


@pytest.mark.parametrize(
    "choice",
    [None, pytest.param(Choice(mode=Mode.REPLACE), marks=pytest.mark.long)],
)
def test_database_that_earlier_runs_left_with_doubled_elements_heals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, choice: Choice | None
) -> None:
    """Those runs kept the wrong number as the right one; a full refresh of later versions heals it as well."""
    with serving(tiny()) as sandbox:
        sync_once(tmp_path, sandbox, *NAMES)
        whole = rows(tmp_path, BY_HARVEST)
        do(tmp_path, ROW)
        with monkeypatch.context() as patch:
            patch.setattr(loader, "tie", lambda *_: None)
            for _ in range(2):
                sync_once(tmp_path, sandbox, *NAMES)
        assert rows(tmp_path, BY_HARVEST) != whole
        assert errors_of(sync_once(tmp_path, sandbox, *NAMES, choice=choice)) == {}
        assert rows(tmp_path, BY_HARVEST) == whole
        assert_tied(tmp_path, sandbox, *NAMES)


@pytest.mark.parametrize("statements", [0, 1, 2])
def test_run_killed_between_ids_and_ties_is_continued(tmp_path: Path, statements: int) -> None:
    """After a column was made anew, empty, and so many statements; nothing is lost of a row that Harvest has no more."""
    account = tiny()
    options = {"deleted_rows": "keep"}
    gone = next(key for key, row in account.rows["invoices"].items() if row["line_items"])
    of_gone = (
        f"select count(*), count(distinct id) from invoices__line_items where invoice_id = {gone}"
    )
    with serving(account) as sandbox:
        sync_once(tmp_path, sandbox, "invoices", **options)
        ((before, _),) = rows(tmp_path, of_gone)
        account.delete("invoices", gone)
        sync_once(tmp_path, sandbox, "invoices", **options)
        do(tmp_path, "alter table invoices drop column _dlt_id")
        execute, left = Warehouse.execute, [statements]

        def execute_some(warehouse: Warehouse, *texts: str) -> None:
            for text in texts:
                if not left[0]:
                    raise KeyboardInterrupt
                left[0] -= 1
                execute(warehouse, text)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Warehouse, "execute", execute_some)
            with pytest.raises(KeyboardInterrupt):
                sync_once(tmp_path, sandbox, "invoices", **options)
        for day in ("first", "second"):
            for key in list(account.rows["invoices"]):
                account.update("invoices", key, notes=day)
            assert errors_of(sync_once(tmp_path, sandbox, "invoices", **options)) == {}
            assert rows(tmp_path, BY_ITS_TIES) == rows(tmp_path, BY_HARVEST)
            assert rows(tmp_path, of_gone) == [(before, before)]
            assert rows(tmp_path, "select count(*), count(distinct id) from invoices") == [
                (len(account.rows["invoices"]) + 1,) * 2
            ]


@pytest.mark.parametrize(
    ("hand", "said"),
    [
        (ROW, "the table has 3 rows, Harvest 4; the next run looks again"),
        ("alter table invoices drop column _dlt_id", None),
    ],
)
def test_run_that_only_looks_leaves_loose_elements(
    tmp_path: Path, hand: str, said: str | None
) -> None:
    """And says what differs of them."""
    with serving(tiny()) as sandbox:
        sync_once(tmp_path, sandbox, "invoices")
        do(tmp_path, hand)
        before = rows(tmp_path, "select * from invoices__line_items order by id")
        source = make_source(sandbox, "invoices")
        (result,) = sync(make_pipeline(tmp_path), source, repairs=False).results
        assert result.error == said
        assert rows(tmp_path, "select * from invoices__line_items order by id") == before
