"""What loads make of tables, by the loader of a run alone: what a hand took away, a user's columns, files."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import dlt
import pytest
from destinations import on
from loads import (
    ACCOUNT,
    CLIENTS,
    FIRST_DAY,
    NOON,
    Loads,
    client,
)

from harvest_source.api.accounts import Account
from harvest_source.errors import RefusedError, SettingError
from harvest_source.loading import package
from harvest_source.loading.history import build_source
from harvest_source.loading.loader import RunTimes
from harvest_source.loading.result import Tally
from harvest_source.loading.summary import ReportResult
from harvest_source.reading.reading import Reading
from harvest_source.resources import accounts_state

# tables and columns that a hand took away

HANDS = {
    "drop table invoices": "invoices was taken away in the destination: made anew, and invoices is read from the beginning",
    "drop table users__roles": "users__roles was taken away in the destination: made anew, and users is read from the beginning",
    "alter table clients drop column address": (
        "clients.address was taken away in the destination: made anew, and clients is read from the beginning"
    ),
    "alter table users drop column _dlt_id": (
        "users._dlt_id was taken away in the destination: made anew, and users is read from the beginning"
    ),
    "alter table company drop column _dlt_id": "company._dlt_id was taken away in the destination: made anew",
    "alter table users__access_roles drop column _dlt_list_idx": (
        "users__access_roles._dlt_list_idx was taken away in the destination: made anew, and users is read from the beginning"
    ),
    "drop table load_report": "load_report was taken away in the destination: made anew; what stood in it is lost",
    "drop table harvest_staging.clients": None,
    "drop table _dlt_version": None,
}


def everything(loads: Loads, day: int, **more: Any) -> list[Any]:
    """Returns rows of all reports, of a day."""
    changed = f"2026-07-{day:02}T08:00:00Z"
    roles = {"roles": ["Design", "Build"], "access_roles": ["member"]}
    line = {"id": 5, "kind": "Service", "amount": 1.5}
    return [
        loads.delivery("clients", client(1, day, **more)),
        loads.delivery("users", {"id": 2, "updated_at": changed, **roles}),
        loads.delivery("invoices", {"id": 3, "updated_at": changed, "line_items": [line, line]}),
        loads.delivery("company", {"name": f"day {day}", "updated_at": changed}),
    ]


ELEMENTS = """
select u.id, r.value from users u join users__roles r on r._dlt_root_id = u._dlt_id order by r._dlt_list_idx
"""


def test_what_a_hand_took_away_is_made_anew_and_said(tmp_path: Path) -> None:
    """Reports whose rows or values went along are read from the beginning, the others go on; later loads replace elements."""
    loads = Loads(tmp_path, "clients", "users", "invoices", "company")
    first = loads.begun()
    # the second goes through the staging tables
    for address in ("before", "first"):
        list(first.load(everything(loads, 1, address=address)))
    first.write_history(
        RunTimes("first", NOON, NOON.date()), [ReportResult("clients", ACCOUNT)], [], {}
    )
    for hand in HANDS:
        loads.rows(hand)
    loader = loads.begun(when=" when that account is loaded")
    said = {line.removesuffix(" when that account is loaded") for line in loads.heard}
    assert said == {line for line in HANDS.values() if line}
    assert {pair.report for pair in loader.states()} == {"company"}
    assert loads.rows("select count(*) from load_report") == [(0,)]
    for day in (2, 3):
        list(loader.load(everything(loads, day, address=f"day {day}")))
        assert loads.rows("select id, address from clients") == [(1, f"day {day}")]
        assert loads.rows(ELEMENTS) == [(2, "Design"), (2, "Build")]
        assert loads.rows("select count(*) from invoices__line_items") == [(2,)]
        assert loads.rows("select name from company") == [(f"day {day}",)]
        loader = loads.begun()
        assert loads.heard == []
    loads.close()


def test_dataset_without_the_tables_of_dlt_is_a_first_load(tmp_path: Path) -> None:
    """Nobody knows any more what the tables held: they are filled anew."""
    loads = Loads(tmp_path, "clients")
    loads.load(loads.delivery("clients", client(1)))
    for table in ("_dlt_version", "_dlt_pipeline_state", "_dlt_loads"):
        loads.rows(f"drop table {table}")
    shutil.rmtree(tmp_path / "state")
    loader = loads.begun()
    assert loader.states() == {}
    list(loader.load([loads.delivery("clients", client(1), client(2))]))
    assert loads.rows("select count(*), count(distinct id) from clients") == [(2, 2)]
    loads.close()


@pytest.mark.parametrize(
    "theirs", ["create table tasks as select 'theirs' as name", "create table accounts (name text)"]
)
def test_tables_of_another_tool_are_left_alone(tmp_path: Path, theirs: str) -> None:
    """Before a run reads or writes anything; one that has an account is refused as soon as its key is missed."""
    loads = Loads(tmp_path, "tasks")
    loads.rows("create schema harvest")
    loads.rows(theirs)
    with pytest.raises(SettingError, match=r"has tables of another tool \((tasks|accounts)\)"):
        loads.begun()
    tables = "select count(*) from information_schema.tables"
    assert loads.rows(tables) == [(1,)]
    loads.close()


# columns of a user


def test_values_of_a_users_column_outlive_a_load(clients: Loads) -> None:
    """Of rows that have one there; an empty one is none."""
    clients.load(clients.delivery("clients", client(2), client(3)))
    clients.rows("alter table clients add column mine varchar")
    clients.rows("update clients set mine = 'kept' where id = 2")
    clients.load(
        clients.delivery("clients", client(1, 2, name="a"), client(2, 2, name="b"), client(3))
    )
    assert clients.rows("select id, name, mine from clients order by id") == [
        (1, "a", None), (2, "b", "kept"), (3, None, None),
    ]  # fmt: skip
    assert (
        clients.rows("select 1 from information_schema.tables where table_name like 'own_values%'")
        == []
    )


def test_rows_that_cannot_be_read_where_others_are_present_fail_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are looked at before dlt takes them, and what is wrong is theirs all the same."""
    loads = Loads(tmp_path, "clients", "tasks")
    first = [loads.delivery(name, client(1)) for name in ("clients", "tasks")]
    assert list(loads.load(*first).values()) == [Tally(1), Tally(1)]
    odd, good = loads.delivery("clients", client(2)), loads.delivery("tasks", client(2))
    pages = Reading.iter_pages

    def iter_pages(reading: Reading) -> Iterator[Any]:
        if reading is odd.reading:
            raise RefusedError("odd rows")
        yield from pages(reading)

    monkeypatch.setattr(Reading, "iter_pages", iter_pages)
    found = loads.load(odd, good)
    assert str(found[CLIENTS]) == "odd rows"
    assert found[good.pair] == Tally(1)
    assert loads.rows("select count(*) from clients union all select count(*) from tasks") == [
        (1,),
        (2,),
    ]
    loads.close()


