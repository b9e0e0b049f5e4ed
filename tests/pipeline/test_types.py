"""Right types whatever order values arrive in; nothing the API sends is left out."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support import HandMade, by_hand, like, rows, serving, sync_once

from harvest_sandbox import Account, Size, build_account
from harvest_source.reports.catalogue import NAMES, Report, parent_id_column
from harvest_source.reports.columns.types import Column, Kind

TINY = Size(projects=4, users=4, invoices=4, estimates=2, time_entries=12, expenses=6, clients=3)


def changed(account: Account, report: str, values: list[Any], name: str) -> list[int]:
    """Sets a field of the first rows to the given values; returns their ids."""
    ids = list(account.rows[report])[: len(values)]
    for row_id, value in zip(ids, values, strict=True):
        account.rows[report][row_id][name] = value
        account.update(report, row_id)
    return ids


ORDERS = [[8, 7.5, None, 100.0], [None, 100.0, 7.5, 8], [7.5, 8, 100.0, None]]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("report", ["time_entries", "invoices", "expenses"])
def test_numbers_stay_in_one_exact_column(tmp_path: Path, report: str, order: list[Any]) -> None:
    """8, then 7.5, then null (R45): documented or not, in one run or the next; no column is doubled."""
    field = {"time_entries": "hours", "invoices": "tax", "expenses": "total_cost"}[report]
    account = build_account(TINY, seed=5)
    with serving(account) as sandbox:
        changed(account, report, order[:1], field)
        changed(account, report, order[:1], "brand_new_number")
        sync_once(tmp_path, sandbox, report)
        ids = changed(account, report, order, field)
        changed(account, report, order, "brand_new_number")
        sync_once(tmp_path, sandbox, report)
    for column in (field, "brand_new_number"):
        found = dict(rows(tmp_path, f"select id, {column} from {report}"))
        assert [found[each] for each in ids] == [None if value is None else Decimal(str(value)) for value in order]
        kind = rows(tmp_path, f"select data_type from information_schema.columns where column_name = '{column}'")
        assert {each[0] for each in kind} == {"DECIMAL(20,6)"}
    doubled = "select count(*) from information_schema.columns where contains(column_name, '__v_')"
    assert rows(tmp_path, doubled.replace("'__v_'", "'__v_' || 'double'")) == [(0,)]


def test_large_and_fine_numbers_lose_no_digit(tmp_path: Path) -> None:
    """Ids above 2^31, 99999999.99, 0.535; more than six decimals are rounded half-even and said once."""
    account = build_account(TINY, seed=5)
    with serving(account) as sandbox:
        (entry, *_) = changed(account, "time_entries", [99999999.99, 0.535, 0.0000005, 0.0000015], "billable_rate")
        summary = sync_once(tmp_path, sandbox, "time_entries")
    found = rows(tmp_path, "select id, billable_rate from time_entries order by billable_rate")
    values = [value for _, value in found]
    assert {Decimal("99999999.99"), Decimal("0.535"), Decimal(0), Decimal("0.000002")} <= set(values)
    assert entry > 2**31
    assert entry in {row_id for row_id, _ in found}
    assert summary.notes == ["values more than six decimals, rounded: time_entries.billable_rate"]


@pytest.mark.parametrize("report", ["time_entries", "clients"])
def test_undocumented_fields_become_columns_and_are_named_once(tmp_path: Path, report: str) -> None:
    """A scalar, an object and a list nobody documented (R03), in Arrow tables and in others."""
    account = build_account(TINY, seed=5)
    with serving(account) as sandbox:
        (row_id,) = changed(account, report, ["x"], "brand_new_field")
        account.rows[report][row_id] |= {"an_object": {"deep": {"er": 1.5}}, "a_list": [{"n": 1}, {"n": 2.5}], "a_flag": True}
        summary = sync_once(tmp_path, sandbox, report)
        again = sync_once(tmp_path, sandbox, report)
    found = rows(tmp_path, f"select brand_new_field, an_object__deep__er, a_flag from {report} where id = {row_id}")
    assert found == [("x", Decimal("1.5"), True)]
    assert {f"{report}.brand_new_field", f"{report}.an_object__deep__er"} <= set(summary.new_fields)
    assert again.new_fields == []
    if report == "clients":
        listed = rows(tmp_path, f"select n from clients__a_list where client_id = {row_id} order by _dlt_list_idx")
        assert listed == [(Decimal(1),), (Decimal("2.5"),)]
    else:
        assert rows(tmp_path, f"select a_list from {report} where id = {row_id}") == [('[{"n": 1}, {"n": 2.5}]',)]


STRANGE = {
    "long": "x" * 32_000,
    "emoji": "🚀 ⏱ 👩‍👧",
    "right to left": "שלום \u202b עולם",
    "control": "a\tb\x07\x1b[31m\r\nc",
    "quotes": 'it\'s "quoted" \\ %s {x}; drop table x',
}


@pytest.mark.parametrize("text", STRANGE.values(), ids=STRANGE)
def test_strange_texts_arrive_as_they_are(tmp_path: Path, text: str) -> None:
    """What a person typed is what the table has."""
    account = build_account(TINY, seed=5)
    with serving(account) as sandbox:
        ids = changed(account, "time_entries", [text], "notes") + changed(account, "clients", [text], "address")
        sync_once(tmp_path, sandbox, "time_entries", "clients")
    assert rows(tmp_path, f"select notes from time_entries where id = {ids[0]}") == [(text,)]
    assert rows(tmp_path, f"select address from clients where id = {ids[1]}") == [(text,)]


def test_text_no_database_stores_is_replaced_not_lost(tmp_path: Path) -> None:
    """NUL becomes U+FFFD; the row is there."""
    account = build_account(TINY, seed=5)
    with serving(account) as sandbox:
        (entry,) = changed(account, "time_entries", ["a\0b"], "notes")
        sync_once(tmp_path, sandbox, "time_entries")
    assert rows(tmp_path, f"select notes from time_entries where id = {entry}") == [("a\N{REPLACEMENT CHARACTER}b",)]


@pytest.mark.parametrize("report", ["time_entries", "projects"])
def test_value_of_another_type_is_kept_as_text_and_said(tmp_path: Path, report: str) -> None:
    """A row whose type changed is kept: the value stands in `<column>__text`."""
    account = build_account(TINY, seed=5)
    field = {"time_entries": "billable", "projects": "is_billable"}[report]
    with serving(account) as sandbox:
        (row_id,) = changed(account, report, ["perhaps"], field)
        summary = sync_once(tmp_path, sandbox, report)
        assert sync_once(tmp_path, sandbox, report).exit_code == 0
    assert rows(tmp_path, f"select {field}, {field}__text from {report} where id = {row_id}") == [(None, "perhaps")]
    assert summary.notes == [f"values of another type, kept as text: {report}.{field}"]


def test_keys_of_digits_only_are_text(tmp_path: Path) -> None:
    """A statement key may look like a number at first (R08)."""
    account = build_account(TINY, seed=5)
    with serving(account) as sandbox:
        ids = changed(account, "clients", ["123456", "b19f00"], "statement_key")
        sync_once(tmp_path, sandbox, "clients")
    found = dict(rows(tmp_path, "select id, statement_key from clients"))
    assert [found[each] for each in ids] == ["123456", "b19f00"]


SQL_TYPES = {
    Kind.ID: "BIGINT",
    Kind.DECIMAL: "DECIMAL(20,6)",
    Kind.TEXT: "VARCHAR",
    Kind.BOOL: "BOOLEAN",
    Kind.DATE: "DATE",
    Kind.TIMESTAMP: "TIMESTAMP WITH TIME ZONE",
}
NEW_FIELDS = {"a_text": "x", "a_number": 8, "an_object": {"deep": {"er": 2}}, "a_flag": True, "a_list": [{"n": 1}]}


def types_of(folder: Path, table: str) -> dict[str, str]:
    """Returns the columns of a table with their types, dlt's own left out."""
    query = (
        f"select column_name, data_type from information_schema.columns where table_schema = 'harvest' and table_name = '{table}'"
    )
    return {name: kind for name, kind in rows(folder, query) if not name.startswith("_dlt")}


