"""Errors as Harvest really answered: each is told apart, said in its words, and asked again only where that may help."""

from __future__ import annotations

import pytest
from hostile import Hostile, Raw, client_of, http, page
from recorded import ERRORS
from second_harvest import Asked

from harvest_source.api.client import TRIES
from harvest_source.errors import (
    ApiError,
    NotAllowedError,
    NotFoundError,
    RefusedError,
    TokenRejectedError,
    UnavailableError,
)

ACCOUNT = 7
BLANK = [f"{field} can't be blank" for field in ("Project", "Task", "Spent date")]
LASTING: dict[str, tuple[type[ApiError], str]] = {
    "401": (
        TokenRejectedError,
        "Harvest refuses the token (401): it is wrong, expired or revoked; set a new one",
    ),
    "403": (NotAllowedError, "Harvest does not allow it (403: Not authorized!)"),
    "404": (NotFoundError, "Harvest does not know it (404: Not Found)"),
    "404 page": (NotFoundError, "Harvest does not know it (404: a web page)"),
    "400": (
        RefusedError,
        "Harvest refused the request (400: Invalid timeframe: must not exceed 1 year)",
    ),
    "422": (
        RefusedError,
        f"Harvest refused the request (422: {', '.join(BLANK)}, Spent date is not a valid date)",
    ),
    "422 per_page": (
        RefusedError,
        "Harvest refused the request (422: Invalid per_page parameter)",
    ),
}
PASSING = {
    "429": (15, "Harvest answered 429, 7 times in a row; try again later"),
    "429 bare": (15, "Harvest answered 429, 7 times in a row; try again later"),
    "502": (None, "Harvest answered 502, 7 times in a row; try again later"),
}
"""How long to wait where Harvest says so, or its limit's own window, and what is said where it does not pass."""


def recorded(name: str) -> Raw:
    """Returns an error as it was recorded."""
    error = ERRORS[name]
    headers = [f"{header}: {text}" for header, text in error["headers"].items()]
    return http(error["body"].encode(), *headers, status=str(error["status"]))


def ask(harvest: Hostile) -> list[float]:
    """Reads a list, and returns how long was waited for it."""
    client = client_of(harvest)
    list(client.iter_pages(ACCOUNT, "clients", "clients", {}, "clients"))
    return [seconds for seconds in client.clock.waits if seconds > 0]  # type: ignore[attr-defined]


def test_every_recorded_error_is_tried() -> None:
    assert {*LASTING} | {*PASSING} == {*ERRORS}


@pytest.mark.parametrize(
    ("name", "error", "said"), [(name, *each) for name, each in LASTING.items()]
)
def test_a_lasting_error_is_asked_for_once_and_said_in_harvests_words(
    name: str, error: type[ApiError], said: str
) -> None:
    with Hostile(lambda _asked: recorded(name)) as harvest, pytest.raises(ApiError) as caught:
        ask(harvest)
    assert (type(caught.value), str(caught.value)) == (error, said)
    assert caught.value.status == ERRORS[name]["status"]
    assert len(harvest.requests) == 1


@pytest.mark.parametrize(("name", "said"), [(name, said) for name, (_, said) in PASSING.items()])
def test_an_error_that_does_not_pass_is_asked_for_seven_times(name: str, said: str) -> None:
    with Hostile(lambda _asked: recorded(name)) as harvest, pytest.raises(ApiError) as caught:
        ask(harvest)
    assert (type(caught.value), str(caught.value)) == (UnavailableError, said)
    assert caught.value.status == ERRORS[name]["status"]
    assert len(harvest.requests) == TRIES == 7


@pytest.mark.parametrize(("name", "wait"), [(name, wait) for name, (wait, _) in PASSING.items()])
def test_an_error_that_passes_costs_its_wait(name: str, wait: float | None) -> None:
    """As long as Harvest asks for, and at the first try a second or two where it does not."""

    def answer(_asked: Asked) -> Raw:
        first = len(harvest.requests) == 1
        return recorded(name) if first else http(page("clients", [{"id": 1}]))

    with Hostile(answer) as harvest:
        waited = sum(ask(harvest))
    assert len(harvest.requests) == 2
    assert waited == pytest.approx(wait, abs=0.5) if wait else 1 <= waited <= 2
