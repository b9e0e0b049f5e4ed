"""Records become rows: flat, typed, nothing left out, whatever order things come in."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from second_harvest import like

from harvest_source.api.parsing import parse_exact
from harvest_source.catalogue.columns.types import Kind
from harvest_source.catalogue.lookup import by_name
from harvest_source.catalogue.report import Report, Row
from harvest_source.catalogue.reports import NAMES, REPORTS
from harvest_source.errors import RefusedError
from harvest_source.reading import shape
from harvest_source.reading.shape import MISFIT_SUFFIX, Notes, Shaper

ARROW = [report.name for report in REPORTS if report.arrow]
WITHOUT_TABLES = {*ARROW} | {report.name for report in REPORTS if report.id_column is None}
NUMBERS = [8, 7.5, None, 100.0]
UNDOCUMENTED = {
    "a_text": "x",
    "a_number": 1.5,
    "a_flag": True,
    "an_object": {"deep": {"er": 2}},
    "a_list": [{"n": 1}, {"n": 2.5}],
}


def shaper_of(
    name: str, known: Mapping[str, Mapping[str, Kind]] | None = None
) -> tuple[Shaper, Notes]:
    """Returns a shaper of a report, and what it notes."""
    notes = Notes()
    return Shaper(by_name(name), lambda table: (known or {}).get(table, {}), notes), notes


def exact(record: Row) -> Row:
    """Returns a record as it is read from the wire."""
    found: Row = parse_exact(json.dumps(record).encode())
    return found


def leaves(record: Row, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields the flat names and values of a record; lists stay whole."""
    for name, value in record.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{name}__")
        else:
            yield prefix + name, value


@pytest.mark.parametrize("report", REPORTS, ids=NAMES)
def test_documented_records_need_no_new_column(report: Report) -> None:
    """Every field of the example has its column, the account and the parent stand beside it, nothing is noted."""
    shaper, notes = shaper_of(report.name)
    record = like(report.name, 5)
    row = shaper.shape(exact(record), 77, 9 if report.parent else None)
    assert row["account_id"] == 77
    assert not report.linked_by or row[report.linked_by] == 9
    columns = {column.name for column in report.columns} | {nested.name for nested in report.lists}
    if report.key:
        assert set(row) <= columns
        assert (notes.new_fields, notes.misfits, notes.rounded) == (set(), set(), set())
    for name, value in leaves(record):
        if value is not None:
            assert row[name] not in (None, []) or value == []


@pytest.mark.parametrize("order", list(itertools.permutations(NUMBERS)))
@pytest.mark.parametrize("report", REPORTS, ids=NAMES)
def test_numbers_have_one_kind_in_every_order(report: Report, order: tuple[Any, ...]) -> None:
    """8, 7.5, null and 100.0 (R45), in each decimal column, documented or not, nested or not: the same exact numbers."""
    decimals = [column.name for column in report.columns if column.kind is Kind.DECIMAL]
    shaper, notes = shaper_of(report.name)
    for number in order:
        row = shaper.shape(
            exact(
                {"id": 5, "new": number, "deep": {"new": number}, **dict.fromkeys(decimals, number)}
            ),
            77,
            9,
        )
        for name in (*decimals, "new", "deep__new"):
            assert row.get(name) == (None if number is None else Decimal(str(number)))
    assert {kind for name, kind in shaper.root.added.items() if name != "id"} == {Kind.DECIMAL}
    assert notes.misfits == set()


@pytest.mark.parametrize("name", NAMES)
def test_undocumented_fields_arrive_and_are_named_once(name: str) -> None:
    """R03: a scalar and an object are columns, a list is a child table, or JSON where rows go through Arrow or have no id."""
    shaper, notes = shaper_of(name)
    record = exact({**like(name, 5), **UNDOCUMENTED})
    for _ in range(2):
        row = shaper.shape(record, 77, 9)
        assert (row["a_text"], row["a_number"], row["a_flag"], row["an_object__deep__er"]) == (
            "x",
            Decimal("1.5"),
            True,
            2,
        )
    if name in WITHOUT_TABLES:
        assert json.loads(row["a_list"]) == UNDOCUMENTED["a_list"]
    else:
        assert [element["n"] for element in row["a_list"]] == [1, Decimal("2.5")]
        assert {element["account_id"] for element in row["a_list"]} == {77}
    expected = {
        f"{name}.a_text",
        f"{name}.a_number",
        f"{name}.a_flag",
        f"{name}.an_object__deep__er",
    }
    listed = (
        {f"{name}.a_list"} if name in WITHOUT_TABLES else {f"{name}__a_list", f"{name}__a_list.n"}
    )
    assert notes.new_fields - {f"{name}.id"} == expected | listed


