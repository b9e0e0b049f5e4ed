"""Every answer of the sandbox beside the fields and parameters that others read in Harvest's documentation (`tests/outside/`)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from compare import get
from documented import (
    LIST_ANSWERS,
    OBJECTS,
    QUERIES,
    SUBJECTS,
    Deviation,
    deviations,
    documented_row,
    filled_places,
    places,
    plain,
    rows_of_list,
)
from reasons import BEYOND, MEMBER, SANDBOX, reasons
from support import TOKEN, serving

from harvest_sandbox import SIZES, Account, Caller, Sandbox, build_account
from harvest_sandbox.lists import LISTS, MY_PROJECT_ASSIGNMENTS, PROJECT_ASSIGNMENTS, ListSpec
from harvest_sandbox.routes import API_ROUTES

TODAY = date(2025, 6, 30)
A_YEAR = {"from": "2024-07-01", "to": "2025-06-30"}
Json = dict[str, Any]


class Asking:
    """Asks a sandbox for every documented path, with the ids that it has."""

    def __init__(self, sandbox: Sandbox, account: Account) -> None:
        self._sandbox = sandbox
        self._account = account

    def answers(self, path: str) -> list[Json]:
        """Returns all answers of a path: every page of a list below every parent; of rows asked for by id a few."""
        params = A_YEAR if path.startswith("/reports/") and "from" in QUERIES[path] else {}
        if path in LIST_ANSWERS:
            params = {**params, "per_page": "10"}
        found = [get(self._account.id, url, **params) for url in self._urls(path)]
        for answer in found:  # grows by what follows
            following = (answer.get("links") or {}).get("next")
            found += [get(self._account.id, following)] if following else []
        return found

    def _urls(self, path: str) -> Iterator[str]:
        above, brace, rest = path.partition("{")
        if not brace:
            yield self._sandbox.api_url + path.lstrip("/")
            return
        below = rest.partition("}")[2]
        (rows,) = (found for found in self._first_page(above).values() if isinstance(found, list))
        for row in rows if below else rows[:3]:
            if below == "/teammates" and "manager" not in row["access_roles"]:
                continue  # refused: nobody else has some
            yield from self._urls(f"{above}{row['id']}{below}")

    def _first_page(self, path: str) -> Json:
        return get(self._account.id, self._sandbox.api_url + path.strip("/"))


@pytest.fixture(scope="module")
def agency() -> Account:
    """Gives the account of the demo with one estimate more, which is the first with a discount, and fewer time entries."""
    return build_account(replace(SIZES["demo"], estimates=5, time_entries=400), seed=1, today=TODAY)


@pytest.fixture(scope="module")
def answers(agency: Account) -> dict[str, list[Json]]:
    """Gives what the account answers an administrator on every documented path."""
    with serving(agency) as sandbox:
        asking = Asking(sandbox, agency)
        return {path: asking.answers(path) for path in QUERIES}


def rows_in(path: str, answer: Json) -> list[Json]:
    """Returns the rows of an answer, or the answer where it is one row."""
    if path not in LIST_ANSWERS:
        return [answer]
    rows: list[Json] = answer[rows_of_list(LIST_ANSWERS[path])[0]]
    return rows


def test_every_documented_path_is_answered_with_rows(answers: dict[str, list[Json]]) -> None:
    """So that the comparisons below compare something."""
    assert len(answers) == 55
    assert [
        path for path, found in answers.items() if not any(rows_in(path, each) for each in found)
    ] == []


def test_rows_of_the_sandbox_have_the_documented_fields(answers: dict[str, list[Json]]) -> None:
    """Name, type and list, in every row of every answer; what is otherwise has its reason."""
    assert differing(answers) == reasons(SANDBOX)


def differing(answers: dict[str, list[Json]]) -> set[Deviation]:
    """Returns how the rows of answers differ from what is documented."""
    return {
        deviation
        for path, found in answers.items()
        for name, documented in [documented_row(path)]
        for answer in found
        for row in rows_in(path, answer)
        for deviation in deviations(row, documented, name)
    }


OPEN_TO_MEMBERS = [
    "/company",
    "/users/me",
    "/users/me/project_assignments",
    "/time_entries",
    "/expenses",
    *SUBJECTS,
]


def test_rows_that_a_member_may_read_lack_what_has_its_reason(agency: Account) -> None:
    """And are otherwise those that an administrator gets."""
    member = next(
        key for key, row in agency.rows["users"].items() if row["access_roles"] == ["member"]
    )
    with serving(agency) as sandbox:
        sandbox.callers[TOKEN] = Caller(user_id=member)
        asking = Asking(sandbox, agency)
        answers = {path: asking.answers(path) for path in OPEN_TO_MEMBERS}
    assert all(rows_in(path, found[0]) for path, found in answers.items())
    assert differing(answers) - reasons(SANDBOX) == reasons(MEMBER)


def test_the_sandbox_has_a_value_for_every_documented_field(
    answers: dict[str, list[Json]],
) -> None:
    """In some row: a field that is always null would show nothing of its type."""
    expected, found = set[str](), set[str]()
    for path, of_path in answers.items():
        name, documented = documented_row(path)
        expected |= {*places(documented, name)}
        for answer in of_path:
            for row in rows_in(path, answer):
                found |= {*filled_places(row, name)}
    missing = tuple(f"{each.place}." for each in reasons(SANDBOX) if each.what == "missing")
    assert sorted(place for place in expected - found if not place.startswith(missing)) == []


def test_what_surrounds_the_rows_is_as_documented(answers: dict[str, list[Json]]) -> None:
    """Numbers and links of every page; on some page each of them has a value."""
    expected, found, filled = set[str](), set[Deviation](), set[str]()
    for path, envelope in LIST_ANSWERS.items():
        documented = without_rows(envelope, OBJECTS[envelope])
        expected |= {*places(documented, "page")}
        for answer in answers[path]:
            around = without_rows(envelope, answer)
            found |= {*deviations(around, documented, "page")}
            filled |= {*filled_places(around, "page")}
    assert found == set()
    assert filled == expected


def without_rows(envelope: str, answer: Json) -> Json:
    """Returns what surrounds the rows of a list, of an answer or as it is documented."""
    return {name: each for name, each in answer.items() if name != rows_of_list(envelope)[0]}


SPECS = {f"/{spec.path}": spec for spec in (*LISTS, PROJECT_ASSIGNMENTS, MY_PROJECT_ASSIGNMENTS)}


def test_routes_of_the_sandbox_are_documented() -> None:
    """But for those with a reason."""
    documented = [re.sub(r"\{\w+\}", "1", path).lstrip("/") for path in QUERIES]
    beyond = {
        f"/{pattern.pattern}"
        for pattern, _ in API_ROUTES
        if not any(pattern.fullmatch(path) for path in documented)
    }
    assert beyond == {*BEYOND}
    assert {plain(path) for path in SPECS} - {plain(path) for path in QUERIES} <= {*BEYOND}


@pytest.mark.parametrize("path", [path for path in LIST_ANSWERS if "/reports/" not in path])
def test_lists_of_the_sandbox_take_the_documented_parameters(path: str) -> None:
    """And no others."""
    (spec,) = (spec for own, spec in SPECS.items() if plain(own) == plain(path))
    assert taken_by(spec) == QUERIES[path]


def taken_by(spec: ListSpec) -> set[str]:
    """Returns the parameters that a list of the sandbox takes."""
    since = {"updated_since"} if spec.since != "no" else set()
    cursor = {"cursor"} if spec.paging == "cursor" else set()
    return {*spec.filters, *since, *cursor, "page", "per_page"}