def doubled_columns(folder: Path) -> list[tuple[Any, ...]]:
    """Returns the columns that dlt makes where a value is of another type than the ones before."""
    return rows(folder, "select table_name, column_name from information_schema.columns where contains(column_name, '__v_')")


def expected_types(report: Report) -> dict[str, dict[str, str]]:
    """Returns the tables of a report with their documented columns and types."""
    parents = (Column("account_id", Kind.ID, ""), Column(parent_id_column(report), Kind.ID, ""))
    children = {f"{report.name}__{nested.name}": (*parents, *nested.columns) for nested in report.lists}
    tables = {report.name: report.columns, **children}
    return {table: {column.name: SQL_TYPES[column.kind] for column in columns} for table, columns in tables.items()}


def all_records(harvest: HandMade) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Yields every record of a server with its report and its place in its list."""
    for path, records in harvest.tables.items():
        parent, _, last = path.rpartition("/")
        name = last if last in NAMES else f"{parent.partition('/')[0].removesuffix('s')}_{last}"
        for place, record in enumerate(records):
            yield name, place, record


@pytest.mark.parametrize("report", ["clients", "expenses"])
@pytest.mark.parametrize("shapes", [({"a": 1}, [1, 2], "word"), ([1, 2], "word", {"a": 1}), ("word", {"a": 1}, [1, 2])])
def test_field_that_changes_its_shape_loses_nothing_and_stops_nothing(
    tmp_path: Path, report: str, shapes: tuple[Any, ...]
) -> None:
    """An undocumented field that is an object, a list and a word, within one run and from run to run."""
    with by_hand(users=2, invoices=1, entries=1) as harvest:
        for shift in range(2):
            harvest.now = f"2026-07-0{2 + shift}T00:00:00Z"
            for place in range(3):
                harvest.change(report, harvest.tables[report][place]["id"], new=shapes[(place + shift) % 3])
            (result,) = sync_once(tmp_path, harvest, report).results
            assert (result.error, result.total) == (None, len(harvest.tables[report]))
        (result,) = sync_once(tmp_path, harvest, report).results
        assert (result.error, result.new, result.changed) == (None, 0, 0)
    values = " ".join(map(str, rows(tmp_path, f"select * from {report}")))
    assert "word" in values


def test_undocumented_list_of_the_company_is_loaded(tmp_path: Path) -> None:
    """The one report without a key has lists, too, once Harvest adds one."""
    with HandMade(company={**like("company", 0), "offices": [{"town": "Bern"}, {"town": "Genève"}]}) as harvest:
        for _ in range(2):
            summary = sync_once(tmp_path, harvest, "company")
            assert [result.error for result in summary.results] == [None]
        assert [result.changed for result in summary.results] == [0]
    assert rows(tmp_path, "select town from company__offices order by _dlt_list_idx") == [("Bern",), ("Genève",)]


@pytest.mark.parametrize("report", ["clients", "time_entries"])
def test_undocumented_field_named_as_our_own_column_removes_no_row(tmp_path: Path, report: str) -> None:
    """`deleted_at` at Harvest, should it ever come, is a field like any other, and `account_id` stays the account's."""
    with by_hand(users=2, invoices=1, entries=3) as harvest:
        for record in harvest.tables[report]:
            record |= {"deleted_at": "2026-01-01T00:00:00Z", "account_id": "abc"}
        (result,) = sync_once(tmp_path, harvest, report).results
        assert (result.error, result.total) == (None, 3)
    assert rows(tmp_path, f"select distinct account_id, count(*) from {report} group by 1") == [(77, 3)]


