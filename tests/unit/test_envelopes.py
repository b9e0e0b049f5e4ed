"""Answers of any shape come out in the documented one, exactly, or are an error: never fewer rows than were sent."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from harvest_source.api.envelopes import settle_of, settled
from harvest_source.catalogue.lookup import by_name
from harvest_source.catalogue.reports import REPORTS
from harvest_source.errors import RefusedError

URL = "https://api.example.com/v2/pto/types?per_page=2000&page=1"
ROWS = [{"id": 1, "name": "Vacation"}, {"id": 2, "name": "Sick leave"}]
PERSON = {"id": 5, "name": "Test Person"}
CALENDAR = {
    "id": 3,
    "name": "Here",
    "entries": [{"id": 9, "name": "May Day", "date": "2026-05-01"}],
}
ASSIGNED = {"user": PERSON, "holiday_calendar": {"id": 3, "name": "Here"}}
BALANCE = {"user": PERSON, "year": 2026, "as_of": "2026-06-30", "balances": [{"used_days": "1.5"}]}


def settle(name: str, answer: Any, url: str = URL) -> Any:
    """Returns an answer in the documented shape."""
    return json.loads(settled(by_name(name), json.dumps(answer).encode(), url))


@pytest.mark.parametrize(
    "answer",
    [
        {"pto_types": ROWS},
        {"pto_types": ROWS, "errors": [], "warnings": [{"id": 7}]},
        {"types": ROWS},
        {"data": ROWS, "meta": {"copyright": "Harvest"}},
        {"data": ROWS, "ids": [1, 2]},
        ROWS,
    ],
    ids=["documented", "beside other lists", "another key", "with an object", "with ids", "bare"],
)
def test_rows_are_found(answer: Any) -> None:
    assert settle("pto_types", answer)["pto_types"] == ROWS


@pytest.mark.parametrize(
    ("name", "answer", "row"),
    [
        ("pto_types", ROWS[0], ROWS[0]),
        ("pto_types", {"pto_type": ROWS[0]}, ROWS[0]),
        ("pto_holiday_calendars", CALENDAR, CALENDAR),
        ("pto_holiday_calendars", {"calendar": CALENDAR}, CALENDAR),
        ("pto_assignments", ASSIGNED, ASSIGNED),
        ("pto_assignments", [ASSIGNED], ASSIGNED),
        ("pto_balances", BALANCE, BALANCE),
        ("pto_balances", {"pto_balances": [BALANCE]}, BALANCE),
        ("pto_balances", {"pto_balance": BALANCE}, BALANCE),
    ],
)
def test_one_object_is_one_row(name: str, answer: Any, row: Any) -> None:
    """Its own lists are not taken for rows of the report."""
    assert settle(name, answer)[name] == [row]


@pytest.mark.parametrize("answer", [{"pto_types": []}, {"types": []}, []])
def test_an_empty_list_is_no_rows(answer: Any) -> None:
    assert settle("pto_types", answer)["pto_types"] == []


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("pto_types", {"types": ROWS, "archived": ROWS}),
        ("pto_types", {"types": ROWS, "archived": []}),
        ("pto_types", {"message": "soon"}),
        ("pto_types", {}),
        ("pto_types", {"pto_types": None}),
        ("pto_types", {"pto_types": [1, 2]}),
        ("pto_types", {"vacation": ROWS[0], "sick": ROWS[1]}),
        ("pto_types", "soon"),
        ("pto_types", {**ROWS[0], "levels": ROWS}),
        ("pto_assignments", {**ASSIGNED, "assignments": [ASSIGNED]}),
    ],
)
def test_rows_that_cannot_be_told_are_an_error(name: str, answer: Any) -> None:
    with pytest.raises(RefusedError, match=f"cannot be told which rows of an answer are {name}"):
        settle(name, answer)


@pytest.mark.parametrize(
    ("paging", "page"),
    [
        ({"next_page": 2}, "2"),
        ({"page": 1, "total_pages": 3}, "2"),
        ({"meta": {"page": 2, "total_pages": 3}}, "3"),
        ({"page": 3, "total_pages": 3, "next_page": None}, None),
        ({"page": "1", "total_pages": "3"}, None),
        ({}, None),
    ],
)
def test_pages_by_number_become_links(paging: Any, page: str | None) -> None:
    link = settle("pto_types", {"types": ROWS, **paging})["links"]["next"]
    assert link == (page and f"https://api.example.com/v2/pto/types?per_page=2000&page={page}")


def test_links_stay_as_they_are_and_others_beside_them() -> None:
    """The client looks at every one of them, followed or not."""
    links = {"next": "https://elsewhere.example.com/2", "first": "https://api.example.com/1"}
    assert settle("pto_types", {"types": ROWS, "links": links, "next_page": 7})["links"] == links


def test_numbers_keep_all_their_digits() -> None:
    body = b'{"types": [{"id": 1, "days": 1.10, "part": 0.12345678901234567890, "big": 9007199254740993}]}'
    (row,) = json.loads(settled(by_name("pto_types"), body, URL), parse_float=Decimal)["pto_types"]
    assert (row["days"], row["part"], row["big"]) == (
        Decimal("1.10"),
        Decimal("0.12345678901234567890"),
        9007199254740993,
    )


def test_a_number_beyond_64_bits_is_an_error() -> None:
    with pytest.raises(RefusedError, match="too large"):
        settle("pto_types", [{"id": 2**70}])


def test_what_is_no_json_is_left_to_others() -> None:
    assert settled(by_name("pto_types"), b"<html>", URL) == b"<html>"


def test_documented_reports_are_read_as_documented() -> None:
    assert {report.name for report in REPORTS if settle_of(report)} == {
        name for name in (report.name for report in REPORTS) if name.startswith("pto_")
    }
