"""A list is read whole, whatever shifts, is slow or too large meanwhile: each way on a Harvest in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from fake_client import NOON, FakeClient, Row

from harvest_source.api.answers import Answer
from harvest_source.api.client import HarvestClient
from harvest_source.catalogue.lookup import by_name
from harvest_source.catalogue.report import AccountReport
from harvest_source.errors import RefusedError, TooLargeError, TooSlowError, UnavailableError
from harvest_source.instants import format_instant
from harvest_source.reading import by_windows, windows
from harvest_source.reading.by_windows import add_windows
from harvest_source.reading.fetch import Fetcher
from harvest_source.reading.lists import read_list
from harvest_source.reading.parts import Part, PartStore
from harvest_source.reading.query import ListQuery, list_params
from harvest_source.reading.reading import Draft, Reading
from harvest_source.reading.windows import Window
from harvest_source.resources import rows_in

FIRST = date(2026, 3, 1)
SLOW, LARGE = TooSlowError("slow", 504), TooLargeError("large")
LARGE.by_smaller = True


@pytest.fixture
def store() -> Iterator[PartStore]:
    """Gives a store that goes with the test."""
    store = PartStore()
    yield store
    store.close()


def entries(count: int, per_day: int = 1) -> list[Row]:
    """Returns time entries, the newest day first, as Harvest sorts them."""
    days = [FIRST + timedelta(days=number // per_day) for number in range(count)]
    rows = [
        {"id": number, "spent_date": str(day), "updated_at": "2026-06-01T00:00:00Z"}
        for number, day in enumerate(days)
    ]
    return rows[::-1]


def asking(
    client: FakeClient, store: PartStore, name: str = "time_entries", **params: str
) -> ListQuery:
    """Returns a list as it is asked for."""
    return ListQuery(cast("HarvestClient", client), store, by_name(name), 7, None, params)


def ids(reading: Reading) -> list[int]:
    """Returns the ids of the records that are loaded, as often as they are."""
    return sorted(record["id"] for _, page in reading.iter_pages() for record in rows_in(page))


def test_list_is_read_page_by_page(store: PartStore) -> None:
    """With its filters; the company is one answer."""
    client = FakeClient({"time_entries": entries(9), "clients": [{"id": 1}]}, page_rows=4)
    client.tables["time_entries"][0]["updated_at"] = "2026-05-01T00:00:00Z"
    reading = read_list(asking(client, store, updated_since="2026-06-01T00:00:00Z"))
    assert ids(reading) == list(range(8))
    assert reading.seconds > 0
    assert client.paths == ["time_entries"] * 3, "two pages, and a look at what changed meanwhile"
    assert ids(read_list(asking(client, store, "clients"))) == [1]
    client.rows["company"] = {"name": "Ours"}
    assert [each for _, each in read_list(asking(client, store, "company")).iter_pages()] == [
        [{"name": "Ours"}]
    ]


@pytest.mark.parametrize(
    ("name", "since", "start_date", "params"),
    [
        ("clients", None, None, {}), ("clients", NOON, None, {"updated_since": "2026-07-01T12:00:00Z"}),
        ("clients", None, NOON, {}), ("roles", NOON, NOON, {}),
        ("invoices", None, NOON, {"updated_since": "2026-07-01T12:00:00Z"}),
        ("invoices", datetime(2026, 8, 1, tzinfo=UTC), NOON, {"updated_since": "2026-08-01T00:00:00Z"}),
    ],
)  # fmt: skip
def test_filters_of_a_list(
    name: str, since: datetime | None, start_date: datetime | None, params: dict[str, str]
) -> None:
    """The later of the two instants, where the list takes one, and where `start_date` holds."""
    assert list_params(by_name(name), since, start_date) == params


def test_harvests_own_count_of_a_list(store: PartStore) -> None:
    """Of all, or of a window; none where Harvest gives none."""
    client = FakeClient({"time_entries": entries(9)})
    query = asking(client, store)
    assert (query.total(), query.within(Window(FIRST, FIRST + timedelta(days=3))).total()) == (9, 4)
    client.counts = False
    assert query.total() is None


def go(client: FakeClient) -> None:
    """Deletes a row that was read: an unread one slips onto the page already read."""
    del client.tables["time_entries"][0]


def come(client: FakeClient) -> None:
    """Inserts a row in front: one comes twice."""
    client.tables["time_entries"].insert(
        0, {"id": 99, "spent_date": "2026-12-01", "updated_at": "2026-06-02T00:00:00Z"}
    )


def go_and_come(client: FakeClient) -> None:
    """The count stays as it was; the row that came is as new as the server's clock."""
    go(client)
    client.tables["time_entries"].append(
        {"id": 99, "spent_date": "2020-12-01", "updated_at": "2026-07-01T12:00:00Z"}
    )


