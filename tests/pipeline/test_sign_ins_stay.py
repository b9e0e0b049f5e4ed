"""A sign-in of before stays until a new one is whole, and `logout` leaves nothing; the browser's command line names no secret."""

from __future__ import annotations

import errno
import json
import os
import signal
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from command_line import Type
from loopback import free_port
from signing import identity, tiny

from harvest_sandbox import Fault, Sandbox
from harvest_source.commands import signing
from harvest_source.signin import exchange

Decide = Callable[[requests.Session, str], None]


def consent(session: requests.Session, start: str, **chosen: str) -> requests.Response:
    """Opens the start page, decides at Harvest, and comes back, as a browser does; returns the last page."""
    asked = session.get(start, timeout=10)
    assert asked.status_code == 200, asked.text
    fields = {name: values[0] for name, values in parse_qs(urlsplit(asked.url).query).items()}
    decision = {**fields, "decision": "allow", "account": "all", **chosen}
    return session.post(asked.url.partition("?")[0], data=decision, timeout=30)


class Place:
    """Somebody at a computer with a browser: types commands, and decides at Harvest."""

    def __init__(
        self, sandbox: Sandbox, type_command: Type, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.sandbox = sandbox
        self.opened: list[str] = []
        self.page = ""
        self._type = type_command
        self._patch = monkeypatch
        self._settings = {
            "CLIENT_ID": sandbox.oauth.client_id,
            "CLIENT_SECRET": sandbox.oauth.client_secret,
            "API_URL": sandbox.api_url,
            "ID_URL": sandbox.id_url,
        }

    def type(self, *arguments: str, **settings: str) -> Any:
        """Types a command."""
        return self._type(
            *arguments, **{**self._settings, "REDIRECT_PORT": str(free_port()), **settings}
        )

    def login(
        self, *options: str, browse: Callable[[str], Any] | None = None, **chosen: str
    ) -> Any:
        """Types `login`, and has the browser do as it is told."""

        def go(start: str) -> bool:
            self.opened.append(start)
            with requests.Session() as session:
                session.trust_env = False
                self.page = browse(start) if browse else consent(session, start, **chosen).text
            return True

        self._patch.setattr(webbrowser, "open", go)
        self._patch.setenv("BROWSER", "a browser")
        return self.type("login", *options)

    def stored(self) -> dict[str, bytes]:
        """Returns the files that hold tokens."""
        folder = Path(os.environ["XDG_CONFIG_HOME"])
        return {
            path.name: content
            for path in folder.rglob("*")
            if path.is_file() and (content := path.read_bytes())
        }


@pytest.fixture
def place(type_command: Type, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Two accounts at Harvest."""
    with identity(tiny(1), tiny(2)) as sandbox:
        yield Place(sandbox, type_command, monkeypatch)


def interrupt(_start: str) -> None:
    os.kill(os.getpid(), signal.SIGINT)


def robbed(start: str) -> str:
    """Has another user's browser be quicker than the person's, answer included; returns the page that the person sees."""
    with requests.Session() as thief:
        thief.trust_env = False
        asked = thief.get(start, timeout=10)
        fields = {name: values[0] for name, values in parse_qs(urlsplit(asked.url).query).items()}
        decision = {**fields, "decision": "allow", "account": "all"}
        sent = thief.post(
            asked.url.partition("?")[0], data=decision, timeout=10, allow_redirects=False
        )
        assert (
            "/done?key="
            in thief.get(sent.headers["Location"], timeout=10, allow_redirects=False).headers[
                "Location"
            ]
        )
    return requests.get(start, timeout=10).text


def full_disk(patch: pytest.MonkeyPatch) -> None:
    """Has the answer with the tokens be the last thing that this machine can write."""

    def no_room(_path: Path, _content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    patch.setattr(exchange, "write_private", no_room)


def test_the_command_line_of_the_browser_names_a_start_page_only(place: Place) -> None:
    """What stands there every user of the machine can read; `state` and the challenge stay between the browser and us."""
    second = str(place.sandbox.accounts[1].id)
    done = place.login("--account", second)
    assert done.code == 0, done.err
    address = urlsplit(place.opened[0])
    assert (address.hostname, address.path, [*parse_qs(address.query)]) == (
        "127.0.0.1",
        "/start",
        ["key"],
    )
    assert "state=" not in done.err
    assert place.opened[0] not in done.err  # what is shown is another one, for another browser
    assert "/start?key=" in done.err
    assert "You are signed in" in place.page
    codes = [
        request.fields["code_verifier"]
        for request in place.sandbox.requests
        if request.fields.get("code")
    ]
    assert len(codes[0]) >= 43

    assert place.type("logout", "--name", "other").code == 0
    assert len([name for name in place.stored() if name.startswith("sign-in-")]) == 1
    assert place.type("logout").code == 0
    assert place.stored() == {}


FAILURES: dict[str, tuple[dict[str, Any], int, str]] = {
    "refused at Harvest": ({"decision": "deny"}, 1, "refused at Harvest"),
    "the token endpoint fails": (
        {"fault": Fault("oauth2/token", status=503)},
        1,
        "sign in again in a moment",
    ),
    "the token is refused": ({"fault": Fault("v2/accounts", status=403, times=None)}, 1, "403"),
    "the wrong account": ({"options": ["--account", "999"]}, 2, "account 999 is not one of"),
    "no account is chosen": ({}, 2, "the earlier sign-in stays, no account is chosen"),
    "another user's browser": (
        {"options": ["--account", "all"], "browse": robbed},
        1,
        "two browsers opened this sign-in",
    ),
    "Ctrl-C": ({"browse": interrupt}, 130, "interrupted: the earlier sign-in stays"),
    "a full disk": (
        {"options": ["--account", "all"], "before": full_disk},
        2,
        "cannot keep tokens in",
    ),
}


@pytest.mark.usefixtures("ctrl_c_heard")
@pytest.mark.parametrize(
    "ways",
    [["no account is chosen"], pytest.param([*FAILURES], marks=pytest.mark.long)],
    ids=["one", "all"],
)
def test_a_login_that_fails_leaves_the_sign_in_of_before(
    place: Place, monkeypatch: pytest.MonkeyPatch, ways: list[str]
) -> None:
    """Whatever it fails by, and nothing of the new one stays."""
    first = str(place.sandbox.accounts[0].id)
    assert place.login(account=first).code == 0
    before = place.stored()
    assert len(before) == 1
    for how in ways:
        case, code, said = FAILURES[how]
        given = dict(case)
        fault, options, prepare = (
            given.pop("fault", None),
            given.pop("options", []),
            given.pop("before", None),
        )
        if fault:
            place.sandbox.faults.append(fault)
        with monkeypatch.context() as patch:
            if prepare:
                prepare(patch)
            done = place.login(*options, **given)
        place.sandbox.faults.clear()
        assert (done.code, said in done.err) == (code, True), (how, done)
        assert place.stored() == before, how
    listed = place.type("accounts", "--json")
    assert [str(row["account_id"]) for row in listed.json()] == [first]
    assert place.login("--account", "all").code == 0
    after = place.stored()
    assert [*after] == [*before]
    assert len(json.loads(next(iter(after.values())))["accounts"]) == 2


def test_a_login_that_fails_by_a_fault_of_this_program_says_so_in_the_browser(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page does not wait for ever."""

    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr(signing, "reachable", broken)
    assert place.login().code == 1
    assert "You are not signed in" in place.page
    assert "ZeroDivisionError" in place.page
    assert place.stored() == {}


def test_a_first_login_whose_account_is_not_reached_leaves_nothing(place: Place) -> None:
    done = place.login("--account", "999")
    assert (done.code, "account 999 is not one of" in done.err) == (2, True)
    assert "You are not signed in" in place.page
    assert place.stored() == {}
