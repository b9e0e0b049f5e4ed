"""One JSON value becomes one value of a column's kind, exactly, or is said not to fit."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_source.api.parsing import clean_text, needs_cleaning, parse_exact
from harvest_source.catalogue.columns.types import Kind
from harvest_source.reading.values import (
    CONVERTERS,
    Rounded,
    Unfit,
    kind_of_undocumented,
    to_bool,
    to_date,
    to_decimal,
    to_id,
    to_json,
    to_text,
    to_timestamp,
)

WIDE = Context(prec=60, rounding=ROUND_HALF_EVEN)
JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    whole=st.integers(-(10**14) + 1, 10**14 - 1),
    millionths=st.integers(0, 999_999),
    places=st.integers(0, 6),
)
def test_up_to_six_decimals_are_exact(whole: int, millionths: int, places: int) -> None:
    """Whatever is written with up to 14 digits before the point and six after it comes out as the same number."""
    text = f"{whole}.{str(millionths).zfill(6)[:places]}" if places else str(whole)
    found = to_decimal(parse_exact(f'{{"n": {text}}}'.encode())["n"])
    assert found == Decimal(text)
    assert not isinstance(found, Rounded)
    assert found.as_tuple().exponent == -6


@given(number=st.decimals(-(10**13), 10**13, places=9))
def test_more_decimals_are_rounded_half_even_and_marked(number: Decimal) -> None:
    """The nearest number of six decimals, the even one of two; it is marked just where digits were lost."""
    found = to_decimal(number)
    assert found == number.quantize(Decimal("0.000001"), context=WIDE)
    assert isinstance(found, Rounded) == (found != number)


@pytest.mark.parametrize(
    ("sent", "kept"),
    {
        "8": "8", "7.5": "7.5", "100.0": "100", "99999999.99": "99999999.99", "0.535": "0.535", "-0.01": "-0.01", "1e2": "100",
        "1E-6": "0.000001", "0.0000005": "0", "0.0000015": "0.000002",
        "99999999999999.999999": "99999999999999.999999", '"12.50"': "12.5",
    }.items(),
)  # fmt: skip
def test_forms_in_which_a_number_arrives(sent: str, kept: str) -> None:
    """8, 8.0, text or powers of ten: one exact decimal."""
    assert to_decimal(parse_exact(f'{{"n": {sent}}}'.encode())["n"]) == Decimal(kept)


@given(value=st.integers(-(2**63), 2**63 - 1))
def test_ids_keep_64_bits(value: int) -> None:
    """As a number, as text, and as a fraction that is zero."""
    assert to_id(value) == to_id(str(value)) == to_id(Decimal(value)) == value


NO_FIT: dict[Kind, tuple[Any, ...]] = {
    Kind.ID: (True, 2**63, -(2**63) - 1, Decimal("1.5"), "x", "", [], {}),
    Kind.DECIMAL: (
        True,
        "eight",
        "",
        Decimal("NaN"),
        Decimal("Infinity"),
        Decimal(10) ** 14,
        [],
        {},
    ),
    Kind.BOOL: (1, 0, "yes", "", []),
    Kind.DATE: ("2025-02-30", "03/04/2025", "Tue", 20250304, "2025-03-04T15:00:00Z", []),
    Kind.TIMESTAMP: ("Tue", "2025-13-01T00:00:00Z", 1700000000, []),
}


@pytest.mark.parametrize(
    ("kind", "value"), [(kind, value) for kind, values in NO_FIT.items() for value in values]
)
def test_values_of_another_kind_do_not_fit(kind: Kind, value: Any) -> None:
    """Nothing is guessed: the caller keeps such a value elsewhere."""
    with pytest.raises(Unfit):
        CONVERTERS[kind](value)


@given(value=JSON_VALUES, kind=st.sampled_from(list(Kind)))
def test_every_value_of_json_fits_or_is_said_not_to(value: Any, kind: Kind) -> None:
    """No other error, whatever Harvest sends."""
    if value is not None:
        exact = parse_exact(json.dumps({"value": value}).encode())["value"]
        try:
            CONVERTERS[kind](exact)
        except Unfit:
            assert kind is not Kind.TEXT


def test_days_and_instants() -> None:
    """An empty text is nothing, midnight in a day's place is that day, an instant without a zone is UTC."""
    assert to_date("2025-03-04") == to_date("2025-03-04T00:00:00Z") == date(2025, 3, 4)
    assert to_date("") is to_timestamp("") is None
    noon = datetime(2025, 3, 4, 12, tzinfo=UTC)
    assert to_timestamp("2025-03-04T12:00:00Z") == to_timestamp("2025-03-04T14:00:00+02:00") == noon
    assert to_timestamp("2025-03-04T12:00:00") == noon