def lose_its_day(client: FakeClient) -> None:
    """Has a row that was read lose its date: it is in no window."""
    row = client.tables["time_entries"].pop(0)
    client.tables["time_entries"].append(
        {**row, "spent_date": None, "updated_at": "2026-07-01T12:00:00Z"}
    )


def swap(client: FakeClient) -> None:
    """Puts a new row in the place of one that was read, on a page that is not read again."""
    client.tables["time_entries"][1] = {
        "id": 99, "spent_date": client.tables["time_entries"][1]["spent_date"], "updated_at": "2026-07-01T12:00:05Z"
    }  # fmt: skip


@pytest.mark.parametrize("change", [go, come, go_and_come, lose_its_day, swap])
@pytest.mark.parametrize("counts", [True, False])
def test_list_that_shifts_is_read_anew_by_windows(
    store: PartStore,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[FakeClient], None],
    *,
    counts: bool,
) -> None:
    """Each window in one moment; without Harvest's count only some shifts can be seen, and no rest is looked for."""
    monkeypatch.setattr(windows, "WINDOW_ROWS", 3)
    client = FakeClient({"time_entries": entries(10)}, page_rows=4)
    client.counts = counts
    client.before = lambda number: change(client) if number == 2 else None
    reading = read_list(asking(client, store))
    there = sorted(row["id"] for row in client.tables["time_entries"])
    if counts:
        assert set(there) <= set(ids(reading)) <= {*there, 9}
        assert reading.settled == (ids(reading) == there)
        assert any("from" in params for _, params in client.asked)
    else:
        assert set(ids(reading)) <= {*there, 9}
    assert reading.newest is None or reading.newest <= NOON


def test_quiet_list_is_read_once(store: PartStore) -> None:
    """Neither one page nor a list paged by cursor is read anew, whatever its count says."""
    client = FakeClient(
        {"time_entries": entries(3), "clients": [{"id": number} for number in range(9)]},
        page_rows=4,
    )
    client.before = lambda _number: None
    read_list(asking(client, store))
    read_list(asking(client, store, "clients"))
    assert len(client.asked) == 1 + 3


@pytest.mark.parametrize(
    ("ids", "changed_at", "totals", "shifted"),
    [
        ([1, 2], None, {2}, False), ([1, 2], None, {None}, False), ([1, 2], None, {3}, True), ([1, 2], None, {2, 3}, True),
        ([1, 2, 1], None, {2}, True), ([1, 2], NOON, {2}, True), ([1, 2], NOON - timedelta(seconds=1), {2}, False),
    ],
)  # fmt: skip
def test_signs_that_a_row_may_have_slipped(
    store: PartStore,
    ids: list[int],
    changed_at: datetime | None,
    totals: set[int | None],
    *,
    shifted: bool,
) -> None:
    """The count changed or is not met, a row came twice, or one changed meanwhile."""
    draft = Draft(store, by_name("invoices"), 7)
    updated_at = changed_at and format_instant(changed_at)
    data = {"invoices": [{"id": each, "updated_at": updated_at} for each in ids]}
    draft.add(Answer(json.dumps(data).encode(), data, NOON))
    assert draft.may_have_shifted(totals) is shifted


