"""A large list by windows that are asked at once: whole whatever its days look like, in few requests, continued after a kill."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from math import ceil
from pathlib import Path
from typing import cast

import pytest
from fake_client import NOON, FakeClient, Row
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harvest_source.api.client import HarvestClient
from harvest_source.catalogue.lookup import by_name
from harvest_source.errors import UnavailableError
from harvest_source.instants import format_instant
from harvest_source.reading.lists import read_list
from harvest_source.reading.parts import PartStore
from harvest_source.reading.query import ListQuery
from harvest_source.reading.reading import Reading
from harvest_source.reading.windows import Window, between
from harvest_source.resources import rows_in

FIRST = date(2020, 1, 1)
OLD = "2026-06-01T00:00:00Z"
# the store stays, and with it windows of other examples: none of them counts
ANY = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NEW = format_instant(NOON + timedelta(seconds=5))


@pytest.fixture
def store() -> Iterator[PartStore]:
    """Gives a store that goes with the test."""
    store = PartStore()
    yield store
    store.close()


def entries(days: list[int | None], column: str = "spent_date") -> list[Row]:
    """Returns a row on each of some days, the newest first, as Harvest sorts them; those without a day come last."""
    rows = [
        {
            "id": number,
            column: None if day is None else str(FIRST + timedelta(days=day)),
            "updated_at": OLD,
        }
        for number, day in enumerate(days)
    ]
    return sorted(rows, key=lambda row: (row[column] or "", row["id"]), reverse=True)


def asking(client: FakeClient, store: PartStore, name: str = "time_entries") -> ListQuery:
    """Returns a list as a first run asks for it."""
    now = client.clock.hour()
    return ListQuery(
        cast("HarvestClient", client), store, by_name(name), 7, kept_hours=range(now - 24, now + 1)
    )


def ids(reading: Reading) -> list[int]:
    """Returns the ids of the records that are loaded, as often as they are."""
    return sorted(row["id"] for _, page in reading.iter_pages() for row in rows_in(page))


DAYS = st.lists(st.one_of(st.integers(0, 9), st.integers(0, 3000)), max_size=60)


@given(
    days=DAYS,
    undated=st.integers(0, 3),
    page_rows=st.integers(1, 5),
    name=st.sampled_from(["time_entries", "invoices"]),
)
@ANY
def test_every_row_comes_once_whatever_the_days_are(
    store: PartStore, days: list[int], undated: int, page_rows: int, name: str
) -> None:
    """Many on one day, far apart, or without a day; of Arrow and of dicts."""
    column = "spent_date" if name == "time_entries" else "issue_date"
    client = FakeClient({name: entries([*days, *[None] * undated], column)}, page_rows=page_rows)
    reading = read_list(replace(asking(client, store, name), kept_hours=range(0)))
    assert ids(reading) == list(range(len(days) + undated))
    assert reading.keys == {(each,) for each in range(len(days) + undated)}
    assert reading.settled


@pytest.mark.long
@given(
    days=DAYS, seed=st.integers(0, 2**32), page_rows=st.integers(1, 5), quiet_from=st.integers(1, 4)
)
@ANY
def test_no_row_that_stays_is_lost_whatever_moves_meanwhile(
    store: PartStore, days: list[int], seed: int, page_rows: int, quiet_from: int
) -> None:
    """Rows come, go, and move to other days between the requests; what is not settled is known as such.

    What happens after the last look at what changed is for the next run: from some look on nothing happens.
    """
    chance = random.Random(seed)  # noqa: S311 - threads draw from it in any order, which Hypothesis takes for a fault
    client = FakeClient({"time_entries": entries(list(days))}, page_rows=page_rows)
    stayed = set(range(len(days)))
    since_look = list[int]()  # what happened since the last look began

    def change(_number: int) -> None:
        rows = client.tables["time_entries"]
        looks = ["updated_since" in asked and "first" not in asked for _, asked in client.asked]
        if looks[-1]:
            since_look.clear()
        kind = chance.randrange(8) if sum(looks) < quiet_from else 7
        if kind < 3:
            since_look.append(kind)
        if kind == 0 and rows:
            stayed.discard(rows.pop(chance.randrange(len(rows)))["id"])
        elif kind == 1 and rows:
            row = rows[chance.randrange(len(rows))]
            row |= {
                "spent_date": str(FIRST + timedelta(days=chance.randrange(3000))),
                "updated_at": NEW,
            }
        elif kind == 2:
            rows.append(
                {"id": 1000 + chance.randrange(10**6), "spent_date": str(FIRST), "updated_at": NEW}
            )
        rows.sort(key=lambda row: (row["spent_date"], row["id"]), reverse=True)

    client.before = change
    try:
        reading = read_list(replace(asking(client, store), kept_hours=range(0)))
    except UnavailableError:
        return  # changes faster than it can be read: nothing of it is used
    got, there = ids(reading), {row["id"] for row in client.tables["time_entries"]}
    assert len(got) == len(set(got))
    assert reading.newest is None or reading.newest <= NOON
    if since_look:
        return
    moved = {row["id"] for row in client.tables["time_entries"] if row["updated_at"] == NEW}
    assert stayed - moved <= set(got)
    # what came or moved behind the reading is asked for by the next run, from `newest` on
    assert not reading.settled or set(got) == there


def test_rows_that_come_before_the_count_are_looked_for_and_nothing_is_read_twice(
    store: PartStore,
) -> None:
    """A row between the look at what changed and the count costs one more of both, up to four times in a row."""
    asked = []
    for coming in range(5):
        client = FakeClient({"time_entries": entries(list(range(2000)))}, page_rows=100)
        left = list(range(coming))

        def come(_number: int, client: FakeClient = client, left: list[int] = left) -> None:
            if client.asked[-1][1].get("per_page") == "1" and left:
                row = {"id": 5000 + left.pop(), "spent_date": str(FIRST), "updated_at": NEW}
                client.tables["time_entries"].append(row)

        client.before = come
        reading = read_list(replace(asking(client, store), kept_hours=range(0)))
        assert ids(reading) == [*range(2000), *range(5000, 5000 + coming)]
        assert reading.settled
        asked.append(len(client.asked))
    assert asked == [asked[0] + 2 * coming for coming in range(5)]


@given(days=DAYS, seed=st.integers(0, 2**32), page_rows=st.integers(1, 5))
@ANY
def test_every_row_comes_once_however_harvest_sorts(
    store: PartStore, days: list[int], seed: int, page_rows: int
) -> None:
    """Not the newest day first, as it does, but the oldest, or in no order."""
    rows = entries([*days])[::-1]
    if seed % 2:
        random.Random(seed).shuffle(rows)  # noqa: S311 - no secret
    client = FakeClient({"time_entries": rows}, page_rows)
    reading = read_list(replace(asking(client, store), kept_hours=range(0)))
    assert ids(reading) == list(range(len(days)))
    assert reading.settled


@pytest.mark.long
@pytest.mark.parametrize(
    ("days", "most"),
    [
        ([day for day in range(1000) if day % 7 < 5 for _ in range(14)], 1.25),  # as people work
        ([day for day in range(2000) for _ in range(1 + day // 200)], 1.3),  # a growing firm
        ([day for day in range(2000) for _ in range(1 + (2000 - day) // 200)], 1.3),  # a shrinking one
        ([*[2500] * 700, *range(2000)], 1.3),  # an import on one day
        # days of more than a page, of more and more rows
        pytest.param([day for day in range(350) if day % 7 < 5 for _ in range(250)], 1.15, marks=pytest.mark.long),
        pytest.param([day for day in range(350) if day % 7 < 5 for _ in range(1 + day)], 1.3, marks=pytest.mark.long),
        ([*[2999] * 700, *[day for day in range(2000) for _ in range(10)]], 1.3),  # an import today
        ([*[day for day in range(64) for _ in range(250)], *[31] * 3000], 1.3),  # one day of many more
        ([day for day in range(10) for _ in range(250)], 1.7),  # few dense days: each has a page that is half empty
        ([None] * 450, 2.1),  # no day at all: nothing to cut by
        ([*range(100), *[day for day in range(2900, 3000) for _ in range(50)]], 1.3),  # a gap of years
    ],
)  # fmt: skip
def test_few_more_requests_than_pages(
    store: PartStore, days: list[int | None], most: float
) -> None:
    """Of pages of a hundred: each asked once, windows not quite full, and a count at the end."""
    client = FakeClient({"time_entries": entries(list(days))}, page_rows=100)
    reading = read_list(asking(client, store))
    assert ids(reading) == list(range(len(days)))
    assert len(client.asked) <= most * ceil(len(days) / 100) + 8


def test_requests_that_are_known_to_come_are_told(tmp_path: Path) -> None:
    """Of windows that are not quite full; after a kill those of the rest alone."""
    days = list(range(5000))
    told: list[int] = []
    sent: list[int] = []
    for after in (45, 1000):
        client = FakeClient({"time_entries": entries(list(days))}, page_rows=100)
        told.clear()

        def kill(number: int, after: int = after) -> None:
            if number > after:
                raise KeyboardInterrupt

        client.before = kill
        store = PartStore(tmp_path)
        with suppress(KeyboardInterrupt):
            read_list(replace(asking(client, store), on_planned=told.append))
        store.close()
        assert told[0] == 49, "as if it were read by pages"
        assert told[-1] == 0
        sent.append(told[1])
    assert sent[0] == ceil(4900 / 90)
    assert sent[1] < sent[0]
    assert abs(len(client.asked) - sent[1]) <= 8


@pytest.mark.long
def test_kept_windows_are_not_asked_again(tmp_path: Path) -> None:
    """A run that is interrupted after any number of requests: the next asks for the rest, and for what changed since."""
    days = list(range(1500))
    whole = FakeClient({"time_entries": entries(list(days))}, page_rows=100)
    store = PartStore(tmp_path / "whole")
    read_list(asking(whole, store))
    store.close()
    for after in range(1, len(whole.asked) - 1):
        folder = tmp_path / str(after)
        client = FakeClient({"time_entries": entries(list(days))}, page_rows=100)

        def kill(number: int, after: int = after) -> None:
            if number > after:
                raise KeyboardInterrupt

        client.before = kill
        store = PartStore(folder)
        with pytest.raises(KeyboardInterrupt):
            read_list(asking(client, store))
        kept = asking(client, store).kept_windows()
        store.close()
        again = FakeClient({"time_entries": entries(list(days))}, page_rows=100)
        again.tables["time_entries"][-1] |= {"updated_at": NEW, "hours": 7}
        store = PartStore(folder)
        reading = read_list(asking(again, store))
        assert ids(reading) == days
        rows = {row["id"]: row for _, page in reading.iter_pages() for row in rows_in(page)}
        assert rows[0]["hours"] == 7
        assert len(again.asked) <= len(whole.asked) - len(kept) + 6
        store.close()
    assert kept


def test_rows_that_went_between_a_kill_and_the_next_run_are_known_as_unsettled(
    tmp_path: Path,
) -> None:
    """Nobody knows which they are: the comparison after the load finds them."""
    client = FakeClient({"time_entries": entries(list(range(900)))}, page_rows=100)
    store = PartStore(tmp_path)
    client.fail = lambda _path, params: (
        UnavailableError("no") if "from" not in params and client.asked[1:] else None
    )
    with pytest.raises(UnavailableError):
        read_list(asking(client, store))
    client.fail = lambda _path, _params: None
    del client.tables["time_entries"][0]
    reading = read_list(asking(client, store))
    assert not reading.settled
    assert set(ids(reading)) >= {row["id"] for row in client.tables["time_entries"]}
    # of another choice, or of a full refresh, nothing that was kept counts
    for other in (
        asking(client, store).having(updated_since=OLD),
        replace(asking(client, store), kept_hours=range(0)),
    ):
        assert other.kept_windows() == {}
        assert read_list(other).settled
    store.close()


def test_windows_of_a_reading_that_is_no_first_load_do_not_outlive_the_run(tmp_path: Path) -> None:
    """A comparison reads a list for itself, and leaves what the run read."""
    client = FakeClient({"time_entries": entries(list(range(900)))}, page_rows=100)
    store = PartStore(tmp_path)
    query = replace(asking(client, store), kept_hours=None)
    read_list(query)
    assert asking(client, store).kept_windows() == {}
    first = read_list(asking(client, store))
    read_list(query)
    assert asking(client, store).kept_windows()
    store.release(query.pair)
    assert asking(client, store).kept_windows() == {}
    assert ids(first) == list(range(900))
    store.close()


SPANS = st.lists(st.integers(0, 40), min_size=2, max_size=8, unique=True).map(sorted)


@given(SPANS, st.booleans(), st.booleans())
@settings(max_examples=200)
def test_gaps_between_windows(spans: list[int], first: bool, last: bool) -> None:  # noqa: FBT001 - given
    """Together they are all days, none twice; a window tells itself as text."""
    days = [FIRST + timedelta(days=each) for each in spans]
    windows = [Window(start, end) for start, end in zip(days[::2], days[1::2], strict=False)]
    if first:
        windows[0] = replace(windows[0], start=None)
    if last:
        windows[-1] = replace(windows[-1], end=None)
    gaps = between(windows[::-1])
    for day in (FIRST + timedelta(days=each) for each in range(-2, 50)):
        assert sum(each.holds(day) for each in (*windows, *gaps)) == 1
    assert all(each.holds_days for each in gaps)
    assert [Window.parse(str(each)) for each in windows] == windows
    assert between([]) == [Window()]
