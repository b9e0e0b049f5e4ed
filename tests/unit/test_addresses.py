"""Where a request goes is judged as it is sent: nothing with a token leaves for a host that is not Harvest's."""

from __future__ import annotations

import json
import string
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from clocks import FastClock
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from second_harvest import HandMade

from harvest_source.api import client as client_module
from harvest_source.api.client import HarvestClient
from harvest_source.errors import RefusedError, SettingError
from harvest_source.settings import HarvestSettings, parse_url, parse_webhook_url
from harvest_source.signin.auth import PersonalToken

TOKEN = "SECRET-TOKEN-123"


@contextmanager
def pair() -> Iterator[tuple[HandMade, HandMade]]:
    """Serves an API and a stranger beside it."""
    with HandMade() as api, HandMade() as evil:
        yield api, evil


@pytest.fixture(name="pair")
def fixture_of_pair() -> Iterator[tuple[HandMade, HandMade]]:
    """Serves both for one test."""
    with pair() as both:
        yield both


def client_of(api: HandMade) -> HarvestClient:
    """Returns a client of an API that never waits."""
    return HarvestClient(
        HarvestSettings(api_url=api.api_url, id_url=api.id_url), PersonalToken(TOKEN), FastClock()
    )


def follow(api: HandMade, link: str, where: str = "next") -> bool:
    """Has the first page of clients lead to an address; returns whether that was followed, to the API."""
    api.requests.clear()
    first = json.dumps({"clients": [], "links": {where: link}}).encode()
    api.spoil = lambda _asked: (200, first if len(api.requests) == 1 else b'{"clients": []}')
    try:
        list(client_of(api).iter_pages(api.id, "clients", "clients", {}, "clients"))
    except RefusedError:
        assert len(api.requests) == 1
        return False
    assert len(api.requests) == (2 if where == "next" else 1)
    return True


FOREIGN = {
    "a backslash before an at": "http://{evil}\\@{api}/v2/clients",
    "two backslashes": "http://{evil}\\\\@{api}/v2/clients",
    "a backslash in place of a slash": "http:\\\\{evil}\\v2\\clients",
    "a backslash behind the host": "http://{api}\\.{evil}/v2/clients",
    "a backslash in the path": "http://{api}/v2\\clients",
    "a name": "http://{api}@{evil}/v2/clients",
    "a name of the API's": "http://me@{api}/v2/clients",
    "an empty name": "http://@{api}/v2/clients",
    "a name and a password": "http://{api}:x@{evil}/v2/clients",
    "two names": "http://{evil}@{evil}@{api}/v2/clients",
    "a fragment before an at": "http://{evil}#@{api}/v2/clients",
    "a query before an at": "http://{evil}?@{api}/v2/clients",
    "a name with an encoded slash": "http://{evil}%2f@{api}/v2/clients",
    "an encoded at": "http://{evil}%40{api}/v2/clients",
    "an encoded dot": "http://127%2e0.0.1:{port}/v2/clients",
    "a space in front": " http://{evil}/v2/clients",
    "a space before the API": " http://{api}/v2/clients",
    "a tab in the host": "http://127.0.0.\t1:{port}/v2/clients",
    "a line end in the port": "http://{evil}\n@{api}/v2/clients",
    "a line end in the path": "http://{api}/v2/clients\r\nX-More: 1",
    "a zero byte": "http://{evil}\x00@{api}/v2/clients",
    "a sign that hides": "http://{api}\u200b@{evil}/v2/clients",
    "a wide slash": "http://{evil}\uff0f@{api}/v2/clients",
    "a wide at": "http://{evil}\uff20{api}/v2/clients",
    "half a surrogate pair": "http://{api}/v2/clients\ud800",
    "another scheme": "https://{api}/v2/clients",
    "ftp": "ftp://{api}/v2/clients",
    "a scheme with more": "http+unix://{api}/v2/clients",
    "no scheme": "//{evil}/v2/clients",
    "three slashes": "http:///{evil}/v2/clients",
    "one slash": "http:/{evil}/v2/clients",
    "a port that is none": "http://127.0.0.1:abc/v2/clients",
    "a port too high": "http://127.0.0.1:99999/v2/clients",
    "a port of zero": "http://127.0.0.1:0/v2/clients",
    "a negative port": "http://127.0.0.1:-{port}/v2/clients",
    "no port": "http://127.0.0.1/v2/clients",
    "two ports": "http://127.0.0.1:{port}:{port}/v2/clients",
    "an open bracket": "http://[::1/v2/clients",
    "a bracketed name": "http://[{evil}]@{api}/v2/clients",
    "the host as a number": "http://2130706433:{port}/v2/clients",
    "the host in hexadecimal": "http://0x7f.0.0.1:{port}/v2/clients",
    "a dot behind the host": "http://127.0.0.1.:{port}/v2/clients",
    "a longer host": "http://127.0.0.1.example.com:{port}/v2/clients",
}


