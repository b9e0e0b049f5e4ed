"""How many requests a run takes more than a quiet one where one row was deleted at Harvest: a table of accounts.

List and table are nothing but rows a day: a row is made where an answer holds it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate
from typing import Any, cast

import pytest
from compared import ENTRIES
from fake_client import FakeClient, Row

from harvest_source.api.client import HarvestClient
from harvest_source.catalogue.report import Key, Report
from harvest_source.destinations.scope import Scope
from harvest_source.destinations.warehouse import Warehouse
from harvest_source.loading.compare import Comparison
from harvest_source.loading.lists import Lists
from harvest_source.reading.plan import Wish
from harvest_source.reading.reader import Reader
from harvest_source.settings import PER_PAGE, HarvestSettings

LAST = date(2026, 6, 30)
ROWS = 1_000_000


@dataclass(frozen=True)
class Entries:
    """Time entries whose ids count from the oldest day on."""

    days: list[date]
    ends: list[int]  # the id after the last one of each day

    @classmethod
    def on_working_days(cls, rows: int, days: int) -> Entries:
        """Returns as many entries on each working day of so many days; the rest on the last."""
        span = (LAST - timedelta(days=back) for back in range(days - 1, -1, -1))
        working = [day for day in span if day.weekday() < 5]
        ends = [*accumulate([rows // len(working)] * len(working))]
        return cls(working, [*ends[:-1], rows])

    def ids(self, first: str, last: str) -> range:
        """Returns the ids of the days from one to another."""
        before = bisect_left(self.days, date.fromisoformat(first))
        end = bisect_right(self.days, date.fromisoformat(last))
        ends = [0, *self.ends]
        return range(ends[before], ends[end])

    def row(self, row_id: int) -> Row:
        """Returns an entry as Harvest sends it."""
        day = self.days[bisect_right(self.ends, row_id)]
        return {"id": row_id, "spent_date": f"{day}", "updated_at": "2020-01-01T00:00:00Z"}


@dataclass(frozen=True)
class Answered:
    """The rows that Harvest has of some entries, the newest first."""

    entries: Entries
    ids: range
    gone: int

    def __len__(self) -> int:
        return len(self.ids) - (self.gone in self.ids)

    def __getitem__(self, part: slice) -> list[Row]:
        newest = reversed(self.ids[max(0, len(self.ids) - part.stop - 1) :])
        return [self.entries.row(each) for each in newest if each != self.gone][part]


class Harvest(FakeClient):
    """A Harvest that has all entries but one, none of which changed since the run began."""

    def __init__(self, entries: Entries, gone: int) -> None:
        super().__init__({"time_entries": []}, page_rows=PER_PAGE)
        self.entries = entries
        self.gone = gone

    def _chosen(self, path: str, params: dict[str, str]) -> Any:
        if "updated_since" in params:
            return super()._chosen(path, params)
        ids = self.entries.ids(params.get("from", "1900-01-01"), params.get("to", "2999-12-31"))
        return Answered(self.entries, ids, self.gone)


@dataclass(frozen=True)
class Table:
    """A table that has them all."""

    entries: Entries

    def count(self, *_of: object) -> int:
        return self.entries.ends[-1]

    def count_by(self, *_of: object) -> Counter[date | None]:
        firsts = [0, *self.entries.ends]
        return Counter(
            {
                day: end - first
                for day, first, end in zip(
                    self.entries.days, firsts, self.entries.ends, strict=False
                )
            }
        )

    def keys(self, _report: Report, _account_id: int, scope: Scope) -> set[Key]:
        days = [str(value) for column, _, value in scope.conditions if column == "spent_date"]
        return {(each,) for each in self.entries.ids(*days)}

    def rows_by_id(self, *_of: object) -> list[Row]:
        return []


@contextmanager
def comparing(entries: Entries, gone: int) -> Iterator[tuple[Comparison, Harvest]]:
    """Gives a comparison of a run that read what changed, and the Harvest that it asks."""
    client = Harvest(entries, gone)
    with closing(Reader(cast("HarvestClient", client), HarvestSettings())) as reader:
        reader.read_lists({ENTRIES: Wish({"updated_at": "2026-07-01T11:59:00Z"})})
        client.asked.clear()
        yield Comparison(Lists(reader), cast("Warehouse", Table(entries))), client


def requests_more(entries: Entries, gone: int) -> int:
    """Returns how many requests a deletion costs; asserts that it is found, and nothing else."""
    with comparing(entries, gone) as (comparison, client):
        finding = comparison.compare(ENTRIES, None)
        assert finding.gone == {(gone,)}
        assert finding.at_harvest == entries.ends[-1] - 1
        return len(client.asked) - 1


# rows, days, at most so many requests more
ACCOUNTS: dict[str, tuple[int, int, int]] = {
    "ten years, 383 rows a day": (ROWS, 3650, 11),
    "five years, 767 rows a day": (ROWS, 1825, 11),
    "two answers, 28 rows a day": (2_100, 105, 3),
    "more than a page a day": (ROWS, 425, 12),
    "as the sandbox has it": (100_000, 425, 8),
}


@pytest.mark.long
@pytest.mark.parametrize(("rows", "days", "most"), ACCOUNTS.values(), ids=ACCOUNTS)
def test_one_deletion_costs_few_requests_wherever_it_is(rows: int, days: int, most: int) -> None:
    entries = Entries.on_working_days(rows, days)
    spread = {0, *range(0, rows, rows // 40 + 7), rows - 1}
    assert max(requests_more(entries, gone) for gone in spread) == most


def test_quiet_list_costs_one_request() -> None:
    """What `requests_more` takes away."""
    entries = Entries.on_working_days(ROWS, 3650)
    with comparing(entries, gone=-1) as (comparison, client):
        assert comparison.compare(ENTRIES, None).equal
        assert len(client.asked) == 1
