"""The listener of a sign-in answers the browser that signs in and nobody else: another site, another user, another program."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from loopback import free_port

from harvest_source.errors import RefusedError
from harvest_source.signin.pages import signed_in_page
from harvest_source.signin.sign_in import SignIn

ID_URL = "https://id.example/"


@pytest.fixture
def sign_in() -> Iterator[SignIn]:
    """A sign-in that waits for its answer."""
    with SignIn(free_port(), ID_URL, "client") as running:
        yield running


class Browser(requests.Session):
    """A browser with cookies of its own, which goes nowhere by itself."""

    def __init__(self, sign_in: SignIn) -> None:
        super().__init__()
        self._sign_in = sign_in
        self.trust_env = False

    def open(self, address: str, **headers: str) -> requests.Response:
        """Opens an address; returns the answer, a redirect too."""
        return self.get(address, headers=headers, allow_redirects=False, timeout=5)

    def answer(self, **changes: str) -> str:
        """Brings Harvest's answer; returns where the browser is sent on."""
        fields = {"code": "c", "state": self._sign_in.state, **changes}
        answer = self.get(
            self._sign_in.redirect_uri, params=fields, allow_redirects=False, timeout=5
        )
        assert answer.status_code == 303
        return answer.headers["Location"]


def code_of(sign_in: SignIn) -> str:
    """Returns the code that has come."""
    return sign_in.wait(lambda: None, lambda: None, 0)


def raw(sign_in: SignIn, *headers: str) -> bytes:
    """Asks for the page of the answer with these header lines only."""
    with socket.create_connection(
        ("127.0.0.1", urlsplit(sign_in.redirect_uri).port or 0), 5
    ) as connection:
        lines = [
            f"GET /?code=c&state={sign_in.state} HTTP/1.1",
            *headers,
            "Connection: close",
            "",
            "",
        ]
        connection.sendall("\r\n".join(lines).encode())
        return connection.makefile("rb").readline()


def test_another_host_is_answered_nothing(sign_in: SignIn) -> None:
    """As after DNS was turned to this machine by a site; the right answer still counts afterwards."""
    port = urlsplit(sign_in.redirect_uri).port
    own = f"Host: 127.0.0.1:{port}"
    others = [
        "evil.example",
        f"evil.example:{port}",
        f"localhost:{port}",
        "127.0.0.1",
        f"127.0.0.1:{port}.evil.example",
        "",
    ]
    for headers in [
        *[[f"Host: {host}"] for host in others],
        [],
        [own, own],
        [own, "Host: evil.example"],
    ]:
        assert raw(sign_in, *headers).split()[1] == b"421", headers
        assert not sign_in.is_answered
    assert raw(sign_in, own).split()[1] == b"303"
    assert code_of(sign_in) == "c"


def test_how_it_ended_is_shown_to_the_one_who_brought_the_answer(sign_in: SignIn) -> None:
    """Another user of the machine sees no names of users and accounts."""
    end = Browser(sign_in).answer()
    sign_in.show(signed_in_page("Jane Doe", ["Secret Customer Ltd"], choose=False))
    for path in (
        "done",
        "done?key=",
        "done?key=x",
        "done?key=%C3%A4",
        f"done?x={sign_in.done_key}",
        "/done",
    ):
        other = Browser(sign_in).open(sign_in.redirect_uri + path)
        assert (other.status_code, "Jane" in other.text) == (404, False), path
    page = Browser(sign_in).open(sign_in.redirect_uri + end.removeprefix("/"))
    assert "Jane Doe" in page.text
    assert "Secret Customer Ltd" in page.text


def test_the_start_page_sends_on_with_a_cookie_that_the_answer_must_bring(sign_in: SignIn) -> None:
    start = sign_in.start_url()
    assert not [
        secret for secret in (sign_in.state, sign_in.verifier, sign_in.done_key) if secret in start
    ]
    browser = Browser(sign_in)
    sent = browser.open(start)
    assert (sent.status_code, sent.headers["Location"]) == (303, sign_in.authorize_url)
    fields = parse_qs(urlsplit(sign_in.authorize_url).query)
    assert (fields["state"], fields["code_challenge_method"]) == ([sign_in.state], ["S256"])
    attributes = [part.strip() for part in sent.headers["Set-Cookie"].split(";")[1:]]
    assert attributes == ["Max-Age=600", "Path=/", "HttpOnly", "SameSite=Lax"]

    for cookie in (
        "",
        "harvest-pipeline=x",
        f"{sign_in.starts.cookie_name}=x",
        f"{sign_in.starts.cookie_name}=",
    ):
        answer = Browser(sign_in).open(
            f"{sign_in.redirect_uri}?code=evil&state={sign_in.state}", Cookie=cookie
        )
        assert answer.headers["Location"] == "/cookie"
    page = Browser(sign_in).open(sign_in.redirect_uri + "cookie")
    assert (page.status_code, "allow it cookies" in page.text) == (403, True)
    assert browser.answer(state="of another sign-in") == "/other"
    assert not sign_in.is_answered
    assert browser.answer() == f"/done?key={sign_in.done_key}"
    assert (browser.answer(), code_of(sign_in)) == ("/already", "c")
    assert browser.open(start).headers["Location"] == "/already"


