"""Which credential counts, and when a token is renewed: in time, once, by one thread for all, without a loop."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from clocks import FastClock, SteppedClock
from signing import (
    CLIENT_SECRET,
    asked_here,
    identity,
    oauth_settings,
    secrets_of,
    tiny,
    token_requests,
)

from harvest_sandbox import Fault, Sandbox
from harvest_sandbox.answers import Answer
from harvest_source.about import VERSION
from harvest_source.api.client import HarvestClient
from harvest_source.api.limits import Budgets, Limit
from harvest_source.errors import (
    ApiError,
    CancelledError,
    RefusedError,
    SettingError,
    TokenRejectedError,
    UnavailableError,
)
from harvest_source.settings import HarvestSettings
from harvest_source.signin import exchange
from harvest_source.signin.auth import (
    Auth,
    OAuthToken,
    build_auth,
    chosen_account,
    sign_in_with_code,
)
from harvest_source.signin.tokens import configured_file, oauth_client, order_of, sign_in_file

FOURTEEN_DAYS = 1_209_600
NOW = 1_800_000_000.0
TOKEN_PATH = "/api/v2/oauth2/token"


@dataclass
class Place:
    """A sandbox somebody has signed in to."""

    sandbox: Sandbox
    clock: SteppedClock

    def auth(self, **changes: Any) -> Auth:
        """Returns the credentials as a new run finds them."""
        return build_auth(oauth_settings(self.sandbox, **changes), clock=self.clock)[0]

    def client(self, auth: Auth | None = None) -> HarvestClient:
        """Returns a client that never waits."""
        clock = FastClock()
        budgets = Budgets(clock, Limit(1_000_000, 15), Limit(1_000_000, 900))
        return HarvestClient(oauth_settings(self.sandbox), auth or self.auth(), clock, budgets)

    def sign_in(self, name: str = "default") -> None:
        """Signs in, as the browser would."""
        client = oauth_client(oauth_settings(self.sandbox), "")
        code = self.sandbox.oauth.issue_code()
        file = sign_in_file(client, name)
        sign_in_with_code(client, file, code, "http://127.0.0.1:8484/", clock=self.clock)

    def revoke_access(self) -> str:
        """Ends the newest access token at Harvest; returns it."""
        token = str(self.sandbox.oauth.issued[-1]["access_token"])
        self.sandbox.oauth.revoke(token)
        return token

    def revoke_refresh(self) -> None:
        """Ends every refresh token at Harvest."""
        self.sandbox.oauth.refresh_tokens.clear()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A sandbox with single-use refresh tokens and a sign-in; both sides go by one clock."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    asked_here(monkeypatch)  # the process that asks otherwise is tried in test_tokens.py
    clock = SteppedClock(NOW)
    with identity(tiny(), clock=clock.wall) as sandbox:
        sandbox.oauth.rotating = True
        made = Place(sandbox, clock)
        made.sign_in()
        yield made


def test_access_token_counts_first(place: Place) -> None:
    auth = place.auth(access_token="personal", refresh_token="configured")
    assert auth.token() == "personal"
    assert not auth.renew("personal")
    assert chosen_account(auth) is None


def test_configured_refresh_token_counts_before_the_sign_in(place: Place) -> None:
    """And the token it was rotated into counts before it: it works only once."""
    configured = place.sandbox.oauth.issue()["refresh_token"]
    assert (
        place.auth(refresh_token=configured).token()
        == place.sandbox.oauth.issued[-1]["access_token"]
    )
    assert token_requests(place.sandbox) == 2
    place.clock.seconds += FOURTEEN_DAYS
    assert (
        place.auth(refresh_token=configured).token()
        == place.sandbox.oauth.issued[-1]["access_token"]
    )
    used = [
        request.fields["refresh_token"]
        for request in place.sandbox.requests
        if "refresh_token" in request.fields
    ]
    assert used == [configured, place.sandbox.oauth.issued[-2]["refresh_token"]]


def test_a_new_configured_refresh_token_replaces_the_rotated_one(place: Place) -> None:
    for _ in range(2):
        configured = place.sandbox.oauth.issue()["refresh_token"]
        place.auth(refresh_token=f' "{configured}"\n').token()
        assert place.sandbox.requests[-1].fields["refresh_token"] == configured


def test_configured_refresh_token_is_tried_where_the_rotated_one_is_dead(place: Place) -> None:
    place.sandbox.oauth.rotating = False
    configured = place.sandbox.oauth.issue()["refresh_token"]
    file = configured_file(oauth_client(oauth_settings(place.sandbox), ""), configured)
    auth = place.auth(refresh_token=configured)
    auth.token()
    stored = file.read()
    assert stored
    with file.locked():
        file.write(
            stored.renewed(
                {
                    "access_token": "gone",
                    "refresh_token": "dead",
                    "used": "dead too",
                    "sent_at": 0.0,
                }
            )
        )
    assert place.auth(refresh_token=configured).renew("gone")
    tried = [request.fields["refresh_token"] for request in place.sandbox.requests[-3:]]
    assert tried == ["dead", "dead too", configured]


def test_sign_in_counts_last_and_knows_its_account(place: Place) -> None:
    auth = place.auth()
    assert auth.token() == place.sandbox.oauth.issued[-1]["access_token"]
    assert isinstance(auth, OAuthToken)
    assert auth.stored
    assert chosen_account(auth) is None
    assert "at-" not in repr(auth)
    assert "rt-" not in repr(auth)


MISSING = {
    "nothing": ({}, "no access token is set"),
    "no secret": ({"client_id": "c"}, "client_secret is not set"),
    "no id": ({"client_secret": "s"}, "client_id is not set"),
    "refresh token alone": ({"refresh_token": "r"}, "client_id and client_secret are not set"),
    "nobody signed in": (
        {"client_id": "c", "client_secret": "s"},
        "nobody has signed in yet: python harvest_pipeline.py login",
    ),
    "empty refresh token": (
        {"client_id": "c", "client_secret": "s", "refresh_token": '""'},
        "refresh_token is empty",
    ),
}


@pytest.mark.parametrize(("given", "said"), MISSING.values(), ids=MISSING)
def test_what_is_missing_is_said_in_a_line_or_two(
    place: Place, given: dict[str, str], said: str
) -> None:
    assert place
    settings = HarvestSettings()
    for name, value in given.items():
        setattr(settings, name, value)
    with pytest.raises(SettingError, match=said) as caught:
        build_auth(settings)
    assert len(str(caught.value).splitlines()) <= 2


def test_of_several_sign_ins_the_one_that_reaches_the_account_is_taken(place: Place) -> None:
    client = oauth_client(oauth_settings(place.sandbox), "")
    for name, account_id in (("default", "1"), ("work", "2"), ("home", "3")):
        place.sign_in(name)
        file = sign_in_file(client, name)
        stored = file.read()
        assert stored
        with file.locked():
            file.write(type(stored)(**{**vars(stored), "accounts": {account_id: "Name"}}))
    tokens = {
        str(key): str(answer["access_token"])
        for key, answer in zip("123", place.sandbox.oauth.issued[-3:], strict=True)
    }
    settings = oauth_settings(place.sandbox)
    for account_id, token in tokens.items():
        assert (
            build_auth(settings, accounts=(int(account_id),), clock=place.clock)[0].token() == token
        )
    assert build_auth(settings, accounts=(9,), clock=place.clock)[0].token() == tokens["1"]
    assert build_auth(settings, name="home", clock=place.clock)[0].token() == tokens["3"]
    with pytest.raises(
        SettingError, match=r"no sign-in named away.*there are: default, home, work"
    ):
        build_auth(settings, name="away")
    sign_in_file(client, "default").forget()
    with pytest.raises(SettingError, match="several sign-ins"):
        build_auth(settings)


def test_a_daily_run_does_not_renew_until_the_end_is_near(place: Place) -> None:
    """Fourteen days: the first thirteen runs take the stored token, whatever process they are."""
    for _ in range(13):
        place.client().get_accounts()
        place.clock.seconds += 86_400
    assert token_requests(place.sandbox) == 1
    place.clock.seconds += 86_400 - 3_000  # less than an hour is left
    place.client().get_accounts()
    assert token_requests(place.sandbox) == 2


def test_tokens_of_two_seconds_carry_a_long_run(place: Place) -> None:
    """Every request is answered, and there are about as many renewals as lifetimes."""
    place.sandbox.oauth.expires_in = 2
    place.sandbox.oauth.callers.clear()
    client = place.client()
    for _ in range(400):
        client.get_accounts()
        place.clock.seconds += 0.05
    assert {request.status for request in place.sandbox.requests if request.path != TOKEN_PATH} <= {
        200,
        401,
    }
    assert (
        sum(
            request.status == 200
            for request in place.sandbox.requests
            if request.path != TOKEN_PATH
        )
        == 400
    )
    assert 10 <= token_requests(place.sandbox) <= 14


def test_one_thread_renews_for_all(place: Place) -> None:
    """Sixteen requests meet a revoked token at once: one renewal, and every one of them is answered."""
    client = place.client()
    client.get_accounts()
    place.revoke_access()
    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(lambda _: client.get_accounts()["accounts"], range(64)))
    assert token_requests(place.sandbox) == 2


def test_a_new_token_that_is_refused_too_ends_the_run(place: Place) -> None:
    client = place.client()
    place.sandbox.faults.append(Fault("accounts", status=401, times=None))
    with pytest.raises(TokenRejectedError, match="401"):
        client.get_accounts()
    assert token_requests(place.sandbox) == 2


def test_a_dead_refresh_token_says_sign_in_again_and_asks_no_more(place: Place) -> None:
    client = place.client()
    place.revoke_access()
    place.revoke_refresh()
    for _ in range(3):
        with pytest.raises(
            TokenRejectedError, match=r"sign in again: python harvest_pipeline\.py login$"
        ):
            client.get_accounts()
    assert token_requests(place.sandbox) == 2


def test_a_dead_configured_refresh_token_says_to_take_it_out(place: Place) -> None:
    """A new sign-in would not help: the setting counts before it."""
    with pytest.raises(
        TokenRejectedError, match="login, and take refresh_token out of the settings"
    ):
        place.auth(refresh_token="dead").token()


def test_a_named_sign_in_is_named_in_the_hint(place: Place) -> None:
    place.sign_in("work")
    place.revoke_refresh()
    auth, _ = build_auth(oauth_settings(place.sandbox), name="work", clock=place.clock)
    with pytest.raises(TokenRejectedError, match=r"login --name work$"):
        auth.renew(auth.token())


def test_a_wrong_client_is_named(place: Place) -> None:
    place.sandbox.oauth.client_secret = "changed"
    auth = build_auth(oauth_settings(place.sandbox, client_secret="old"), clock=place.clock)[0]
    with pytest.raises(TokenRejectedError, match="compare client_id and client_secret"):
        auth.renew(auth.token())


def test_a_stored_token_that_no_request_can_carry_is_not_shown(place: Place) -> None:
    """As one that an older version has stored."""
    file = sign_in_file(oauth_client(oauth_settings(place.sandbox), ""), "default")
    stored = file.read()
    assert stored
    for odd in ("SECRET\n", "SECRET\u20ac", "SECRET\ud800"):
        with file.locked():
            file.write(replace(stored, access_token=odd))
        with pytest.raises(TokenRejectedError, match="sign in again") as caught:
            place.client().get_accounts()
        assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    "fault", [Fault(TOKEN_PATH, status=503, times=2), Fault(TOKEN_PATH, kind="html", times=2)]
)
def test_a_passing_fault_is_waited_out(place: Place, fault: Fault) -> None:
    auth = place.auth()
    place.sandbox.faults.append(fault)
    assert auth.renew(auth.token())
    assert auth.token() == place.sandbox.oauth.issued[-1]["access_token"]
    assert place.clock.waits == [1.0, 4.0]


def test_the_wait_for_a_new_token_ends_with_the_run(place: Place) -> None:
    """On the first wait, and at once in every thread that comes after; the token endpoint is asked no more."""
    auth = place.auth()
    token = auth.token()
    place.sandbox.faults.append(Fault(TOKEN_PATH, status=503, times=9))
    asked = token_requests(place.sandbox) + 1
    place.clock.on_wait = place.clock.cancel
    for _ in range(3):
        with pytest.raises(CancelledError):
            auth.renew(token)
    assert token_requests(place.sandbox) == asked


def test_a_wait_for_a_new_token_ends_with_its_own_run(place: Place) -> None:
    """Another run that shares the credentials gets the new token."""
    auth = place.auth()
    first, second = place.clock.for_run(), place.clock.for_run()
    token = auth.token(first)
    place.sandbox.faults.append(Fault(TOKEN_PATH, status=503, times=2))
    place.clock.on_wait = first.cancel
    with pytest.raises(CancelledError):
        auth.renew(token, first)
    assert auth.renew(token, second)
    assert auth.token(second) == place.sandbox.oauth.issued[-1]["access_token"] != token


@pytest.mark.parametrize("kind", ["status", "reset"])
def test_a_lasting_outage_is_no_dead_token(place: Place, kind: Any) -> None:
    """The requests of some minutes fail by it at once, and none waits for a token endpoint that drips; then it is tried again."""
    auth = place.auth()
    fault = Fault(TOKEN_PATH, kind=kind, times=3)
    place.sandbox.faults.append(fault)
    token = auth.token()
    for seconds in (0, 1, 200):
        place.clock.seconds += seconds
        with pytest.raises(UnavailableError, match="3 times in a row"):
            auth.renew(token)
    assert token_requests(place.sandbox) == 4
    place.clock.seconds += 100
    assert auth.renew(token)
    assert auth.token() != token


def test_an_outage_is_asked_about_once_where_the_token_has_ended(place: Place) -> None:
    auth = place.auth()
    auth.token()
    place.clock.seconds += FOURTEEN_DAYS + 1
    place.sandbox.faults.append(Fault(TOKEN_PATH, status=503, times=3))
    for _ in range(5):
        with pytest.raises(UnavailableError, match="3 times in a row"):
            auth.token()
    assert token_requests(place.sandbox) == 4
    place.clock.seconds += 301
    assert auth.token() == place.sandbox.oauth.issued[-1]["access_token"]


def test_a_token_that_still_holds_outlasts_an_outage(place: Place) -> None:
    """Renewing early failed: the old token serves on, and the next try comes half a minute later."""
    auth = place.auth()
    token = auth.token()
    place.clock.seconds += FOURTEEN_DAYS - 600
    place.sandbox.faults.append(Fault(TOKEN_PATH, status=503, times=3))
    assert [auth.token() for _ in range(5)] == [token] * 5
    assert token_requests(place.sandbox) == 4
    place.clock.seconds += 31
    assert auth.token() != token


def test_token_at_hand_is_known_without_asking_anybody(place: Place) -> None:
    """Valid or not: by it a run looks up what earlier ones asked. Without a sign-in there is none."""
    token = place.sandbox.oauth.issued[-1]["access_token"]
    for seconds in (0, FOURTEEN_DAYS + 1):
        place.clock.seconds += seconds
        assert place.auth().known_token() == token
    assert len(place.sandbox.oauth.issued) == 1
    renewing = place.auth()
    assert renewing.known_token() != renewing.token() == renewing.known_token()
    assert place.auth(access_token="personal").known_token() == "personal"
    assert place.auth(refresh_token="configured").known_token() is None


def test_without_expiry_a_token_is_used_until_it_is_refused(place: Place) -> None:
    auth = place.auth()
    first = auth.token()
    place.sandbox.faults.append(
        Fault(TOKEN_PATH, status=200, body='{"access_token": "endless", "token_type": "bearer"}')
    )
    assert auth.renew(first)
    place.clock.seconds += 10 * FOURTEEN_DAYS
    assert auth.token() == "endless"
    assert auth.renew("endless")
    assert auth.token() == place.sandbox.oauth.issued[-1]["access_token"]


ODD = {
    "no JSON error": (Answer(400, b"<p>Bad request</p>"), RefusedError, "400"),
    "no route": (Answer(404, b"{}"), RefusedError, "404"),
    "scope": (
        Answer(400, b'{"error": "invalid_scope", "error_description": "SECRET"}'),
        RefusedError,
        "400 invalid_scope",
    ),
    "error with a secret": (
        Answer(400, b'{"error": "token SECRET is bad"}'),
        RefusedError,
        r"\(400\)",
    ),
    **{
        f"our own word {word}": (
            Answer(400, b'{"error": "%s"}' % word.encode()),
            RefusedError,
            r"^Harvest refused to give a token \(400\)",
        )
        for word in (
            exchange.NO_ROOM,
            exchange.TOO_SLOW,
            exchange.ODD_ANSWER,
            *exchange.LASTING_FAULTS.values(),
        )
    },
    "redirect": (
        Answer(307, b"", headers={"Location": "/elsewhere"}),
        RefusedError,
        "TooManyRedirects",
    ),
    "error with status 200": (
        Answer(200, b'{"error": "invalid_grant"}'),
        TokenRejectedError,
        "sign in again",
    ),
}


@pytest.mark.parametrize(("answer", "kind", "said"), ODD.values(), ids=ODD)
def test_odd_answers_end_in_one_line(
    place: Place, monkeypatch: pytest.MonkeyPatch, answer: Answer, kind: type[ApiError], said: str
) -> None:
    """A redirect is not followed: the secret goes to the configured address only."""
    auth = place.auth()
    token = auth.token()
    monkeypatch.setattr(place.sandbox.oauth, "exchange", lambda _fields: answer)
    with pytest.raises(kind, match=said) as caught:
        auth.renew(token)
    assert "SECRET" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "/elsewhere" not in {request.path for request in place.sandbox.requests}


def test_no_password_of_a_netrc_file_is_sent(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password something\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    auth = place.auth()
    auth.renew(auth.token())
    asked = [request for request in place.sandbox.requests if request.path == TOKEN_PATH]
    assert ["authorization" in request.headers for request in asked] == [False, False]
    assert all(
        request.headers["user-agent"].startswith(f"harvest-pipeline/{VERSION} (")
        for request in asked
    )


def test_nothing_secret_is_logged_at_debug(
    place: Place, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also where a program that has the libraries' loggers at DEBUG does the asking itself."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    caplog.set_level(logging.DEBUG)
    for name in ("requests_oauthlib", "oauthlib"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    client = place.client()
    client.get_accounts()
    place.revoke_access()
    client.get_accounts()
    refresh_token = place.sandbox.oauth.issued[-1]["refresh_token"]
    order = order_of(
        oauth_client(oauth_settings(place.sandbox), ""), 0.0, refresh_token=refresh_token
    )
    assert exchange.exchange(order, tmp_path / "answer")["outcome"] == "ok"
    assert "GET /api/v2/accounts" in caplog.text
    assert CLIENT_SECRET in secrets_of(place.sandbox)
    assert not [secret for secret in secrets_of(place.sandbox) if secret in caplog.text]