def test_list_that_changes_faster_than_it_is_read(
    store: PartStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows without a date come and go with every request: the next run tries again."""
    monkeypatch.setattr(windows, "WINDOW_ROWS", 3)
    client = FakeClient({"time_entries": entries(10)}, page_rows=4)

    client.before = lambda number: client.tables["time_entries"].append(
        {"id": 1000 + number, "spent_date": None}
    )
    with pytest.raises(UnavailableError, match="time_entries changes faster than it can be read"):
        read_list(asking(client, store))


def test_one_day_that_fits_into_no_answer_is_read_by_pages_until_its_count_agrees(
    store: PartStore,
) -> None:
    """A row goes while it is read the first time."""
    client = FakeClient({"time_entries": entries(30, per_day=30)}, page_rows=4)
    client.before = lambda number: go(client) if number == 3 else None
    reading = add_windows(asking(client, store), [Window(FIRST, FIRST)]).finish()
    assert set(range(29)) <= set(ids(reading))
    assert len(client.asked) == 1 + 2 * 8


def test_one_day_that_never_agrees_with_its_count(store: PartStore) -> None:
    """With each request comes a row of that day, in front."""
    client = FakeClient({"time_entries": entries(10, per_day=10)}, page_rows=4)
    client.before = lambda number: client.tables["time_entries"].insert(
        0, {"id": 99 + number, "spent_date": str(FIRST)}
    )
    with pytest.raises(UnavailableError, match="changes faster"):
        add_windows(asking(client, store), [Window(FIRST, FIRST)])


def test_windows_that_never_fit_end(store: PartStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_windows, "MOST_WINDOWS", 3)
    client = FakeClient({"time_entries": entries(100)}, page_rows=2)
    with pytest.raises(
        RefusedError, match="cannot be read by windows of its date: 3 were not enough"
    ):
        add_windows(asking(client, store), [Window()])


def test_some_windows_of_a_list(store: PartStore) -> None:
    """What the comparison reads again: the rows of these days, each once, cut where a window fits into no answer."""
    client = FakeClient({"time_entries": entries(60, per_day=2)}, page_rows=10)
    days = [Window(FIRST, FIRST), Window(FIRST + timedelta(days=10), FIRST + timedelta(days=19))]
    assert ids(add_windows(asking(client, store), days).finish()) == [0, 1, *range(20, 40)]


def test_windows_asked_for_at_once_make_up_a_list_and_outlive_the_run(tmp_path: Path) -> None:
    """A list as parts that are known ahead: another plan, the same store, fetcher and reading."""
    client = FakeClient({"time_entries": entries(60, per_day=2)}, page_rows=10)
    report, pair = by_name("time_entries"), AccountReport(7, "time_entries")
    starts = [FIRST + timedelta(days=days) for days in range(0, 30, 6)]
    windows = [Window(start, start + timedelta(days=5)) for start in starts]
    parts = [
        Part(
            pair,
            f"{each.start}..{each.end}",
            report.path,
            tuple(each.params().items()),
            "all",
            outlives_run=True,
        )
        for each in windows
    ]
    for asked in (parts[:2], parts[2:]):  # killed in between
        store = PartStore(tmp_path)
        waiting = [part for part in parts if part.key not in store.kept(pair, range(10**9))]
        assert set(asked) <= set(waiting)
        fetcher = Fetcher(cast("HarvestClient", client), store)
        fetcher.run(
            [partial(fetcher.fetch, part, report) for part in asked], lambda _read_hour: None
        )
    draft = Draft(store, report, 7, started=NOON)
    for part in parts:
        draft.take(part)
    assert ids(draft.finish()) == list(range(60))
    assert len(client.asked) == 5 * 2  # each window comes in two pages
    store.close()


# lists that are not answered in time, or too large


def days_of(params: dict[str, str]) -> int:
    """Returns how many days a request is about."""
    if "from" not in params:
        return 10**6
    return (
        date.fromisoformat(params.get("to", "2026-03-15")) - date.fromisoformat(params["from"])
    ).days + 1


def only(days: int, per_page: int = 2000) -> Callable[[str, dict[str, str]], Any]:
    """Has a list answer no request for more days and larger pages; counts are answered."""

    def fail(_path: str, params: dict[str, str]) -> Any:
        size = int(params.get("per_page", "2000"))
        return None if size == 1 or (days_of(params) <= days and size <= per_page) else SLOW

    return fail


@pytest.mark.parametrize(("days", "per_page"), [(40, 2000), (7, 2000), (1, 500)])
def test_slow_list_is_read_by_windows_from_the_newest_day_back(
    store: PartStore, days: int, per_page: int
) -> None:
    """Halved until they are answered, at last by small pages; the next reading asks for smaller parts at once."""
    rows = [*entries(30, per_day=2), {"id": 99, "spent_date": "2025-12-01"}]
    client = FakeClient({"time_entries": rows}, page_rows=1000)
    client.fail = only(days, per_page)
    for _ in range(2):
        assert ids(read_list(asking(client, store))) == [*range(30), 99]
    assert client.told_slow == ["time_entries"]
    whole = [
        params for _, params in client.asked if "from" not in params and "per_page" not in params
    ]
    assert len(whole) == 1


def fall_silent(client: FakeClient) -> None:
    """Has counts be slow, too."""
    answered = client.fail
    client.fail = lambda path, params: (
        SLOW if params.get("per_page") == "1" else answered(path, params)
    )


def slow_list(change: Callable[[FakeClient], None] | None) -> FakeClient:
    """Returns a Harvest whose list is answered for 20 days at most; it changes once the first window is read."""
    client = FakeClient({"time_entries": entries(30)}, page_rows=1000)
    client.fail = only(20)
    changes = [change] if change else []

    def before(_number: int) -> None:
        _, params = client.asked[-1]
        # the first window has an open end
        if changes and params.get("to", "9") <= str(FIRST + timedelta(days=29)):
            changes.pop()(client)

    client.before = before
    return client


@pytest.mark.parametrize("change", [None, go, fall_silent])
def test_slow_list_is_settled_where_harvest_counts_as_many_rows_at_the_end(
    store: PartStore, change: Callable[[FakeClient], None] | None
) -> None:
    """A row that went meanwhile was in a window; a count that does not come throws nothing away."""
    client = slow_list(change)
    reading = read_list(asking(client, store))
    assert ids(reading) == list(range(30))
    assert reading.settled == (change is None)
    assert sum("500" in params.values() for _, params in client.asked) == 0, "nothing is read twice"


def come_now(client: FakeClient) -> None:
    """Inserts a row in front that is as new as the server's clock."""
    come(client)
    client.tables["time_entries"][0]["updated_at"] = format_instant(NOON)


def test_slow_list_has_what_came_meanwhile(store: PartStore) -> None:
    """It is in no window that is read any more: what changed since the reading began is asked for."""
    client = slow_list(come_now)
    answered = client.fail
    client.fail = lambda path, params: None if "updated_since" in params else answered(path, params)
    reading = read_list(asking(client, store))
    assert ids(reading) == [*range(30), 99]
    assert reading.settled
    assert sum("500" in params.values() for _, params in client.asked) == 0, "nothing is read twice"


def test_slow_list_that_stays_short_of_harvests_count_is_an_error(store: PartStore) -> None:
    """Never a list with less: the bookmark would move past rows that nobody read."""
    client = slow_list(None)
    answered = client.fail
    client.fail = lambda path, params: (
        None if {"updated_since", "per_page"} & params.keys() else answered(path, params)
    )

    def before(number: int) -> None:
        _, params = client.asked[-1]
        if params.get("per_page") == "1":  # with each count comes a row that looks old
            come(client)
            client.tables["time_entries"][0]["id"] = 1000 + number

    client.before = before
    with pytest.raises(UnavailableError, match="time_entries changes faster than it can be read"):
        read_list(asking(client, store))
    client.fail = answered
    with pytest.raises(TooSlowError):
        read_list(asking(client, store))


def test_slow_list_with_rows_that_have_no_day(store: PartStore) -> None:
    """They are in no window: the rest comes by small pages, where these are answered."""
    client = FakeClient(
        {"invoices": [{"id": 1, "issue_date": "2026-03-01"}, {"id": 2, "issue_date": None}]}
    )
    client.fail = lambda _path, params: (
        SLOW if "per_page" not in params and "from" not in params else None
    )
    assert ids(read_list(asking(client, store, "invoices"))) == [1, 2]
    client.counts = False
    assert ids(read_list(asking(client, store, "invoices"))) == [1]


@pytest.mark.parametrize("name", ["clients", "time_entries"])
def test_slow_list_that_windows_do_not_help_is_read_by_small_pages(
    store: PartStore, name: str
) -> None:
    client = FakeClient({"clients": [{"id": 1}], "time_entries": entries(1)})
    client.fail = lambda _path, params: (
        None if params.get("per_page") == "500" and "from" not in params else SLOW
    )
    assert len(ids(read_list(asking(client, store, name)))) == 1
    assert client.slow_lists == {(7, name)}


def test_slow_list_of_one_account_does_not_slow_down_another(store: PartStore) -> None:
    """The one is read in smaller parts from then on, the other as ever."""
    client = FakeClient({"clients": [{"id": 1}]})
    client.fail = lambda _path, params: None if params.get("per_page") == "500" else SLOW
    slow = asking(client, store, "clients")
    read_list(slow)
    client.fail = lambda _path, _params: None
    for query, sizes in ((slow, {"500"}), (replace(slow, account_id=8), {None})):
        client.asked.clear()
        read_list(query)
        assert {params.get("per_page") for _, params in client.asked} == sizes


def test_what_is_slow_in_every_part_is_an_error(store: PartStore) -> None:
    """Neither the company nor a list whose small pages are slow, too."""
    client = FakeClient({"clients": []})
    client.fail = lambda _path, _params: SLOW
    for name in ("company", "clients", "clients"):
        with pytest.raises(TooSlowError):
            read_list(asking(client, store, name))
    assert client.told_slow == ["clients"]


def test_list_whose_later_page_is_too_large_is_read_anew_at_a_quarter(store: PartStore) -> None:
    """Where that may help; no row is there twice."""
    client = FakeClient({"clients": [{"id": number} for number in range(6)]}, page_rows=3)
    client.fail = lambda _path, params: (
        LARGE if "first" in params and "per_page" not in params else None
    )
    assert ids(read_list(asking(client, store, "clients"))) == list(range(6))
    client.fail = lambda _path, _params: TooLargeError("large")
    with pytest.raises(TooLargeError):
        read_list(asking(client, store, "clients"))