def formatted(address: str, api: HandMade, evil: HandMade) -> str:
    """Returns an address of the tables with the hosts of the two servers."""
    return address.format(api=f"127.0.0.1:{api.port}", evil=f"127.0.0.1:{evil.port}", port=api.port)


@pytest.mark.parametrize("where", ["next", "previous"])
def test_no_link_leads_to_a_stranger(pair: tuple[HandMade, HandMade], where: str) -> None:
    """Whichever of the libraries would read it so; the links that nobody follows are judged as well."""
    api, evil = pair
    followed = {
        name for name, link in FOREIGN.items() if follow(api, formatted(link, api, evil), where)
    }
    assert (followed, evil.requests) == (set(), [])


GOOD = {
    "as the API writes it": "http://{api}/v2/clients?page=2&per_page=2000&ref=next_cursor",
    "capital letters": "HTTP://{api}/v2/clients",
    "a query alone": "http://{api}?cursor=5",
    "an at in the query": "http://{api}/v2/clients?of=me@example.com",
    "what is encoded stays": "http://{api}/v2/clients?updated_since=2026-01-01T00%3A00%3A00Z",
}


def test_links_to_the_api_are_followed(pair: tuple[HandMade, HandMade]) -> None:
    """With the token."""
    api, evil = pair
    followed = {name for name, link in GOOD.items() if follow(api, formatted(link, api, evil))}
    assert followed == GOOD.keys()
    assert api.requests[-1].headers["authorization"] == f"Bearer {TOKEN}"


ODD = st.sampled_from(
    [
        *"\\@#?/:%[].\t\n\r \x00\x7f\u200b\u2028\uff0f\uff20\u3002\u00e9",
        "%2f",
        "%40",
        "%5c",
        "//",
        "\\\\",
        "..",
        "xn--",
    ]
)
PARTS = st.one_of(
    st.sampled_from(
        ["http:", "https:", "//", "{api}", "{evil}", "127.0.0.1", ":{port}", "/v2/clients"]
    ),
    ODD,
    st.text(string.printable),
)
BENT = st.tuples(st.sampled_from(list(GOOD.values())), st.integers(0, 40), ODD).map(
    lambda bent: bent[0][: bent[1]] + bent[2] + bent[0][bent[1] :]
)
ADDRESSES = st.one_of(
    BENT,
    st.lists(PARTS, min_size=1, max_size=8).map("".join),
    st.lists(PARTS, max_size=6).map(lambda parts: "http://" + "".join(parts)),
)


def test_whatever_is_accepted_is_sent_to_the_api() -> None:
    """Any address: it is refused before anything is sent, or the API itself gets the request."""
    with pair() as (api, evil):
        hosts = {
            "{api}": f"127.0.0.1:{api.port}",
            "{evil}": f"127.0.0.1:{evil.port}",
            "{port}": str(api.port),
        }

        @settings(max_examples=150, suppress_health_check=list(HealthCheck))
        @given(ADDRESSES)
        @example("http://{evil}\\@{api}/v2/clients")
        def check(link: str) -> None:
            for name, host in hosts.items():
                link = link.replace(name, host)
            if link:  # else it is the last page
                follow(api, link)
            assert evil.requests == []

        check()