def test_a_cookie_is_found_beside_those_of_other_programs(sign_in: SignIn) -> None:
    """All ports of a host share them, whoever made them, and however: twice, too."""
    value = Browser(sign_in).open(sign_in.start_url()).cookies[sign_in.starts.cookie_name]
    name = sign_in.starts.cookie_name
    among = f'_xsrf=2|a; json={{"a": "b"}}; {name}=of-another; odd; {name}={value}; last=ü'.encode().decode(
        "latin-1"
    )
    answer = Browser(sign_in).open(
        f"{sign_in.redirect_uri}?code=c&state={sign_in.state}", Cookie=among
    )
    assert answer.headers["Location"] == f"/done?key={sign_in.done_key}"


def test_a_reload_and_a_second_tab_go_on(sign_in: SignIn) -> None:
    """It is the same browser, also by the address that the terminal shows."""
    first, second = sign_in.start_url(), sign_in.start_url()
    browser = Browser(sign_in)
    for address in (first, first, second, first):
        assert browser.open(address).headers["Location"] == sign_in.authorize_url
    assert browser.answer() == f"/done?key={sign_in.done_key}"


def test_of_two_that_open_one_start_page_neither_goes_on(sign_in: SignIn) -> None:
    """One may be another user, who reads the list of processes; the address that the terminal shows still works."""
    opened, shown = sign_in.start_url(), sign_in.start_url()
    thief, browser = Browser(sign_in), Browser(sign_in)
    assert thief.open(opened).status_code == 303
    refused = browser.open(opened)
    assert (refused.status_code, "Opened twice" in refused.text, sign_in.state in refused.text) == (
        403,
        True,
        False,
    )
    assert thief.answer(code="of the thief") == "/cookie"
    assert thief.open(opened).status_code == 403
    assert browser.open(shown).status_code == 303
    assert thief.answer(code="of the thief") == "/cookie"
    assert browser.answer(code="good") == f"/done?key={sign_in.done_key}"
    assert code_of(sign_in) == "good"


def test_a_second_browser_that_comes_after_the_answer_makes_it_doubtful(sign_in: SignIn) -> None:
    """The first may be another user's, who was quick; a reload, a wrong key and a look without one leave no doubt."""
    opened, shown = sign_in.start_url(), sign_in.start_url()
    thief = Browser(sign_in)
    assert thief.open(opened).status_code == 303
    assert thief.answer(code="of the thief").startswith("/done")
    for address in (opened, opened + "x", sign_in.redirect_uri):
        thief.open(address)
    Browser(sign_in).open(shown)  # nobody else had opened it
    sign_in.check_browser()
    refused = Browser(sign_in).open(opened)
    assert (refused.status_code, "Opened twice" in refused.text) == (403, True)
    with pytest.raises(RefusedError, match="two browsers opened this sign-in"):
        sign_in.check_browser()


def test_an_answer_without_a_start_page_is_not_doubted(sign_in: SignIn) -> None:
    Browser(sign_in).answer()
    sign_in.check_browser()


def test_what_nobody_opened_uses_nothing_up(sign_in: SignIn) -> None:
    """A page fetched ahead, a look at the headers, a wrong key."""
    start = sign_in.start_url()
    for name, value in {
        "Sec-Purpose": "prefetch;prerender",
        "Purpose": "prefetch",
        "X-Moz": "prefetch",
    }.items():
        ahead = Browser(sign_in).open(start, **{name: value})
        assert (ahead.status_code, "Set-Cookie" in ahead.headers) == (503, False)
    assert requests.head(start, timeout=5).status_code == 501
    for other in (start + "x", start.partition("?")[0], start.partition("=")[0] + "="):
        assert Browser(sign_in).open(other).status_code == 404
    assert Browser(sign_in).open(start).status_code == 303


def test_a_pasted_line_that_is_no_address_is_told_and_the_wait_goes_on(sign_in: SignIn) -> None:
    lines = [
        "http://[abc/?code=1\n",
        "http://a]/",
        "nonsense",
        f"http://127.0.0.1/?code=good&state={sign_in.state}",
    ]
    wrong: list[str] = []
    code = sign_in.wait(lambda: lines.pop(0) if lines else None, lambda: wrong.append(""), 30)
    assert (code, len(wrong)) == ("good", 3)


def test_without_a_start_page_no_cookie_is_asked_for(sign_in: SignIn) -> None:
    """`--no-browser`: the address may be opened in any browser, also on another computer."""
    assert Browser(sign_in).answer() == f"/done?key={sign_in.done_key}"
