"""Answers of flat lists become tables at once, or go record by record: both ways give the same rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_source.api.answers import read_answer
from harvest_source.catalogue.columns.types import Kind
from harvest_source.catalogue.lookup import by_name
from harvest_source.reading.flat import Packed, light_records, pack, unpack
from harvest_source.reading.ids import IdKeys
from harvest_source.reading.parts import PartStore
from harvest_source.reading.reading import Draft, Reading
from harvest_source.reading.shape import Notes, Shaper
from harvest_source.resources import iter_batches, iter_items, rows_in

ENTRIES, EXPENSES = by_name("time_entries"), by_name("expenses")
FLAT = (ENTRIES, EXPENSES)
EXAMPLES = Path(__file__).parents[1] / "examples"
ENTRY: dict[str, Any] = json.loads((EXAMPLES / "time_entries.json").read_bytes())


@pytest.fixture(scope="module")
def store() -> Iterator[PartStore]:
    """Gives a store that goes with the module."""
    store = PartStore()
    yield store
    store.close()


def body_of(*entries: str) -> bytes:
    """Returns an answer of time entries, each given as JSON."""
    return b'{"time_entries":[' + ",".join(entries).encode() + b"]}"


def read(store: PartStore, *bodies: bytes, short: bool = True) -> Reading:
    """Returns the reading of some answers, as tables where that is possible."""
    draft = Draft(store, ENTRIES, 7)
    for body in bodies:
        draft.add(read_answer(body, None, partial(pack, ENTRIES, 7) if short else None))
    return draft.finish()


def loaded(reading: Reading) -> tuple[list[dict[str, Any]], list[set[str]]]:
    """Returns the rows that dlt is given of a reading, without columns that hold nothing, and what a person is told."""
    notes = Notes()
    shaper = Shaper(ENTRIES, lambda _table: {}, notes)
    rows = [
        {name: value for name, value in row.items() if value is not None}
        for item, _ in iter_items(ENTRIES, shaper, iter_batches(shaper, reading))
        for row in rows_in(item)
    ]
    return rows, [notes.new_fields, notes.misfits, notes.rounded]


def record_by_record(
    store: PartStore, *bodies: bytes
) -> tuple[list[dict[str, Any]], list[set[str]]]:
    """Does the same as if no answer could become a table at once."""
    return loaded(read(store, *bodies, short=False))


def table_of(report: Any, body: bytes) -> Any:
    """Returns the table that is made of an answer at once."""
    packed = pack(report, 7, body)
    return None if packed is None else unpack(packed[1].body)


def is_table(*entries: str) -> bool:
    """Returns whether an answer becomes a table at once."""
    return table_of(ENTRIES, body_of(*entries)) is not None


@pytest.mark.parametrize("report", FLAT, ids=lambda report: report.name)
def test_every_field_of_an_answer_as_harvest_sends_it_goes_the_short_way(report: Any) -> None:
    """Else the short way would be there for nobody: no column of the example is empty without a reason."""
    row = (EXAMPLES / f"{report.name}.json").read_text(encoding="utf-8")
    body = f'{{"{report.rows_key}": [{row}]}}'.encode()
    table = table_of(report, body)
    assert table is not None
    assert table["account_id"].to_pylist() == [7]
    packed = Packed.of(report, table)
    assert unpack(packed.body) == table
    assert unpack(body) is None
    assert list(packed.ids) == table["id"].to_pylist()
    day = packed.days[0]
    assert day is not None
    assert (len(packed.since(report, day)), len(packed.since(report, day + timedelta(days=1)))) == (
        1,
        0,
    )


ODD = [
    ("hours", "0.1234567"), ("hours", "12345678901234567.5"), ("hours", "123456789012345.5"), ("hours", '"1_0"'),
    ("hours", '" 8"'), ("hours", '"\N{ARABIC-INDIC DIGIT EIGHT}"'), ("hours", '""'), ("hours", "NaN"),
    ("hours", "true"), ("hours", "1e300"), ("hours", "0.30000000000000004"),
    ("hours", "1e-45"), ("hours", "1e-10000000"), ("hours", '"0e-2147483647"'), ("hours", "1.5E-010"),
    ("spent_date", '"0000-01-01"'), ("updated_at", '"0000-01-01T00:00:00Z"'), ("created_at", '"0000-12-31T00:00:00Z"'),
    ("hours", "[]"), ("hours", "{}"), ("id", "7.0"), ("id", '"7"'),
    ("spent_date", '""'), ("spent_date", '"2026-02-30"'), ("spent_date", '"2026-2-3"'), ("spent_date", '"20260203"'),
    ("spent_date", '"2026-02-03T00:00:00Z"'), ("spent_date", "20260203"), ("updated_at", '""'),
    ("updated_at", '"2026-02-03"'), ("updated_at", '"2026-02-03T04:05:06"'), ("updated_at", '"2026-02-03T04:05:06+02:00"'),
    ("updated_at", '"2026-02-03T04:05:06.5Z"'), ("updated_at", '"2026-02-03T24:00:00Z"'), ("notes", "7"),
    ("notes", r'"a\u0000b"'), ("notes", r'"a\ud800b"'), ("notes", "[1.5]"), ("billable", "1"), ("billable", '"true"'),
    ("user", "5"), ("user", "[5]"), ("user", '{"id": 5.5}'), ("user", '{"id": true}'), ("account_id", "5"),
    ("deleted_at", "5"), ("_dlt_id", "5"), ("Hours", "5"), ("client__id", "5"), ("", "5"), ("new", "0.12345678901234567"),
    ("notes", r'"a\udc00b"'), ("new", r'"cut \ud83d"'), ("new", "NaN"),
    ("new", '{"a": -Infinity}'), ("new", "[" * 300 + "]" * 300),
]  # fmt: skip
PLAIN = [
    ("id", "9007199254740993"),
    ("hours", "8"), ("hours", "7.5"), ("hours", "-0.0"), ("hours", "123456.123456"), ("hours", "1e2"), ("hours", "null"),
    ("hours", "99999999999999.999999"), ("hours", '"8"'), ("hours", "1E+2"), ("hours", "0.1234560"),
    ("notes", '"12345678901234567"'), ("notes", r'"a\ud83d\ude00b"'), ("hours", "999999999.000001"), ("hours", "0.000001"),
    ("spent_date", "null"), ("user", "null"), ("user", "{}"),
    ("user", '{"id": 5, "name": null}'), ("notes", '"a\N{SNOWMAN}"'), ("notes", '""'), ("external_reference", "null"),
    ("new", "null"), ("new", "1.10"), ("new", "5"), ("new", '{"a": {"b": 1.5}, "c": null, "d": {}}'), ("new", '[1, {"a": 2.50}]'),
    ("new_id", "5"), ("rest", '"a"'), ("new", "true"), ("new", '"2026-01-01"'), ("user", '{"id": 5, "new": [1]}'),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "short"), [(*each, False) for each in ODD] + [(*each, True) for each in PLAIN]
)
def test_both_ways_give_the_same_rows(
    store: PartStore, name: str, value: str, *, short: bool
) -> None:
    """Beside a row as usual before and behind; what no table can be made of at once is known as such."""
    odd = json.dumps({**ENTRY, name: "\x1a"}).replace(r'"\u001a"', value)
    usual = json.dumps({**ENTRY, "id": 1}), json.dumps({**ENTRY, "id": 2})
    assert is_table(usual[0], odd, usual[1]) is short
    with_new = json.dumps({**ENTRY, "id": 4, "new": 2.5}), json.dumps({**ENTRY, "id": 5})
    odd = odd.replace(f'"id": {ENTRY["id"]}', '"id": 3')
    bodies = (
        body_of(*usual),
        body_of(odd),
        body_of(with_new[0], odd.replace('"id": 3', '"id": 6'), with_new[1]),
    )
    assert loaded(read(store, *bodies)) == record_by_record(store, *bodies)


@pytest.mark.parametrize(
    "body",
    [b"null", b"", b"{}", b"[]", b'{"time_entries": null}', b'{"time_entries": [null]}', b'{"time_entries": {}}',
     b'{"time_entries": [{}]}', b'{"time_entries": []} {}', b'{"time_entries": []} null', b' {"time_entries": []}',
     b'\xef\xbb\xbf{"time_entries": []}', b'{"time_entries": [', b'{"time_entries": [{"notes": "\xff", "id": 1}]}',
     b'{"time_entries": [{"id": 1, "id": 2}]}', b'{"time_entries": [], "time_entries": []}',
     b'{"time_entries": [], "links": 5}', b'{"time_entries": [], "links": {"next": "\xff"}}',
     b'{"time_entries": [' + b"{}," * 300_000 + b'{"id": 1}]}', b'{"time_entries": [], "total_entries": 5.5}',
     b'{"time_entries": [{"id": 1, "new": ' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}]}"],
)  # fmt: skip
def test_body_that_is_no_page_as_documented_is_no_table(body: bytes) -> None:
    """And ends no process, which Arrow's reader of JSON does where a body begins with `null`."""
    assert pack(ENTRIES, 7, body) is None