OVERLOOKED = ("a backslash before an at", "a name and a password", "a query before an at")


def test_token_is_judged_once_more_where_it_is_attached(
    pair: tuple[HandMade, HandMade], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were a link overlooked, the request would still not be signed, and so not be sent."""
    api, evil = pair
    monkeypatch.setattr(
        client_module, "next_link", lambda data, _api_url: data.get("links", {}).get("next")
    )
    for link in ("http://{evil}/v2/clients", *(FOREIGN[name] for name in OVERLOOKED)):
        assert not follow(api, formatted(link, api, evil))
    assert evil.requests == []


LEADING = [
    "http://{evil}/v2/",
    "http://[",
    "http://{evil}:abc/",
    "//{evil}/",
    "\\\\{evil}\\",
    "http://{evil}\\@{api}/",
    "\xff\xfe",
    "",
]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_even_looked_at(pair: tuple[HandMade, HandMade], status: int) -> None:
    """Wherever they lead, and however odd they are: one line of the report's own, and nothing to the stranger."""
    api, evil = pair
    api.spoil = lambda _asked: (status, b"")
    for location in LEADING:
        api.headers = {"Location": formatted(location, api, evil)}
        with pytest.raises(RefusedError, match="redirect"):
            client_of(api).get(api.id, "clients", ("clients",))
        with pytest.raises(RefusedError, match="redirect"):
            client_of(api).get_accounts()
    assert evil.requests == []


SETTINGS = [
    "https://evil.example\\@api.harvestapp.com/v2/",
    "https://api.harvestapp.com\\.evil.example/v2/",
    "https:\\\\api.harvestapp.com\\v2",
    "https://me@api.harvestapp.com/v2/",
    "https://me:pass@api.harvestapp.com/v2/",
    "https://@api.harvestapp.com/v2/",
    "https://api.harvestapp.com@evil.example/v2/",
    "https://api.harvestapp.com%40evil.example/v2/",
    "https://api.harvestapp.com/v2 /",
    "https://api.harvest\tapp.com/v2/",
    "https://api.harvestapp.com/v2/\x00",
    "https://api.harvestapp.com\u200b/v2/",
    "https://evil.example\uff0f@api.harvestapp.com/",
    "https://api.harvestapp.com:abc/v2/",
    "https://api.harvestapp.com:99999/v2/",
    "https://[::1/v2/",
    "https://*.harvestapp.com/v2/",
    "http://localhost\\@evil.example/",
    "http://127.0.0.1@evil.example/",
    "http://127.0.0.1\\.evil.example/",
    "httpx://127.0.0.1/",
]


@pytest.mark.parametrize("url", SETTINGS)
def test_settings_are_judged_as_they_are_sent(url: str) -> None:
    """Addresses of the API, of the sign-in and of a webhook alike; the message does not repeat what may be secret."""
    for name, parse in (
        ("api_url", parse_url),
        ("id_url", parse_url),
        ("notify_url", parse_webhook_url),
    ):
        with pytest.raises(SettingError, match=f"^{name} must be") as raised:
            parse(name, url)
        assert "pass" not in str(raised.value)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    ["https://api.example.com/v2/?of=", "https://api.example.com/#v2", "https://api.example.com?"],
)
def test_base_address_has_no_query_and_no_fragment(url: str) -> None:
    """What is asked for is written behind it, and would end up in the query, or nowhere. A webhook may have both."""
    with pytest.raises(
        SettingError,
        match=r"^api_url must be an https address such as https://api.harvestapp.com/v2/, of host and path",
    ):
        parse_url("api_url", url)
    assert parse_webhook_url("notify_url", url) == url


def test_base_address_is_kept_as_it_is_sent() -> None:
    """Whoever reads the setting reads what the libraries read."""
    assert parse_url("api_url", "HTTPS://API.Example.com/v2/../v2") == "https://api.example.com/v2/"
    assert parse_url("id_url", "https://b\u00fccher.example") == "https://xn--bcher-kva.example/"