# a look that changes nothing


def test_without_repairs_a_load_only_counts(clients: Loads) -> None:
    clients.repairs = False
    rows = client(1, 2, address="second"), client(2)
    assert dict(clients.loader.load([clients.delivery("clients", *rows)])) == {CLIENTS: Tally(1, 1)}
    assert clients.rows("select id, address from clients") == [(1, "first")]
    assert not clients.loader.pipeline.has_pending_data
    assert clients.loader.states()[CLIENTS] == {"updated_at": FIRST_DAY}


def test_look_computes_nothing_for_each_row_that_it_counted_before(clients: Loads) -> None:
    """A million rows come in many loads; each of them is counted once."""
    clients.repairs = False
    loader = clients.loader
    numbers = []
    for row_id, first, last in ((2, 10, 20), (3, 20, 5_020)):
        many = clients.delivery("clients", *map(client, range(first, last)))
        assert dict(loader.load([many])) == {CLIENTS: Tally(last - first)}
        two = clients.delivery("clients", client(row_id), client(first))
        with counted_calls() as calls:
            assert dict(loader.load([two])) == {CLIENTS: Tally(1)}
        numbers.append(len(calls))
    assert numbers[1] - numbers[0] < 5_000


@contextmanager
def counted_calls() -> Iterator[list[str]]:
    """Gives the names of the functions that are called within a `with`."""
    calls: list[str] = []

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            calls.append(frame.f_code.co_name)

    sys.setprofile(note)
    try:
        yield calls
    finally:
        sys.setprofile(None)


# files, where rows cannot be merged


@on("filesystem")
def test_table_of_files_is_written_anew_with_what_stays(tmp_path: Path) -> None:
    """Rows of other accounts with the elements of their lists, Arrow tables and dicts; what is gone is not written again."""
    loads = Loads(tmp_path, "users", "time_entries")
    changed = "2026-07-01T08:00:00Z"
    users = [{"id": n, "updated_at": changed, "roles": [f"role {n}"]} for n in (1, 2, 3)]
    entries = [{"id": n, "updated_at": changed, "hours": n} for n in (1, 2, 3)]
    loader = loads.begun()
    list(
        loader.load(
            [
                loads.delivery(name, *rows, account_id=account_id)
                for name, rows in (("users", users), ("time_entries", entries))
                for account_id in (7, 8)
            ]
        )
    )
    accounts = [
        Account(number, name=f"of {number}", company={"currency": "EUR"}) for number in (7, 8)
    ]
    loader.write_history(RunTimes("first", NOON, NOON.date()), [], accounts, {})
    loader = loads.begun()
    edited = {**users[0], "updated_at": "2026-07-02T08:00:00Z", "roles": ["other"]}
    with loader.warehouse() as warehouse:
        gone = tuple(warehouse.rows_by_id("time_entries", 7, "id", [2]))
    deliveries = [loads.delivery("users", edited), loads.delivery("time_entries", removed=gone)]
    list(loader.load(deliveries))
    loader.write_history(
        RunTimes("second", NOON, NOON.date()), [], [Account(7, name="new", company={"x": 1})], {}
    )
    of_roles = "select u.account_id, r.value from users u join users__roles r on r._dlt_root_id = u._dlt_id order by 1, 2"
    assert loads.rows(of_roles) == [
        (7, "other"), (7, "role 2"), (7, "role 3"), (8, "role 1"), (8, "role 2"), (8, "role 3"),
    ]  # fmt: skip
    assert loads.rows("select account_id, sum(hours) from time_entries group by 1 order by 1") == [
        (7, 4), (8, 6),
    ]  # fmt: skip
    assert loads.rows("select name from accounts order by account_id") == [("new",), ("of 8",)]
    loads.close()


@on("filesystem")
def test_report_whose_rows_are_in_no_table_of_ours_is_read_from_the_beginning(
    tmp_path: Path,
) -> None:
    """A user of plain dlt gave a resource a table of another name: the table is made, without a row, and the bookmark goes."""
    loads = Loads(tmp_path, "clients", "tasks")

    def clients() -> Iterator[Any]:
        accounts_state("clients")["7"] = {"updated_at": "2026-07-01T08:00:00Z"}
        yield {"id": 1}

    pipeline = loads.loader.pipeline
    package.load(pipeline, build_source([dlt.resource(clients, table_name="mine")]))
    loader = loads.begun()
    assert loader.states() == {}
    assert loads.rows("select count(*) from clients") == [(0,)]
    loader = loads.begun()  # the tables are there
    assert loads.rows("select count(*) from tasks") == [(0,)]
    loads.close()
