"""What changes without a sign is found within its time, run after run on a clock that a test moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from clocks import LaterClock
from destinations import on
from pipelines import rows
from second_harvest import HandMade, by_hand
from support import sync_once

from harvest_source.instants import format_instant
from harvest_source.reading import reader

NOTE = "changed without a sign"
ALL = ("invoices", "invoice_payments", "estimates", "estimate_messages", "users", "cost_rates")
# table, column, parents, days since the parent changed, days within which the change must be there
SILENT = [
    ("invoice_payments", "notes", "invoices", 20, 7),
    ("estimate_messages", "subject", "estimates", 95, 9),
    ("cost_rates", "end_date", "users", 110, 11),
]


def age(harvest: HandMade) -> None:
    """Has every parent be changed last so long ago, by a clock of Harvest's that is right."""
    harvest.now = format_instant(datetime.now(UTC))
    for _table, _column, parents, days, _within in SILENT:
        for row in harvest.tables[parents]:
            row["updated_at"] = format_instant(datetime.now(UTC) - timedelta(days=days))


def change_silently(harvest: HandMade) -> None:
    """Changes the last parent's first child in each list, and no change time."""
    for table, column, parents, _days, _within in SILENT:
        kind = table.partition("_")[2] if parents != "users" else table
        lists = [harvest.tables[f"{parents}/{row['id']}/{kind}"] for row in harvest.tables[parents]]
        child = next(children[0] for children in reversed(lists) if children)
        child[column] = "2031-05-07" if column == "end_date" else NOTE


def is_there(folder: Path, table: str, column: str) -> bool:
    """Returns whether the change is in the table."""
    query = (
        f"select count(*) from {table} where cast({column} as varchar) in ('{NOTE}', '2031-05-07')"
    )
    return rows(folder, query) == [(1,)]


@pytest.mark.long
@on("duckdb", "postgres", "filesystem")
def test_what_changed_without_a_sign_is_found_within_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A payment, a message and a rate; no run has requests left for more than what is due."""
    monkeypatch.setattr(reader, "FREE_REQUESTS", 0)
    found: dict[str, int] = {}
    with by_hand(users=6, invoices=12, entries=0) as harvest:
        age(harvest)
        sync_once(tmp_path, harvest, *ALL, clock=LaterClock(0))
        change_silently(harvest)
        for day in range(1, 12):
            assert sync_once(tmp_path, harvest, *ALL, clock=LaterClock(24 * day)).exit_code == 0
            for table, column, *_ in SILENT:
                if table not in found and is_there(tmp_path, table, column):
                    found[table] = day
    assert found.keys() == {table for table, *_ in SILENT}
    assert [found[table] <= within for table, *_, within in SILENT] == [True] * 3
    assert min(found.values()) > 1  # it was not all read at once
