"""New, changed and equal rows: a table of cases on plain data."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from memory import MemoryTables, Store

from harvest_source.catalogue.hints import DELETED_AT
from harvest_source.catalogue.lookup import by_name
from harvest_source.catalogue.report import AccountReport
from harvest_source.loading.changes import ChangeFilter, split
from harvest_source.loading.result import Tally

Row = dict[str, Any]
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def entry(**changes: Any) -> Row:
    """Returns a time entry."""
    return {
        "account_id": 1,
        "id": 7,
        "hours": Decimal("1.5"),
        "notes": "a",
        "is_running": False,
        "updated_at": NOON,
        **changes,
    }


@pytest.mark.parametrize(
    ("row", "present", "tally"),
    [
        (entry(), [], Tally(new=1)),
        (entry(), [entry(id=8)], Tally(new=1)),
        (entry(), [entry()], Tally()),
        (entry(), [entry(_dlt_id="x")], Tally()),
        (entry(), [entry(notes="b")], Tally(changed=1)),
        (entry(), [entry(notes=None)], Tally(changed=1)),
        (entry(), [entry(cost_rate=None)], Tally()),
        (entry(), [entry(), entry()], Tally(changed=1)),
        (entry(), [entry(**{DELETED_AT: NOON})], Tally(changed=1)),
        (
            entry(is_running=True, hours=Decimal(2)),
            [entry(is_running=True)],
            Tally(changed=1, grown=1),
        ),
        (
            entry(is_running=True, hours=Decimal(2)),
            [entry(is_running=True), entry(is_running=True)],
            Tally(changed=1),
        ),
        (
            entry(is_running=True, hours=Decimal(2)),
            [entry(is_running=True, notes="b")],
            Tally(changed=1),
        ),
        (entry(hours=Decimal(2)), [entry(is_running=True)], Tally(changed=1)),
        (
            entry(is_running=True, hours=Decimal(2)),
            [entry(is_running=True, **{DELETED_AT: NOON})],
            Tally(changed=1),
        ),
    ],
)
def test_entry_beside_the_destination(row: Row, present: list[Row], tally: Tally) -> None:
    found = split(by_name("time_entries"), [row], present)
    assert found.tally == tally
    assert found.new + found.changed == [row] * (tally.new + tally.changed)


@pytest.mark.parametrize(
    ("elements", "others", "is_changed"),
    [
        ([{"value": "a"}], [{"value": "a"}], False),
        ([{"value": "a"}], [{"value": "a", "_dlt_id": "x", "_dlt_list_idx": 0}], False),
        ([{"value": "a"}], [{"value": "b"}], True),
        ([{"value": "a"}, {"value": "b"}], [{"value": "b"}, {"value": "a"}], True),
        ([], [{"value": "a"}], True),
        (None, [], False),
    ],
)
def test_lists_differ_by_length_order_and_values(
    elements: list[Row] | None, others: list[Row], *, is_changed: bool
) -> None:
    row, present = (
        {"account_id": 1, "id": 7, "roles": elements},
        {"account_id": 1, "id": 7, "roles": others},
    )
    assert bool(split(by_name("users"), [row], [present]).changed) == is_changed


def test_the_only_row_of_an_account_has_no_key() -> None:
    company = by_name("company")
    assert (
        split(company, [{"account_id": 1, "name": "a"}], [{"account_id": 1, "name": "a"}]).tally
        == Tally()
    )
    assert split(
        company, [{"account_id": 1, "name": "a"}], [{"account_id": 1, "name": "b"}]
    ).tally == Tally(changed=1)


def test_rows_of_an_empty_table_are_new_whatever_else_the_load_brings_of_them() -> None:
    """The table is looked at once: what the load itself writes is not there yet."""
    tables: Any = MemoryTables(Store(is_made=True))
    changes = ChangeFilter(tables)
    entries = by_name("time_entries")
    for row_id in (7, 8):
        assert changes.differing(entries, 1, [entry(id=row_id)]) == [entry(id=row_id)]
        tables.store.tables["time_entries"][1, row_id] = entry(id=row_id)
    assert changes.tallies == {AccountReport(1, "time_entries"): Tally(new=2)}
