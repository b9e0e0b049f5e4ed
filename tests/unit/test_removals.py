"""What is gone at Harvest, what goes with it, and what is doubted: tables of cases on rows in memory."""

from __future__ import annotations

from typing import Any

import pytest
from memory import MemoryTables, Store

from harvest_source.catalogue.hints import DELETED_AT
from harvest_source.catalogue.lookup import by_name
from harvest_source.catalogue.report import AccountReport
from harvest_source.catalogue.reports import NAMES
from harvest_source.loading.removals import Removals, children_of, keys_under

ACCOUNT = 1001
Row = dict[str, Any]


def pair(name: str) -> AccountReport:
    """Returns a report of the account."""
    return AccountReport(ACCOUNT, name)


def tables(**rows: list[Row]) -> MemoryTables:
    """Returns tables with some rows."""
    store = Store(is_made=True)
    for name, each in rows.items():
        key = by_name(name).key
        store.tables[name] = {
            (ACCOUNT, *(row[part] for part in key)): {"account_id": ACCOUNT, **row} for row in each
        }
    return MemoryTables(store)


def removals(
    there: MemoryTables, *, chosen: tuple[str, ...] = tuple(NAMES), accept: bool = False
) -> Removals:
    """Returns removals of a run."""
    return Removals(there, {pair(name) for name in chosen}, accept=accept)  # type: ignore[arg-type]  # tables in memory


PROJECT = tables(
    projects=[{"id": 1}, {"id": 2}, {"id": 3}],
    task_assignments=[{"id": 10, "project__id": 1}, {"id": 11, "project__id": 2}],
    time_entries=[{"id": 20, "project__id": 1}, {"id": 21, "project__id": 2}],
)


@pytest.mark.parametrize(
    ("chosen", "gone"),
    [
        (tuple(NAMES), {"projects": {(1,)}, "task_assignments": {(10,)}, "time_entries": {(20,)}}),
        (("projects", "time_entries"), {"projects": {(1,)}, "time_entries": {(20,)}}),
        (("projects",), {"projects": {(1,)}}),
    ],
)
def test_what_hangs_on_a_row_goes_with_it_as_far_as_the_run_is_about_it(
    chosen: tuple[str, ...], gone: dict[str, set[tuple[int, ...]]]
) -> None:
    found = removals(PROJECT, chosen=chosen)
    found.add(pair("projects"), {(1,)})
    assert found.gone == {pair(name): keys for name, keys in gone.items()}
    assert {
        each.report: {row["id"] for row in rows} for each, rows in found.last_known().items()
    } == {name: {key[0] for key in keys} for name, keys in gone.items()}


@pytest.mark.parametrize(
    ("rows", "gone", "accept", "doubted"),
    [
        (40, 20, False, False),  # half
        (39, 20, False, True),  # more than half, and 20
        (38, 19, False, False),
        (30, 19, False, False),  # more than half, but fewer than 20
        (20, 20, False, True),
        (20, 20, True, False),
    ],
)
def test_more_than_half_of_a_table_goes_only_when_a_person_says_so(
    rows: int, gone: int, *, accept: bool, doubted: bool
) -> None:
    found = removals(tables(clients=[{"id": number} for number in range(rows)]), accept=accept)
    found.add(pair("clients"), {(number,) for number in range(gone)})
    assert bool(found.doubts) == doubted
    assert bool(found.last_known()) != doubted
    assert len(found.gone[pair("clients")]) == gone


def test_doubt_counts_what_hangs_on_the_rows_and_holds_for_the_account() -> None:
    """One project of one, with 20 entries of 20: nothing of the account goes, and the entries are not called gone."""
    there = tables(
        projects=[{"id": 1}],
        time_entries=[{"id": number, "project__id": 1} for number in range(20)],
        clients=[{"id": number} for number in range(9)],
    )
    found = removals(there)
    found.add(pair("projects"), {(1,)})
    found.add(pair("clients"), {(1,)})
    assert found.doubts == {ACCOUNT: "20 of 20 time_entries are gone at Harvest, more than half"}
    assert found.gone == {pair("projects"): {(1,)}, pair("clients"): {(1,)}}
    assert found.last_known() == {}


def test_rows_are_noted_once_and_marked_ones_go_as_well() -> None:
    there = tables(clients=[{"id": number, DELETED_AT: None} for number in range(9)])
    found = removals(there)
    found.add(pair("clients"), {(1,)})
    found.add(pair("clients"), {(1,)})
    found.marked[pair("clients")] = {(2,)}
    assert [row["id"] for row in found.last_known()[pair("clients")]] == [1, 2]


def test_lists_of_a_removed_row_are_kept_with_it() -> None:
    there = tables(
        users=[
            {"id": 1, "roles": [{"account_id": ACCOUNT, "user_id": 1, "value": "Design"}]},
            {"id": 2},
            {"id": 3},
        ]
    )
    found = removals(there)
    found.add(pair("users"), {(1,)})
    (row,) = found.last_known()[pair("users")]
    assert [element["value"] for element in row["roles"]] == ["Design"]
    assert row["access_roles"] == []


def test_marked_rows_hang_on_nothing() -> None:
    there: Any = tables(
        invoice_payments=[
            {"id": 1, "invoice_id": 7},
            {"id": 2, "invoice_id": 7, DELETED_AT: "then"},
            {"id": 3, "invoice_id": 8},
        ]
    )
    payments = by_name("invoice_payments")
    assert children_of(there, payments, ACCOUNT, [7]) == {(1,)}
    assert keys_under(there, payments, ACCOUNT, "invoice_id", [8, 9]) == {(3,)}
