"""What is learned of records while they are read, and how a complete reading gives them back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from harvest_source.api.answers import Answer
from harvest_source.catalogue.lookup import by_name
from harvest_source.catalogue.report import AccountReport
from harvest_source.errors import RefusedError
from harvest_source.reading import reading as readings
from harvest_source.reading.parts import Part, PartStore
from harvest_source.reading.reading import Draft, Reading, record_key, versions_of
from harvest_source.resources import rows_in

ENTRIES = by_name("time_entries")
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.fixture
def store() -> Iterator[PartStore]:
    """Gives a store that goes with the test."""
    store = PartStore()
    yield store
    store.close()


def entry(row_id: Any, clock: str | None = "09:00:00", **others: Any) -> dict[str, Any]:
    """Returns a time entry, changed on the first of July."""
    return {"id": row_id, "updated_at": clock and f"2026-07-01T{clock}Z", **others}


def answer(
    *rows: dict[str, Any], server_time: datetime | None = NOON, key: str = "time_entries"
) -> Answer:
    """Returns a page of a list."""
    data = {key: list(rows)}
    return Answer(json.dumps(data).encode(), data, server_time)


def read(store: PartStore, *answers: Answer) -> Reading:
    """Returns a reading of time entries."""
    draft = Draft(store, ENTRIES, 7)
    for each in answers:
        draft.add(each)
    return draft.finish(2.5)


def rows_of(reading: Reading) -> list[tuple[Any, ...]]:
    """Returns id and hours of the records as they are loaded."""
    return [
        (record["id"], record.get("hours"))
        for _, page in reading.iter_pages()
        for record in rows_in(page)
    ]


@pytest.mark.parametrize(
    "value",
    [None, "abc", "", 1.5, float("nan"), float("inf"), 2**63, -(2**70), True, [], {"id": 1}],
)
def test_what_is_no_id_is_no_key(value: Any) -> None:
    with pytest.raises(RefusedError, match=r"clients without its key \(id\)"):
        record_key(by_name("clients"), {"id": value}, None)


@pytest.mark.parametrize("value", [7, "7", 7.0])
def test_key_is_a_whole_number_however_it_is_written(value: Any) -> None:
    assert record_key(by_name("teammates"), {"id": value}, 3) == (3, 7)


def test_reading_gives_back_exact_numbers_and_clean_texts(store: PartStore) -> None:
    """Each answer in its order; what is learned meanwhile stands beside it."""
    reading = read(
        store,
        answer(entry(1, hours=0.1), entry(2, "11:00:00", notes="a\0b")),
        answer(entry(3, None)),
    )
    pages = [rows_in(page) for _, page in reading.iter_pages()]
    assert [[record["id"] for record in records] for records in pages] == [[1, 2], [3]]
    assert pages[0][0]["hours"] == Decimal("0.1")
    assert pages[0][1]["notes"] == "a\N{REPLACEMENT CHARACTER}b"
    assert [record["id"] for record in reading.iter_light()] == [1, 2, 3]
    assert (reading.pair, reading.rows, reading.keys) == (
        AccountReport(7, "time_entries"),
        3,
        {(1,), (2,), (3,)},
    )
    assert (reading.since, reading.started, reading.seconds, reading.repeated) == (
        None,
        NOON,
        2.5,
        {},
    )


# change time, server's clock: newest
NEWEST: dict[str, tuple[str | None, datetime | None, datetime | None]] = {
    "before it began": ("2026-07-01T11:00:00Z", NOON, datetime(2026, 7, 1, 11, tzinfo=UTC)),
    "meanwhile": ("2026-07-01T12:30:00Z", NOON, NOON),
    "the server tells no time": (
        "2026-07-01T12:30:00Z",
        None,
        datetime(2026, 7, 1, 12, 30, tzinfo=UTC),
    ),
    "no change time": (None, NOON, None),
    "before there was a Harvest": ("1969-12-31T23:59:59Z", NOON, None),
    "not to be read": ("soon", NOON, None),
}


@pytest.mark.parametrize(("updated_at", "started", "newest"), NEWEST.values(), ids=NEWEST)
def test_bookmark_does_not_pass_the_moment_the_reading_began(
    store: PartStore, updated_at: str | None, started: datetime | None, newest: datetime | None
) -> None:
    rows = ({"id": 1, "updated_at": updated_at}, {"id": 2, "updated_at": None})
    assert read(store, answer(*rows, server_time=started)).newest == newest


def test_reading_that_began_before_its_first_answer(store: PartStore) -> None:
    """One that reads anew what shifted: the bookmark stays before the first try."""
    draft = Draft(store, ENTRIES, 7, started=datetime(2026, 7, 1, 8, tzinfo=UTC))
    draft.add(answer(entry(1)))
    assert draft.finish().newest == draft.started == datetime(2026, 7, 1, 8, tzinfo=UTC)


# change time and hours of an entry that comes so often
TWICE: dict[str, tuple[tuple[str, str], ...]] = {
    "newer last": (("09:00:00", "1.5"), ("10:00:00", "2.5")),
    "newer first": (("10:00:00", "2.5"), ("09:00:00", "1.5")),
    "equally new": (("10:00:00", "2.5"), ("10:00:00", "1.5")),
    "newest in between": (("09:00:00", "1.5"), ("10:00:00", "2.5"), ("08:00:00", "3.5")),
}


@pytest.mark.parametrize("versions", TWICE.values(), ids=TWICE)
def test_record_that_comes_twice_is_given_once_and_newest(
    store: PartStore, versions: tuple[tuple[str, str], ...]
) -> None:
    """Of equal change times the one in front."""
    reading = read(
        store, *(answer(entry(1, clock, hours=float(hours)), entry(2)) for clock, hours in versions)
    )
    assert sorted(rows_of(reading)) == [(1, Decimal("2.5")), (2, None)]
    assert reading.repeated.keys() == {(1,), (2,)}
    assert reading.rows == 2 * len(versions)
    assert versions_of(reading)[1,] == datetime(2026, 7, 1, 10, tzinfo=UTC)


def test_record_without_a_readable_change_time_comes_once(store: PartStore) -> None:
    """Whatever stands there: none of them is lost."""
    odd: list[Any] = [None, "a\0b", 5, ["x"]]
    page = answer(*({"id": number, "updated_at": each} for number, each in enumerate(odd)))
    reading = read(store, page, page)
    assert sorted(row_id for row_id, _ in rows_of(reading)) == [0, 1, 2, 3]
    assert versions_of(reading) == {(number,): None for number in range(4)}


def test_what_is_read_beside_a_list_stands_in_front_of_it(store: PartStore) -> None:
    """A timer that runs: of equal change times it counts, it moves no bookmark, and the earlier reading stays as it is."""
    earlier = read(
        store,
        answer(entry(1, hours=1.5), entry(2, "10:00:00", hours=1.5)),
        answer(entry(2, "10:00:00", hours=2)),
    )
    draft = Draft(store, ENTRIES, 7)
    draft.add(answer(entry(1, hours=7.5), entry(2, hours=7.5), entry(3, "11:30:00", hours=7.5)))
    reading = draft.finish_in_front_of(earlier)
    assert sorted(rows_of(reading)) == [
        (1, Decimal("7.5")),
        (2, Decimal("1.5")),
        (3, Decimal("7.5")),
    ]
    assert (reading.newest, reading.started, reading.rows) == (earlier.newest, NOON, 6)
    assert reading.keys == {(1,), (2,), (3,)}
    assert sorted(rows_of(earlier)) == [(1, Decimal("1.5")), (2, Decimal("1.5"))]


def test_children_know_their_parent(store: PartStore) -> None:
    """The key of a teammate holds the manager's id, which the answer does not repeat."""
    report = by_name("teammates")
    draft = Draft(store, report, 7)
    for parent in (5, 6):
        part = Part(AccountReport(7, "teammates"), f"users {parent}", parent_id=parent)
        store.keep(part, b'[{"teammates": [{"id": 1}]}, {"teammates": [{"id": 2}]}]')
        draft.take(part)
    reading = draft.finish()
    assert reading.keys == {(5, 1), (5, 2), (6, 1), (6, 2)}
    assert [
        (parent, [record["id"] for record in records]) for parent, records in reading.iter_pages()
    ] == [
        (5, [1, 2]),
        (6, [1, 2]),
    ]


def test_answers_without_records_are_not_kept(store: PartStore) -> None:
    reading = read(store, answer(), answer(entry(1)), answer())
    assert len(reading.parts) == 1
    assert reading.started == NOON


def test_company_is_one_record(store: PartStore) -> None:
    """Its answer is the row itself."""
    draft = Draft(store, by_name("company"), 7)
    draft.add(Answer(b'{"name": "Ours"}', {"name": "Ours"}, None))
    assert [records for _, records in draft.finish().iter_pages()] == [[{"name": "Ours"}]]


def test_what_a_reading_keeps_is_bounded(store: PartStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """All its answers together, so that pages which do not end do not fill the disk."""
    monkeypatch.setattr(readings, "MOST_BYTES_OF_A_READING", 150)
    with pytest.raises(RefusedError, match="the pages of time_entries are larger than"):
        read(store, *(answer(entry(number)) for number in range(5)))