def test_what_a_page_holds_beside_its_rows_is_read_as_well() -> None:
    """Links and counts, and with a field that nobody documented, what is documented."""
    links = {"first": "a", "next": "b", "previous": None, "last": "c"}
    page = {
        "time_entries": [],
        "per_page": 2000,
        "total_entries": 5,
        "next_page": None,
        "links": links,
    }
    of_none = {"page": None, "total_pages": None, "previous_page": None}
    new = {"new": {"a": 1}, "links": {**links, "self": "https://elsewhere.example/"}}
    for body, more in (page, of_none), ({**page, **new}, new):
        data, packed = pack(ENTRIES, 7, json.dumps(body).encode()) or ({}, None)
        assert {**data, "time_entries": []} == {**page, **more}
        assert packed is not None
        assert len(packed) == 0


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=3),
    st.decimals(-(10**12), 10**12, places=3).map(float), st.dates().map(str),
    st.datetimes().map(lambda at: f"{at:%Y-%m-%dT%H:%M:%SZ}"), st.lists(st.integers(), max_size=2),
    st.dictionaries(st.sampled_from(["id", "name", "new", "B"]), st.integers(0, 9), max_size=2),
)  # fmt: skip
NAMES = st.sampled_from([*ENTRY, "new", "new_id", "new 2"]).filter(lambda name: name != "id")