@pytest.mark.parametrize("name", ["clients", "time_entries"])
def test_fields_of_earlier_runs_are_not_new(name: str) -> None:
    """The kind that a column has from then on stays, whatever comes first today."""
    known = {name: {"new": Kind.DECIMAL, "word": Kind.TEXT}}
    shaper, notes = shaper_of(name, known)
    row = shaper.shape(exact({"id": 5, "new": 8, "word": 12}), 77)
    assert (row["new"], row["word"]) == (Decimal(8), "12")
    assert notes.new_fields == set()


@pytest.mark.parametrize(
    ("report", "field", "value", "text"),
    [
        ("time_entries", "billable", "perhaps", "perhaps"), ("time_entries", "hours", "eight", "eight"),
        ("time_entries", "spent_date", "03/04/2025", "03/04/2025"), ("projects", "budget", {"amount": 5}, '{"amount": 5}'),
        ("projects", "is_billable", 2, "2"), ("invoices", "issue_date", "soon", "soon"), ("users", "weekly_capacity", 1.5, "1.5"),
        ("clients", "created_at", 1700000000, "1700000000"), ("expenses", "units", [1, 2], "[1, 2]"),
    ],
)  # fmt: skip
def test_value_of_another_type_is_kept_as_text(
    report: str, field: str, value: Any, text: str
) -> None:
    """The row stays, the column is null, the value stands beside it and is noted once."""
    shaper, notes = shaper_of(report)
    row = shaper.shape(exact({**like(report, 5), field: value}), 77)
    assert (row[field], row[field + MISFIT_SUFFIX]) == (None, text)
    assert notes.misfits == {f"{report}.{field}"}
    assert shaper.root.added[field + MISFIT_SUFFIX] is Kind.TEXT


@pytest.mark.parametrize("value", ["none", 5, {"id": 5}])
def test_list_that_is_none_any_more_is_kept_as_text(value: Any) -> None:
    """A documented list that arrives as something else loses nothing."""
    shaper, _ = shaper_of("invoices")
    row = shaper.shape(exact({**like("invoices", 5), "line_items": value}), 77)
    assert json.loads(row["line_items__text"]) == value
    assert "line_items" not in row


def test_list_elements_carry_account_and_parent() -> None:
    """R09: so do elements without a value of their own; a null list is an empty one."""
    shaper, _ = shaper_of("invoices")
    row = shaper.shape(exact({**like("invoices", 70), "payment_options": ["ach", None]}), 77)
    assert [
        (each["account_id"], each["invoice_id"])
        for each in row["line_items"] + row["payment_options"]
    ] == [(77, 70)] * 4
    assert [each.get("value") for each in row["payment_options"]] == ["ach", None]
    assert shaper.shape(exact({"id": 71, "line_items": None}), 77)["line_items"] == []


def test_parents_of_children_come_from_the_request() -> None:
    """The API does not repeat whose payment a payment is."""
    shaper, _ = shaper_of("invoice_payments")
    assert shaper.shape(exact({"id": 5, "amount": 10.0}), 77, 70) == {
        "account_id": 77, "id": 5, "amount": Decimal(10), "invoice_id": 70,
    }  # fmt: skip


NAMES_OF_FIELDS = st.text("abcXYZ_ -.é1", min_size=1, max_size=8)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.text(max_size=5)
    | st.decimals(-1000, 1000, places=2).map(float),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES_OF_FIELDS, inner, max_size=3),
    max_leaves=6,
)


@given(
    records=st.lists(st.dictionaries(NAMES_OF_FIELDS, VALUES, max_size=4), max_size=4),
    name=st.sampled_from(["clients", "expenses"]),
)
def test_any_fields_become_rows_whose_columns_have_one_kind(records: list[Row], name: str) -> None:
    """Whatever Harvest adds: no error, and every value of a column is of the column's kind."""
    shaper, _ = shaper_of(name)
    types = {
        Kind.ID: int, Kind.DECIMAL: Decimal, Kind.TEXT: str, Kind.BOOL: bool,
    }  # fmt: skip
    for record in records:
        row = shaper.shape(exact({"id": 5, **record}), 77)
        for column, kind in shaper.root.added.items():
            assert row.get(column) is None or isinstance(row[column], types[kind])


NEW_FIELDS: dict[str, tuple[str, Callable[[int], Row], int]] = {
    "fields": ("clients", lambda n: {f"x_{n}": n}, 200),
    "by Arrow": ("time_entries", lambda n: {f"x_{n}": [n]}, 200),
    "in objects": ("projects", lambda n: {"x": {f"y_{n}": {"z": n}}}, 200),
    "lists": ("tasks", lambda n: {f"x_{n}": [n]}, 100),  # each is a table and a column in it
    "in elements": ("invoices", lambda n: {"line_items": [{f"x_{n}": n}]}, 200),
    "in elements of a new list": ("clients", lambda n: {"list": [{f"x_{n}": n}]}, 199),
}


