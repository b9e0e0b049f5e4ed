"""Right types whatever order values arrive in; nothing the API sends is left out."""

from __future__ import annotations

import itertools
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pipelines import rows
from second_harvest import LINES, HandMade, by_hand, like
from support import notes_on_rows, serving, sync_once

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


NUMBER_FIELDS = {"time_entries": "hours", "invoices": "tax", "expenses": "total_cost"}


@pytest.mark.long
@pytest.mark.parametrize("order", ORDERS)
def test_numbers_stay_in_one_exact_column(tmp_path: Path, order: list[Any]) -> None:
    """8, then 7.5, then null (R45): documented or not, in one run or the next; no column is doubled."""
    account = build_account(TINY, seed=5)
    ids = {}
    with serving(account) as sandbox:
        for report, field in NUMBER_FIELDS.items():
            changed(account, report, order[:1], field)
            changed(account, report, order[:1], "brand_new_number")
        sync_once(tmp_path, sandbox, *NUMBER_FIELDS)
        for report, field in NUMBER_FIELDS.items():
            changed(account, report, order, field)
            ids[report] = changed(account, report, order, "brand_new_number")
        sync_once(tmp_path, sandbox, *NUMBER_FIELDS)
    for report, field in NUMBER_FIELDS.items():
        for column in (field, "brand_new_number"):
            found = dict(rows(tmp_path, f"select id, {column} from {report}"))
            assert [found[each] for each in ids[report]] == [
                None if value is None else Decimal(str(value)) for value in order
            ]
            assert types_of(tmp_path, report)[column] == "DECIMAL(20,6)"
    assert doubled_columns(tmp_path) == []


@pytest.mark.long
def test_large_and_fine_numbers_lose_no_digit(tmp_path: Path) -> None:
    """Ids above 2^31, 99999999.99, 0.535; more than six decimals are rounded half-even and said once."""
    account = build_account(TINY, seed=5)
    with serving(account) as sandbox:
        (entry, *_) = changed(
            account, "time_entries", [99999999.99, 0.535, 0.0000005, 0.0000015], "billable_rate"
        )
        summary = sync_once(tmp_path, sandbox, "time_entries")
    found = rows(tmp_path, "select id, billable_rate from time_entries order by billable_rate")
    values = [value for _, value in found]
    assert {Decimal("99999999.99"), Decimal("0.535"), Decimal(0), Decimal("0.000002")} <= set(
        values
    )
    assert entry > 2**31
    assert entry in {row_id for row_id, _ in found}
    assert notes_on_rows(summary) == [
        "values more than six decimals, rounded: time_entries.billable_rate"
    ]


@pytest.mark.long
def test_undocumented_fields_become_columns_and_are_named_once(tmp_path: Path) -> None:
    """A scalar, an object and a list nobody documented (R03), in Arrow tables and in others."""
    account = build_account(TINY, seed=5)
    reports = ("time_entries", "clients")
    ids = {}
    with serving(account) as sandbox:
        for report in reports:
            (ids[report],) = changed(account, report, ["x"], "brand_new_field")
            account.rows[report][ids[report]] |= {
                "an_object": {"deep": {"er": 1.5}},
                "a_list": [{"n": 1}, {"n": 2.5}],
                "a_flag": True,
            }
        summary = sync_once(tmp_path, sandbox, *reports)
        again = sync_once(tmp_path, sandbox, *reports)
    for report in reports:
        query = f"select brand_new_field, an_object__deep__er, a_flag from {report} where id = {ids[report]}"
        assert rows(tmp_path, query) == [("x", Decimal("1.5"), True)]
        assert {f"{report}.brand_new_field", f"{report}.an_object__deep__er"} <= set(
            summary.new_fields
        )
    assert again.new_fields == []
    listed = rows(
        tmp_path,
        f"select n from clients__a_list where client_id = {ids['clients']} order by _dlt_list_idx",
    )
    assert listed == [(Decimal(1),), (Decimal("2.5"),)]
    kept = rows(tmp_path, f"select a_list from time_entries where id = {ids['time_entries']}")
    assert kept == [('[{"n": 1}, {"n": 2.5}]',)]


def test_keys_of_digits_only_are_text(tmp_path: Path) -> None:
    """A statement key may look like a number at first (R08)."""
    account = build_account(TINY, seed=5)
    with serving(account) as sandbox:
        ids = changed(account, "clients", ["123456", "b19f00"], "statement_key")
        sync_once(tmp_path, sandbox, "clients")
    found = dict(rows(tmp_path, "select id, statement_key from clients"))
    assert [found[each] for each in ids] == ["123456", "b19f00"]


def types_of(folder: Path, table: str) -> dict[str, str]:
    """Returns the columns of a table with their types, dlt's own left out."""
    where = f"table_schema = 'harvest' and table_name = '{table}'"
    query = f"select column_name, data_type from information_schema.columns where {where}"
    return {name: kind for name, kind in rows(folder, query) if not name.startswith("_dlt")}


def doubled_columns(folder: Path) -> list[tuple[Any, ...]]:
    """Returns the columns that dlt makes where a value is of another type than the ones before."""
    return rows(
        folder,
        "select table_name, column_name from information_schema.columns where contains(column_name, '__v_')",
    )


