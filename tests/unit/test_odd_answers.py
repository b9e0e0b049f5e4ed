"""Answers that are no answer of Harvest's: each ends in one line, of an error that concerns its request alone."""

from __future__ import annotations

import gzip
from datetime import date
from functools import partial
from typing import Any

import pytest
from hostile import Hostile, client_of, http, page

from harvest_source.api.accounts import Account, choose_accounts, look_up_all, reachable
from harvest_source.api.net import stays_with_report
from harvest_source.api.parsing import parse_exact
from harvest_source.errors import (
    ApiError,
    NotAllowedError,
    OddAnswerError,
    RefusedError,
    UnavailableError,
)
from harvest_source.loading.history import account_rows

ACCOUNT = 7
GOOD = page("clients", [{"id": 1}])


def deep(levels: int) -> bytes:
    """Returns so many lists within lists."""
    return b"[" * levels + b"]" * levels


def packed(body: bytes, *headers: str) -> Any:
    """Returns an answer that says it is packed."""
    return http(body, "Content-Encoding: gzip", *headers)


REFUSED, UNAVAILABLE = RefusedError, UnavailableError
ODD: dict[str, tuple[Any, type[ApiError], str]] = {
    "deep": (http(b'{"clients": ' + deep(200_000) + b"}"), REFUSED, "nested too deeply"),
    "deep and never closed": (http(b'{"clients": ' + b"[" * 200_000), REFUSED, "nested too deeply"),
    "number": (http(b"1e400"), UNAVAILABLE, "another shape"),
    "text": (http(b'"text"'), UNAVAILABLE, "another shape"),
    "list": (http(b"[[1]]"), UNAVAILABLE, "another shape"),
    "null": (http(b"null"), UNAVAILABLE, "another shape"),
    "no UTF-8": (http(b'{"clients": "\xff"}'), UNAVAILABLE, "no JSON"),
    "rows in an object": (http(b'{"clients": {"id": 1}}'), UNAVAILABLE, "no list of clients"),
    "rows within rows": (http(b'{"clients": [[{"id": 1}]]}'), UNAVAILABLE, "no list of clients"),
    "port of letters": (http(page("clients", [], "http://127.0.0.1:abc/v2/clients")), REFUSED, "another host"),
    "port too high": (http(page("clients", [], "http://127.0.0.1:99999/v2/clients")), REFUSED, "another host"),
    "half an IPv6 address": (http(page("clients", [], "http://[::1/v2/clients")), REFUSED, "another host"),
    "long link": (http(page("clients", [], "http://127.0.0.1/v2/clients?cursor=" + "x" * 20_000)), REFUSED, "another host"),
    "links in a list": (http(b'{"clients": [], "links": [1]}'), REFUSED, "links are not of the documented shape"),
    "link in a list": (http(page("clients", [], ["x"])), REFUSED, "another host"),
    "no gzip": (packed(GOOD), UNAVAILABLE, "cannot be unpacked"),
    "half a gzip": (packed(gzip.compress(GOOD)[:-12]), UNAVAILABLE, "no JSON"),
    "204": (http(GOOD, status="204 No Content"), UNAVAILABLE, "no JSON"),
    "304": (http(GOOD, status="304 Not Modified"), REFUSED, "304"),
    "redirect with a body": (http(GOOD, "Location: /", status="302 Found"), REFUSED, "redirect"),
    "status of three signs": ([b"HTTP/1.1 2x0 OK\r\n\r\n" + GOOD], UNAVAILABLE, "connection to Harvest failed"),
    "status 999": (http(GOOD, status="999 What"), REFUSED, "999"),
    "no status": ([b"What\r\n\r\n"], UNAVAILABLE, "connection to Harvest failed"),
    "early hints": (http(GOOD, status="103 Early Hints"), UNAVAILABLE, "answered 103"),
    "many headers": (http(GOOD, *(f"X-{n}: 1" for n in range(200))), UNAVAILABLE, "connection to Harvest failed"),
    "long header": (http(GOOD, "X: " + "x" * 100_000), UNAVAILABLE, "connection to Harvest failed"),
    "length beyond the body": ([b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n" + GOOD], UNAVAILABLE, "cut off"),
    "chunk that is none": ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"], UNAVAILABLE, "cut off"),
    "reason of many lines": (http(b'{"message": "a\\nb\\r\\n c"}', status="422 No"), REFUSED, r"\(422: a b c\)"),
    "reason in lists": (http(b'{"message": ' + deep(900) + b"}", status="403 No"), NotAllowedError, "403"),
    "reason of no charset": (http(b"no", "Content-Type: text/plain; charset=idna", status="422 No"), REFUSED, "422: no"),
}  # fmt: skip


@pytest.mark.parametrize(("answer", "error", "said"), ODD.values(), ids=ODD)
def test_odd_answer_ends_in_a_line_of_its_own(
    answer: Any, error: type[ApiError], said: str
) -> None:
    """Whatever stands in status line, headers or body; what may pass was tried again."""
    with Hostile(lambda _asked: answer) as harvest, pytest.raises(error, match=said) as caught:
        list(client_of(harvest).iter_pages(ACCOUNT, "clients", "clients", {}, "clients"))
    assert type(caught.value) is error
    assert "\n" not in str(caught.value)
    assert len(harvest.requests) == (7 if error is UNAVAILABLE else 1)


@pytest.mark.parametrize(
    "header",
    [
        *(
            "Retry-After: -5",
            "Retry-After: \xb2",
            "Retry-After: " + "9" * 6000,
            "Retry-After: 1e9",
            "Retry-After:",
        ),
        *(
            "Retry-After: Fri, 31 Dec 9999 23:59:59 -1200",
            "Retry-After: Fri, 31 Dec 99999999999999999999 00:00:00 GMT",
        ),
        *(
            "Date: Fri, 31 Dec 9999 23:59:59 -1200",
            "Date: never",
            "Content-Type: application/json; charset=nonsense",
        ),
        *(
            "Content-Encoding: identity",
            "Content-Encoding:",
            "Link: <x>; rel=next",
            "Set-Cookie: a=b; Max-Age=x",
        ),
    ],
)
def test_odd_header_changes_nothing(header: str) -> None:
    """Of a demand to wait and of a good answer."""

    def answer(_asked: Any) -> Any:
        return (
            http(b"", header, status="429 No") if len(harvest.requests) == 1 else http(GOOD, header)
        )

    with Hostile(answer) as harvest:
        (found,) = client_of(harvest).iter_pages(ACCOUNT, "clients", "clients", {}, "clients")
    assert found.data["clients"] == [{"id": 1}]
    assert len(harvest.requests) == 2


def test_cookies_are_not_taken() -> None:
    """Or a server could have each request carry more of them than the one before."""
    with Hostile(
        lambda _asked: http(GOOD, f"Set-Cookie: c{len(harvest.requests)}=x; Path=/")
    ) as harvest:
        client = client_of(harvest)
        for _ in range(2):
            list(client.iter_pages(ACCOUNT, "clients", "clients", {}, "clients"))
    assert [asked.headers.get("Cookie") for asked in harvest.requests] == [None, None]


def test_answer_that_the_exact_reading_refuses_is_told_as_it_is() -> None:
    """The quick reading takes 1,024 levels, this one fewer where the stack is deep: that is no fault of this program."""
    with (
        pytest.raises(OddAnswerError, match=r"^the answer is nested too deeply to be read$"),
        stays_with_report(),
    ):
        parse_exact(deep(200_000))


LISTS_OF_ACCOUNTS = {
    "a number": b'{"accounts": 5}',
    "an object": b'{"accounts": {"id": 1}}',
    "numbers": b'{"accounts": [1, 2]}',
    "without id": b'{"accounts": [{"product": "harvest"}]}',
    "id of words": b'{"accounts": [{"product": "harvest", "id": "many"}]}',
    "id of no bigint": b'{"accounts": [{"product": "harvest", "id": 9223372036854775808}]}',
    "id of NaN": b'{"accounts": [{"product": "harvest", "id": NaN}]}',
    "id beyond Decimal": b'{"accounts": [{"product": "harvest", "id": 1e400}]}',
    "text": b'{"accounts": "many"}',
    "texts": b'{"accounts": ["a"]}',
    "deep": b'{"accounts": ' + deep(200_000) + b"}",
    "a list": b"[]",
}


@pytest.mark.parametrize("body", LISTS_OF_ACCOUNTS.values(), ids=LISTS_OF_ACCOUNTS)
def test_odd_list_of_accounts_ends_in_one_line_where_it_is_needed(body: bytes) -> None:
    """A chosen account needs no list."""
    with Hostile(lambda _asked: http(body)) as harvest:
        client = client_of(harvest)
        for ask in (partial(choose_accounts, client, None), partial(reachable, client)):
            with pytest.raises(ApiError) as caught:
                ask()
            assert "\n" not in str(caught.value)
            assert "unexpected" not in str(caught.value)
        assert [account.id for account in choose_accounts(client, (ACCOUNT,))] == [ACCOUNT]


def test_list_of_accounts_is_read_past_what_is_not_needed_of_it() -> None:
    """Lists within lists in an account, or in the user, hold nobody from the accounts."""
    odd = b'{"accounts": [{"id": 7, "name": "a", "product": "harvest", "x": %b}, {"product": %b}], "user": {"x": %b}}'
    with Hostile(lambda _asked: http(odd % (3 * (deep(1000),)))) as harvest:
        client = client_of(harvest)
        assert reachable(client) == ("", {7: "a"})
        assert choose_accounts(client, None) == choose_accounts(client, (7,)) == [Account(7, "a")]


USERS = {
    "a list": (b"[1]", ""),
    "a text": (b'"x"', ""),
    "names of all kinds": (b'{"first_name": ["x"], "last_name": 5}', ""),
    "half a pair": (b'{"first_name": "a\\ud800", "last_name": "b"}', "a\ufffd b"),
}


@pytest.mark.parametrize(("user", "name"), USERS.values(), ids=USERS)
def test_odd_user_beside_the_accounts_is_one_without_a_name(user: bytes, name: str) -> None:
    """What can be printed of the name is."""
    with Hostile(lambda _asked: http(b'{"accounts": [], "user": %b}' % user)) as harvest:
        assert reachable(client_of(harvest)) == (name, {})


def test_names_of_accounts_hold_no_sign_that_a_database_refuses() -> None:
    """NUL and halves of surrogate pairs; a name that is no text is none."""
    one, two = (
        b'"id": 1, "name": "a\\u0000\\ud800", "product": "harvest"',
        b'"id": 2, "name": [1], "product": "harvest"',
    )
    body = b'{"accounts": [{%b}, {%b}]}' % (one, two)
    with Hostile(lambda _asked: http(body)) as harvest:
        assert reachable(client_of(harvest))[1] == {1: "a\ufffd\ufffd", 2: ""}


CALLERS = {
    "roles in a number": b'{"id": 1, "access_roles": 5}',
    "roles of all kinds": b'{"id": 1, "access_roles": [1, null, "administrator", {"a": []}]}',
    "id in a list": b'{"id": [1], "access_roles": ["administrator"]}',
    "names": b'{"id": 1, "first_name": {"a": 1}, "last_name": ["x"], "access_roles": []}',
    "claims": b'{"id": 1, "permissions_claims": 7}',
    "deep": b'{"id": ' + deep(200_000) + b"}",
    "a list": b"[1]",
}


@pytest.mark.parametrize("caller", CALLERS.values(), ids=CALLERS)
def test_odd_caller_is_one_that_harvest_does_not_name(caller: bytes) -> None:
    """What is not of the documented shape counts as not said; the company's texts, too."""
    company = (
        b'{"name": {"a": 1}, "base_uri": 7, "currency": [1], "week_start_day": "Monday\\u0000"}'
    )
    with Hostile(lambda asked: http(caller if asked.path == "users/me" else company)) as harvest:
        (account,) = look_up_all(client_of(harvest), [Account(ACCOUNT)])
    assert account.access_roles in {(), ("administrator",)}
    assert account.caller.get("id") in {1, None}
    assert account.caller_name == "the token's user"
    (row,) = account_rows([account], {}, date(2026, 7, 1))
    assert (row["name"], row["currency"], row["week_start_day"]) == (None, None, "Monday\ufffd")