@pytest.mark.parametrize(("report", "record", "most"), NEW_FIELDS.values(), ids=NEW_FIELDS)
def test_report_brings_at_most_200_new_columns_a_run(
    report: str, record: Callable[[int], Row], most: int
) -> None:
    """Of all its accounts; wherever they stand; those of earlier runs do not count, and what was noted can be taken back."""
    notes = Notes()
    known = {report: {f"old_{n}": Kind.TEXT for n in range(300)}}
    for account in (1, 2):
        shaper = Shaper(by_name(report), lambda table: known.get(table, {}), notes)
        shaper.shape({"id": account, **dict.fromkeys(known[report], "x")}, account)
        for n in range(most // account):  # the second account has some of the fields of the first
            shaper.shape({"id": n, **record(n)}, account)
    with pytest.raises(
        RefusedError, match=f"more than 200 fields of {report} that nobody documented"
    ):
        shaper.shape({"id": 1, **record(most)}, 2)
    notes.new_fields.add("users.stays")
    notes.forget(report)
    assert notes.new_fields == {"users.stays"}


def test_values_that_are_kept_as_text_count_as_new_columns() -> None:
    """Each makes a column of its own."""
    shaper, _ = shaper_of("clients", {"clients": {f"n_{n}": Kind.DECIMAL for n in range(201)}})
    with pytest.raises(RefusedError, match="more than 200 fields"):
        shaper.shape({"id": 1, **{f"n_{n}": "no number" for n in range(201)}}, 7)


def test_columns_of_text_that_earlier_runs_made_count_no_more() -> None:
    known = {f"n_{n}": Kind.DECIMAL for n in range(201)}
    texts = {f"{name}{MISFIT_SUFFIX}": Kind.TEXT for name in known}
    shaper, notes = shaper_of("clients", {"clients": {**known, **texts}})
    row = shaper.shape({"id": 1, **dict.fromkeys(known, "no number")}, 7)
    assert {row[name] for name in texts} == {"no number"}
    assert len(notes.misfits) == 201


@pytest.mark.parametrize(
    ("report", "record", "column"),
    [
        ("time_entries", {"hours": 1.23456789}, "time_entries.hours"),
        ("projects", {"new": {"rate": 0.0000001}}, "projects.new__rate"),
        ("invoices", {"line_items": [{"quantity": 0.1234567}]}, "invoices__line_items.quantity"),
        ("time_entries", {"hours": 1.234567}, None),
    ],
)
def test_columns_whose_values_lost_digits_are_noted(
    report: str, record: Row, column: str | None
) -> None:
    shaper, notes = shaper_of(report)
    for row_id in (1, 2):
        shaper.shape(exact({"id": row_id, **record}), 7)
    assert notes.rounded == ({column} if column else set())


UNTOLD: dict[str, Callable[[int], Row]] = {
    "nulls": lambda n: {f"x_{n}": None},
    "empty objects": lambda n: {f"x_{n}": {}},
    "nulls in objects": lambda n: {"x": {f"y_{n}": None}},
    "objects in objects": lambda n: {f"x_{n}": {"y": {"z": None}}},
    "nulls in elements": lambda n: {"line_items": [{f"x_{n}": None}]},
}


@pytest.mark.parametrize("fields", UNTOLD.values(), ids=UNTOLD)
def test_fields_that_hold_nothing_are_bounded_as_well(fields: Callable[[int], Row]) -> None:
    """Of all accounts; they make no column, but each name costs memory and time. Columns of earlier runs do not count."""
    assert shape.MOST_NEW_NAMES == 2000
    notes = Notes()
    known = {"invoices": {f"old_{n}": Kind.TEXT for n in range(3000)}}
    shapers = [
        Shaper(by_name("invoices"), lambda table: known.get(table, {}), notes) for _ in range(2)
    ]
    for n in range(600):
        earlier = dict.fromkeys(known["invoices"]) if n % 200 == 0 else {}
        for shaper in shapers:
            row = shaper.shape({"id": n, **earlier, **fields(n)}, 7)
            assert not [name for name in row if name.startswith("x")]
    with pytest.raises(
        RefusedError, match="more than 2,000 fields of invoices that nobody documented"
    ):
        [shapers[n % 2].shape({"id": n, **fields(n)}, 7) for n in range(600, 2001)]
    assert notes.new_fields == set()


def test_odd_names_of_fields_are_columns_of_their_own() -> None:
    """No name at all, one of dlt's, one longer than Postgres takes, and those that the product gives its own columns."""
    shaper, _ = shaper_of("clients")
    nested = {"_dlt_id": "d", "": "e", "account_id": "f"}
    own = {"account_id": "g", "deleted_at": "h"}
    row = shaper.shape({"id": 1, "": "a", "_dlt_id": "b", "n" * 5000: "c", "x": nested, **own}, 7)
    assert {value: name for name, value in row.items() if isinstance(value, str) and len(name) < 40} == {
        "a": "unnamed", "b": "harvest_dlt_id", "d": "x___dlt_id", "e": "x__unnamed", "f": "x__account_id",
        "g": "account_id__harvest", "h": "deleted_at__harvest",
    }  # fmt: skip
    assert row["account_id"] == 7
    assert [len(name) for name, value in row.items() if value == "c"] == [50]
