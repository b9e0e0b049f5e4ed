"""The questions that a run asks of its tables, on a DuckDB file that dlt made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dlt
import pytest

from harvest_source.catalogue.hints import resource_hints
from harvest_source.catalogue.lookup import by_name
from harvest_source.catalogue.report import AccountReport
from harvest_source.destinations.scope import LIVE, MARKED
from harvest_source.destinations.warehouse import DOUBLED, Warehouse, without_dlt
from harvest_source.settings import SECTION

THEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CLIENTS: list[dict[str, Any]] = [
    {"account_id": 1, "id": 10, "name": "A", "updated_at": THEN},
    {"account_id": 1, "id": 11, "name": "B", "updated_at": THEN + timedelta(hours=1)},
    {"account_id": 1, "id": 12, "name": "C", "updated_at": THEN, "deleted_at": THEN},
    {"account_id": 2, "id": 10, "name": "D", "updated_at": THEN},
]


def invoice(
    number: int, amount: int | None, due: int | None, state: str, **lists: list[int]
) -> dict[str, Any]:
    elements = {
        name: [{"account_id": 1, "invoice_id": number, "id": each} for each in ids]
        for name, ids in lists.items()
    }
    return {
        "account_id": 1,
        "id": number,
        "amount": amount,
        "due_amount": due,
        "state": state,
        **elements,
    }


INVOICES = [
    invoice(1, 10, 4, "open", line_items=[5, 4]),  # 6 paid
    invoice(2, 10, 4, "open", line_items=[], payment_options=[1]),  # 5 paid
    invoice(3, 10, None, "open", line_items=[6]),  # nothing paid
    invoice(4, None, None, "draft"),
    invoice(5, 9, 0, "closed"),
    {**invoice(2, 9, 9, "open"), "account_id": 2},
]
PAYMENTS: list[dict[str, Any]] = [
    {"account_id": 1, "invoice_id": 1, "id": 1, "amount": Decimal("2.000001")},
    {"account_id": 1, "invoice_id": 1, "id": 2, "amount": Decimal("3.999999")},
    {"account_id": 1, "invoice_id": 2, "id": 3, "amount": 5},
    {"account_id": 1, "invoice_id": 2, "id": 4, "amount": 1, "deleted_at": THEN},
    {"account_id": 2, "invoice_id": 2, "id": 5, "amount": None},
    {"account_id": 1, "invoice_id": 9, "id": 6, "amount": 0},
    {"account_id": 1, "invoice_id": 9, "id": 6, "amount": 0},
]
ROWS = {"clients": CLIENTS, "invoices": INVOICES, "invoice_payments": PAYMENTS}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dlt.Pipeline:
    folder: Path = tmp_path_factory.mktemp("warehouse")
    pipeline = dlt.pipeline(
        "p",
        pipelines_dir=str(folder),
        destination=dlt.destinations.duckdb(str(folder / "w.duckdb")),
    )

    @dlt.source(name=SECTION, root_key=True)
    def source() -> Any:
        hints = {
            name: resource_hints(by_name(name), keep_deleted=True, merges=False) for name in ROWS
        }
        return [dlt.resource(rows, **hints[name]) for name, rows in ROWS.items()]

    pipeline.run(source())
    return pipeline


@pytest.fixture
def warehouse(loaded: dlt.Pipeline) -> Iterator[Warehouse]:
    with Warehouse(loaded, ["clients", "tasks"]) as opened:
        yield opened


def test_rows_are_counted(warehouse: Warehouse, loaded: dlt.Pipeline) -> None:
    """Together and each for itself, those that are there and those that are marked; of a table that there is not, none."""
    since = LIVE.where("updated_at", ">=", THEN + timedelta(seconds=1))
    with Warehouse(loaded) as one_by_one:
        for each in (warehouse, one_by_one):
            assert [each.count("clients", account) for account in (1, 2, 3)] == [2, 1, 0]
            assert [each.count("clients", account, MARKED) for account in (1, 2)] == [1, 0]
            assert [each.count("clients", account, since) for account in (1, 2)] == [1, 0]
            assert each.count("tasks", 1) is None
    assert warehouse.count_by("invoices", "state", 1) == {"open": 3, "draft": 1, "closed": 1}
    assert warehouse.count_by("tasks", "name", 1) == {}
    assert warehouse.count_elements({"clients"}) == (Counter(), set())


def test_elements_and_children_are_counted(warehouse: Warehouse) -> None:
    """With what the ids of elements add up to; of children, without those that are marked."""
    there = {
        ("invoice_payments", 1): 5,
        ("invoice_payments", 2): 1,
        ("invoices__line_items", 1): 3,
        ("invoices__line_items.id", 1): 15,
        ("invoices__payment_options", 1): 1,
        ("invoices__payment_options.id", 1): 1,
    }
    names = {"invoices", "clients", "invoice_payments"}
    assert warehouse.count_elements(names) == (there, set())


def test_rows_are_told_by_key_and_version(warehouse: Warehouse) -> None:
    payments = by_name("invoice_payments")
    assert warehouse.keys(by_name("clients"), 1) == {(10,), (11,)}
    assert warehouse.keys(by_name("clients"), 1, MARKED) == {(12,)}
    assert len(warehouse.keys(payments, 1)) == 4
    pairs = ((1, "clients"), (2, "clients"), (1, "invoice_payments"), (1, "tasks"))
    assert warehouse.versions({AccountReport(*pair): LIVE for pair in pairs}) == {
        (1, "clients"): {(10,): THEN, (11,): THEN + timedelta(hours=1)},
        (2, "clients"): {(10,): THEN},
        (1, "invoice_payments"): {(1,): None, (2,): None, (3,): None, (6,): DOUBLED},
        (1, "tasks"): {},
    }
    assert warehouse.doubled_children([payments, by_name("invoice_messages")]) == {
        (1, "invoice_payments"): [9]
    }


def test_whole_rows_are_given_with_their_lists(warehouse: Warehouse) -> None:
    invoices = by_name("invoices")
    assert [row["name"] for row in warehouse.rows_by_id("clients", 1, "id", [12, 10, 99])] == [
        "A",
        "C",
    ]
    assert [len(warehouse.rows("clients", account)) for account in (None, 1, 2, 3)] == [4, 3, 1, 0]
    assert warehouse.rows("tasks") == []
    assert warehouse.rows_by_id("tasks", 1, "id", [1]) == []
    assert warehouse.rows_by_id("clients", 1, "id", []) == []
    lists = warehouse.lists_of(invoices, ["line_items"], 1, [1, 2, 3])["line_items"]
    assert {key: [row["id"] for row in each] for key, each in lists.items()} == {1: [5, 4], 3: [6]}
    assert not [name for name in without_dlt(lists[1][0]) if name.startswith("_dlt")]
    batches = list(warehouse.iter_rows("clients", 3))
    assert [len(batch) for batch in batches] == [3, 1]
    assert list(warehouse.iter_rows("tasks", 3)) == []


def test_sums_are_compared(warehouse: Warehouse) -> None:
    assert warehouse.sum("invoice_payments", "amount", "amount", 1, LIVE) == 11
    assert warehouse.sum("invoices", "due_amount", "amount", 1, LIVE) == 18
    assert warehouse.sum("tasks", "rate", "rate", 1, LIVE) == 0
    paid = ("invoice_payments", "amount", "invoice_id")
    assert warehouse.ids_off_sum("invoices", "amount - due_amount", paid, 1) == [2, 3, 5]
    assert warehouse.ids_off_sum(
        "invoices", "amount - due_amount", paid, 1, LIVE.where("state", "<>", "closed")
    ) == [2, 3]
    assert warehouse.ids_off_sum("invoices", "amount - due_amount", paid, 2) == []
    assert warehouse.ids_off_sum("invoices", "amount", ("tasks", "rate", "invoice_id"), 1) == []


def test_table_that_is_gone_has_no_rows(loaded: dlt.Pipeline) -> None:
    """It leaves what is known; the others are asked for one by one."""
    report = replace(by_name("invoice_payments"), name="gone")
    with Warehouse(loaded) as warehouse:
        warehouse.execute(
            f"create table {warehouse.name_of('gone')} as select * from {warehouse.name_of('clients')}"
        )
        assert warehouse.columns("gone") == set()
        schema = loaded.default_schema.clone()
        schema.tables["gone"] = {**schema.tables["clients"], "name": "gone"}
        loaded.schemas.save_schema(schema)
    with Warehouse(loaded, ["clients", "gone"]) as warehouse:
        assert warehouse.count("gone", 2) == 1
        warehouse.execute(f"drop table {warehouse.name_of('gone')}")
    with Warehouse(loaded, ["clients", "gone"]) as warehouse:
        assert warehouse.doubled_children([report]) == {}
        clients, gone = AccountReport(2, "clients"), AccountReport(2, "gone")
        assert warehouse.versions({clients: LIVE, gone: LIVE}) == {clients: {(10,): THEN}, gone: {}}
        assert [warehouse.count(name, 2) for name in ("clients", "gone")] == [1, None]
        assert warehouse.has_unfinished_load("gone") is False
        assert warehouse.rows("gone") == []


def test_loads_that_were_completed_are_told_apart(loaded: dlt.Pipeline) -> None:
    with Warehouse(loaded) as warehouse:
        assert warehouse.has_unfinished_load("clients") is False
        assert warehouse.has_state(loaded.state["_version_hash"]) is True
        assert warehouse.has_state("another") is False
        warehouse.execute(f"update {warehouse.name_of('_dlt_loads')} set status = 1")
        assert warehouse.has_unfinished_load("clients") is True
        assert warehouse.has_state(loaded.state["_version_hash"]) is False
        warehouse.execute(f"update {warehouse.name_of('_dlt_loads')} set status = 0")