@pytest.mark.long
@pytest.mark.parametrize(
    "shapes", [({"a": 1}, [1, 2], "word"), ([1, 2], "word", {"a": 1}), ("word", {"a": 1}, [1, 2])]
)
def test_field_that_changes_its_shape_loses_nothing_and_stops_nothing(
    tmp_path: Path, shapes: tuple[Any, ...]
) -> None:
    """An undocumented field that is an object, a list and a word, within one run and from run to run."""
    reports = ("clients", "expenses")
    with by_hand(users=2, invoices=1, entries=1) as harvest:
        for shift in range(2):
            harvest.now = f"2026-07-0{2 + shift}T00:00:00Z"
            for report, place in itertools.product(reports, range(3)):
                harvest.change(
                    report, harvest.tables[report][place]["id"], new=shapes[(place + shift) % 3]
                )
            for result in sync_once(tmp_path, harvest, *reports).results:
                assert (result.error, result.total) == (None, len(harvest.tables[result.report]))
        for result in sync_once(tmp_path, harvest, *reports).results:
            assert (result.error, result.new, result.changed) == (None, 0, 0)
    for report in reports:
        assert "word" in " ".join(map(str, rows(tmp_path, f"select * from {report}")))


@pytest.mark.parametrize("own", [{}, {"id": 7}])
def test_undocumented_list_of_the_company_is_loaded(tmp_path: Path, own: dict[str, int]) -> None:
    """The one report without a key has lists, too, once Harvest adds one; whether or not it has an id."""
    towns = [{"town": "Bern"}, {"town": "Genève"}]
    with HandMade(company={**like("company", 0), **own, "offices": towns}) as harvest:
        for _ in range(2):
            summary = sync_once(tmp_path, harvest, "company")
            assert [result.error for result in summary.results] == [None]
        assert [result.changed for result in summary.results] == [0]
        towns[1] = {"town": "Basel"}
        summary = sync_once(tmp_path, harvest, "company")
        assert [(result.error, result.changed) for result in summary.results] == [(None, 1)]
    assert rows(tmp_path, "select town from company__offices order by _dlt_list_idx") == [
        ("Bern",),
        ("Basel",),
    ]


def test_undocumented_field_named_as_our_own_column_removes_no_row(tmp_path: Path) -> None:
    """`deleted_at` at Harvest, should it ever come, is a field like any other, and `account_id` stays the account's."""
    reports = ("clients", "time_entries")
    with by_hand(users=2, invoices=1, entries=3) as harvest:
        for record in itertools.chain.from_iterable(harvest.tables[report] for report in reports):
            record |= {"deleted_at": "2026-01-01T00:00:00Z", "account_id": "abc"}
        for result in sync_once(tmp_path, harvest, *reports).results:
            assert (result.error, result.total) == (None, 3)
    for report in reports:
        assert rows(tmp_path, f"select distinct account_id, count(*) from {report} group by 1") == [
            (77, 3)
        ]


def test_amounts_lose_no_digit_in_any_kind_of_table(tmp_path: Path) -> None:
    """In a table that goes through Arrow, in one of dicts and in a list element."""
    amounts = [99999999.99, 0.535, -0.01, 1234567.123456]
    with by_hand(users=2, invoices=6, entries=4) as harvest:
        entries, invoices = harvest.tables["time_entries"], harvest.tables["invoices"][2:]
        for amount, entry, invoice in zip(amounts, entries, invoices, strict=True):
            entry["hours"] = invoice["amount"] = amount
            invoice["line_items"] = [{**LINES[0], "unit_price": amount}]
        sync_once(tmp_path, harvest, "time_entries", "invoices")
    exact = [Decimal(repr(amount)).quantize(Decimal("0.000001")) for amount in amounts]
    billed = ", ".join(str(invoice["id"]) for invoice in invoices)
    for query in (
        "select hours from time_entries order by id",
        f"select amount from invoices where id in ({billed}) order by id",
        f"select unit_price from invoices__line_items where invoice_id in ({billed}) order by invoice_id",
    ):
        assert [value for (value,) in rows(tmp_path, query)] == exact, query


def test_more_than_six_decimals_are_rounded_half_even_and_said_once(tmp_path: Path) -> None:
    """Never a failed load, one note for the column however many values there are."""
    fields = {"expenses": "total_cost", "invoices": "amount"}
    with by_hand(users=2, invoices=4, entries=1) as harvest:
        for report, field in fields.items():
            for record, amount in zip(
                harvest.tables[report], (0.0000005, 0.0000015, 2.00000049, 1 / 3), strict=False
            ):
                record[field] = amount
        summary = sync_once(tmp_path, harvest, *fields)
        assert notes_on_rows(summary) == [
            "values more than six decimals, rounded: expenses.total_cost, invoices.amount"
        ]
        for result in sync_once(tmp_path, harvest, *fields).results:
            assert (result.new, result.changed) == (0, 0)
    for report, field in fields.items():
        found = dict(rows(tmp_path, f"select id, {field} from {report}"))
        values = [found[record["id"]] for record in harvest.tables[report][:4]]
        assert values == [Decimal(0), Decimal("0.000002"), Decimal(2), Decimal("0.333333")]