@pytest.mark.parametrize("value", ["99999999.99", "0.535", "-0.01", "1234567.123456"])
def test_amounts_lose_no_digit_in_any_kind_of_table(tmp_path: Path, value: str) -> None:
    """In a table that goes through Arrow, in one of dicts and in a list element."""
    amount = float(value)
    exact = Decimal(repr(amount)).quantize(Decimal("0.000001"))
    with by_hand(users=2, invoices=3, entries=2) as harvest:
        harvest.tables["time_entries"][0]["hours"] = amount
        harvest.tables["invoices"][2]["amount"] = amount
        harvest.tables["invoices"][2]["line_items"][0]["unit_price"] = amount
        sync_once(tmp_path, harvest, "time_entries", "invoices")
        ids = [harvest.tables["time_entries"][0]["id"], harvest.tables["invoices"][2]["id"]]
    assert rows(tmp_path, f"select hours from time_entries where id = {ids[0]}") == [(exact,)]
    assert rows(tmp_path, f"select amount from invoices where id = {ids[1]}") == [(exact,)]
    assert rows(tmp_path, f"select unit_price from invoices__line_items where invoice_id = {ids[1]} and _dlt_list_idx = 0") == [
        (exact,)
    ]


@pytest.mark.parametrize("report", ["expenses", "invoices"])
def test_more_than_six_decimals_are_rounded_half_even_and_said_once(tmp_path: Path, report: str) -> None:
    """Never a failed load, one note for the column however many values there are."""
    field = {"expenses": "total_cost", "invoices": "amount"}[report]
    with by_hand(users=2, invoices=4, entries=1) as harvest:
        for record, amount in zip(harvest.tables[report], (0.0000005, 0.0000015, 2.00000049, 1 / 3), strict=False):
            record[field] = amount
        summary = sync_once(tmp_path, harvest, report)
        assert summary.notes == [f"values more than six decimals, rounded: {report}.{field}"]
        (result,) = sync_once(tmp_path, harvest, report).results
        assert (result.new, result.changed) == (0, 0)
        ids = [record["id"] for record in harvest.tables[report][:4]]
    found = dict(rows(tmp_path, f"select id, {field} from {report}"))
    assert [found[each] for each in ids] == [Decimal(0), Decimal("0.000002"), Decimal(2), Decimal("0.333333")]