@given(st.lists(st.dictionaries(NAMES, VALUES, max_size=4), max_size=4), st.integers(0, 4))
def test_both_ways_give_the_same_rows_of_any_values(
    changes: list[dict[str, Any]], first: int
) -> None:
    """In two answers, so that one may go this way and one the other."""
    store = PartStore()
    entries = [
        json.dumps({**ENTRY, **change, "id": number}) for number, change in enumerate(changes)
    ]
    bodies = body_of(*entries[:first]), body_of(*entries[first:])
    assert loaded(read(store, *bodies)) == record_by_record(store, *bodies)
    store.close()


@given(st.integers(1 - 10**15, 10**15 - 1), st.integers(0, 9))
def test_numbers_of_an_answer_are_exact_to_the_last_digit(digits: int, places: int) -> None:
    """Whatever is taken at once; what is not has more than six places, or more than 15 digits."""
    number = Decimal(digits).scaleb(-places)
    body = body_of(json.dumps({"id": 1}).replace("}", f', "hours": {number:f}}}'))
    table = table_of(ENTRIES, body)
    if table is None:
        assert number != round(number, 6) or abs(number) >= 10**14
    else:
        assert table["hours"].to_pylist() == [number]


def test_record_that_comes_twice_in_tables_is_given_once(store: PartStore) -> None:
    """The newest of them, in the order of the answers, whatever way each went."""
    old, new = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
    entries: list[dict[str, Any]] = [
        {"id": number, "updated_at": at, "hours": hours}
        for number, at, hours in [
            (1, old, 1), (1, new, 2), (2, new, 3), (2, new, 4), (3, new, "5"), (3, old, 6)
        ]
    ]  # fmt: skip
    bodies = [body_of(json.dumps(entry)) for entry in entries]
    reading = read(store, *bodies, body_of(*map(json.dumps, entries[:3])))
    assert [(row["id"], row["hours"]) for row in loaded(reading)[0]] == [(1, 2), (2, 3), (3, 5)]
    assert (len(reading.keys), reading.rows, reading.newest) == (
        3,
        9,
        datetime(2026, 1, 2, tzinfo=UTC),
    )
    assert reading.keys == {(1,), (2,), (3,)}


def test_rows_tell_their_key_day_and_change_as_harvest_writes_them() -> None:
    """As the records of an answer do."""
    body = body_of(
        '{"id": 1, "spent_date": "2026-01-31", "updated_at": "2026-02-03T04:05:06Z", "hours": 1}',
        '{"id": 2}',
    )
    assert list(light_records(ENTRIES, table_of(ENTRIES, body))) == [
        {"id": 1, "spent_date": "2026-01-31", "updated_at": "2026-02-03T04:05:06Z"},
        {"id": 2, "spent_date": None, "updated_at": None},
    ]


def test_too_many_fields_that_nobody_documented_are_no_table() -> None:
    """Their names are counted where each is looked at."""
    few, many = (
        {"id": 1, **{f"new{number}": 1 for number in range(count)}} for count in (100, 101)
    )
    assert is_table(json.dumps(few))
    assert not is_table(json.dumps(many))


def test_every_kind_of_column_becomes_the_type_of_the_table() -> None:
    """By the values of one row."""
    table = table_of(ENTRIES, body_of(json.dumps(ENTRY)))
    assert table is not None
    kinds = {column.name: column.kind for column in ENTRIES.columns}
    values = {
        kinds[name]: value
        for name, value in table.to_pylist()[0].items()
        if value is not None and name in kinds
    }
    assert {kind: type(value) for kind, value in values.items()} == {
        Kind.ID: int, Kind.DECIMAL: Decimal, Kind.TEXT: str, Kind.BOOL: bool, Kind.DATE: date, Kind.TIMESTAMP: datetime,
    }  # fmt: skip
    assert table.schema.field("hours").type == pa.decimal128(20, 6)


@given(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)))
def test_keys_of_many_rows_are_a_set_like_any_other(some: set[int], others: set[int]) -> None:
    """Beside sets of the same keys."""
    keys: AbstractSet[Any] = IdKeys(some)
    same: AbstractSet[Any] = {(each,) for each in some}
    other: AbstractSet[Any] = {(each,) for each in others}
    assert (keys, len(keys), set(keys)) == (same, len(same), same)
    assert (keys - other, other - keys, keys | other, keys & other) == (
        same - other, other - same, same | other, same & other,
    )  # fmt: skip
    assert (keys == other, other == keys, keys <= other) == (
        same == other,
        same == other,
        same <= other,
    )
    assert {each for each in range(31) if (each,) in keys} == some
    assert (1.5,) not in keys
    assert 1 not in keys