FIRST, LAST = datetime(1900, 1, 1), datetime(2999, 12, 31)  # noqa: DTZ001 - the zone is drawn as well


@given(instant=st.datetimes(min_value=FIRST, max_value=LAST, timezones=st.timezones()))
def test_instants_of_any_zone_are_the_same_moment(instant: datetime) -> None:
    """Written with their offset, kept in UTC."""
    whole = instant.replace(microsecond=0)
    found = to_timestamp(whole.isoformat())
    assert found is not None
    assert found == datetime.fromisoformat(whole.isoformat())
    assert found.utcoffset() is not None
    assert found.tzinfo is UTC


def test_words_and_flags() -> None:
    """A boolean, or its name; any other value becomes text as JSON."""
    assert [to_bool(value) for value in (True, "false", " True ")] == [True, False, True]
    assert to_text("00123") == "00123"
    assert to_text({"a": [1, Decimal("0.535"), None]}) == '{"a": [1, 0.535, null]}'


@given(value=JSON_VALUES)
def test_json_columns_hold_what_was_sent(value: Any) -> None:
    """What is kept as JSON reads back as it came."""
    assert json.loads(to_json(value)) == value


@given(number=st.decimals(allow_nan=False, allow_infinity=False, places=25))
def test_no_digit_is_lost_in_a_json_column(number: Decimal) -> None:
    """A fraction that a float cannot hold is kept as text."""
    assert Decimal(str(json.loads(to_json(number), parse_float=Decimal))) == number


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("size", 8, Kind.DECIMAL), ("size", Decimal("7.5"), Kind.DECIMAL), ("flag", True, Kind.BOOL), ("id", 5, Kind.ID),
        ("thing_id", 5, Kind.ID), ("thing_id", "5", Kind.TEXT), ("day", "2025-01-01", Kind.TEXT), ("paid", 5, Kind.DECIMAL),
    ],
)  # fmt: skip
def test_kind_of_a_field_nobody_documented(name: str, value: Any, kind: Kind) -> None:
    """Numbers are decimals, since 8 today may be 7.5 tomorrow; only ids are whole."""
    assert kind_of_undocumented(name, value) is kind


@given(value=JSON_VALUES)
def test_cleaned_texts_can_be_stored_and_others_stay(value: Any) -> None:
    """No NUL and no half of a surrogate pair is left; a value without them is the same as before."""
    text = json.dumps({"value": value})
    cleaned = json.dumps(clean_text(json.loads(text)), ensure_ascii=False)
    cleaned.encode()
    assert "\\u0000" not in cleaned
    if not needs_cleaning(text.encode()):
        assert json.loads(cleaned) == json.loads(text)


@pytest.mark.parametrize("text", ['"a\\u0000b"', '"\\ud83d"', '"\\uDE00x"'])
def test_texts_no_database_stores_are_found_and_replaced(text: str) -> None:
    """NUL and half surrogate pairs become U+FFFD, once each."""
    assert needs_cleaning(text.encode())
    assert clean_text(json.loads(text)).count("\N{REPLACEMENT CHARACTER}") == 1
