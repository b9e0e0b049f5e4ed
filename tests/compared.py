"""Lists of a Harvest in memory beside tables in memory, as a comparison sees them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, cast

from fake_client import FakeClient
from memory import MemoryTables, Store

from harvest_source.api.client import HarvestClient
from harvest_source.catalogue.report import AccountReport
from harvest_source.destinations.warehouse import Warehouse
from harvest_source.loading.compare import Comparison
from harvest_source.loading.lists import Lists
from harvest_source.reading.plan import Wish
from harvest_source.reading.reader import Choice, Reader
from harvest_source.settings import HarvestSettings

ACCOUNT = 7
ENTRIES, CLIENTS = AccountReport(ACCOUNT, "time_entries"), AccountReport(ACCOUNT, "clients")
MAY = datetime(2026, 5, 1, tzinfo=UTC)
Row = dict[str, Any]


def record(row_id: int, changed_at: datetime = MAY, day: int | None = 1, month: int = 5) -> Row:
    """Returns a time entry as Harvest sends it."""
    return {
        "id": row_id,
        "updated_at": f"{changed_at:%Y-%m-%dT%H:%M:%SZ}",
        "spent_date": None if day is None else f"2026-{month:02}-{day:02}",
    }


@dataclass
class Sides:
    """Rows at Harvest, and rows of the tables."""

    client: FakeClient
    store: Store
    reader: Reader
    gone: dict[AccountReport, set[tuple[Any, ...]]] = field(default_factory=dict)

    def put(self, pair: AccountReport, *records: Row) -> None:
        """Puts records into a table."""
        for each in records:
            day = each["spent_date"]
            self.store.tables[pair.report][pair.account_id, each["id"]] = {
                "account_id": pair.account_id,
                "id": each["id"],
                "updated_at": datetime.fromisoformat(each["updated_at"]),
                "spent_date": date.fromisoformat(day) if day else None,
            }

    def read(self, *pairs: AccountReport) -> None:
        """Reads lists in this run, as of what changed since its begin."""
        self.reader.read_lists(
            {pair: Wish({"updated_at": "2026-07-01T11:59:00Z"}) for pair in pairs}
        )

    @property
    def comparison(self) -> Comparison:
        """Returns a comparison of the run."""
        tables = cast("Warehouse", MemoryTables(self.store))
        return Comparison(Lists(self.reader), tables, self.gone)


@contextmanager
def sides(
    at_harvest: list[Row], here: list[Row], choice: Choice | None = None, **settings: Any
) -> Iterator[Sides]:
    """Gives time entries at Harvest and in the table, for the length of a `with`."""
    client = FakeClient({"time_entries": at_harvest, "clients": []})
    harvest_settings = HarvestSettings(**settings)
    reader = Reader(cast("HarvestClient", client), harvest_settings, choice or Choice())
    both = Sides(client, Store(is_made=True), reader)
    both.put(ENTRIES, *here)
    try:
        yield both
    finally:
        reader.close()
