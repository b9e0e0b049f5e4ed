"""Right types whatever order values arrive in; nothing the API sends is left out."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support import rows, serving, sync_once

from harvest_sandbox import Account, Size, build_account

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
