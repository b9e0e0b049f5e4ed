"""What a comparison finds by windows is right in any account, whatever comes, goes and moves between two of its requests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from compared import ACCOUNT, ENTRIES, Row, Sides, record, sides
from fake_client import NOON
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harvest_source.loading import compare
from harvest_source.loading.compare import Finding
from harvest_source.reading import differing, windows
from harvest_source.resources import rows_in

PAGE = 4
ANY = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def _few_rows_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (compare, differing):
        monkeypatch.setattr(module, "PER_PAGE", PAGE)
    monkeypatch.setattr(windows, "WINDOW_ROWS", PAGE - 1)


@dataclass
class Busy:
    """An account that changes before some of the requests."""

    both: Sides
    # before the request of a number: what is done, to which row, and to which day that moves or comes
    steps: list[tuple[int, str, int, int | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rows = self.both.client.tables["time_entries"]
        self.both.client.before = self.change
        self._sort()

    def change(self, number: int) -> None:
        """Lets a second pass, and does what is to be done now."""
        now = self.both.client.now = NOON + timedelta(seconds=number)
        for place, (when, what, which, day) in enumerate(self.steps):
            if when != number:
                continue
            row_id = 1000 + place
            if what != "come" and self.rows:
                row_id = self.rows.pop(which % len(self.rows))["id"]
            if what != "go":
                self.rows.append(record(row_id, now, day))
        self._sort()

    def _sort(self) -> None:
        self.rows.sort(key=lambda row: (row["spent_date"] or "", row["id"]), reverse=True)

    @property
    def there(self) -> set[int]:
        """Returns the ids at Harvest."""
        return {row["id"] for row in self.rows}

    @property
    def here(self) -> set[int]:
        """Returns the ids in the table."""
        return {row_id for _, row_id in self.both.store.tables["time_entries"]}

    def compare(self) -> Finding:
        """Compares, asserts that nothing that is there is said to be gone, and mends the table as a run does."""
        finding = self.both.comparison.compare(ENTRIES, None)
        gone = {key[0] for key in finding.gone}
        assert gone <= self.here - self.there
        for row_id in gone:
            del self.both.store.tables["time_entries"][ACCOUNT, row_id]
        for _, page in finding.reading.iter_pages() if finding.reading else ():
            self.both.put(ENTRIES, *map(as_sent, rows_in(page)))
        return finding

    def load_changes(self) -> None:
        """Does what the next run begins with."""
        changed = [row for row in self.rows if row["updated_at"] >= f"{NOON:%Y-%m-%dT%H:%M:%SZ}"]
        self.both.put(ENTRIES, *changed)


def as_sent(row: Row) -> Row:
    """Returns a row that was read as Harvest sent it."""
    return {name: value and str(value) for name, value in row.items()} | {"id": row["id"]}


DAY = st.none() | st.integers(1, 28)
DENSE = st.integers(1, 4)
ACCOUNTS = st.one_of(*(st.lists(day, min_size=PAGE, max_size=40) for day in (DAY, DENSE)))
LEAVE_OUT = st.sets(st.integers(0, 39), max_size=4)
WHATS = st.sampled_from(["come", "go", "move"])
STEPS = st.lists(st.tuples(st.integers(2, 8), WHATS, st.integers(0, 39), DAY), max_size=8)


def account(days: list[int | None], gone: set[int], missing: set[int]) -> Iterator[list[Row]]:
    """Yields the rows at Harvest and those of the table."""
    rows = [record(number, day=day) for number, day in enumerate(days)]
    for left_out in (gone, missing):
        yield [row for row in rows if row["id"] not in left_out]


@given(days=ACCOUNTS, gone=LEAVE_OUT, missing=LEAVE_OUT)
@ANY
def test_difference_of_counts_is_made_up_where_nothing_changes(
    days: list[int | None], gone: set[int], missing: set[int]
) -> None:
    """Also by rows without a date. Where no row is missing, exactly what is gone goes."""
    there, here = account(days, gone, missing)
    with sides(there, here) as both:
        both.client.page_rows = PAGE
        both.read(ENTRIES)
        busy = Busy(both)
        finding = busy.compare()
        assert finding.at_harvest == len(busy.there) == len(busy.here)
        if busy.there <= {row["id"] for row in here}:
            assert busy.here == busy.there


@pytest.mark.long
@given(days=ACCOUNTS, gone=LEAVE_OUT, missing=LEAVE_OUT, steps=STEPS)
@settings(ANY, max_examples=400)
def test_what_changes_meanwhile_is_never_said_to_be_gone_and_the_next_run_makes_it_up(
    days: list[int | None],
    gone: set[int],
    missing: set[int],
    steps: list[tuple[int, str, int, int | None]],
) -> None:
    there, here = account(days, gone, missing)
    with sides(there, here) as both:
        both.client.page_rows = PAGE
        both.read(ENTRIES)
        busy = Busy(both, steps)
        busy.compare()
        busy.steps.clear()
        busy.load_changes()
        busy.compare()
        assert len(busy.here) == len(busy.there)
        if busy.there <= {row["id"] for row in here}:
            assert busy.here == busy.there
