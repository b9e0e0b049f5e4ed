"""Proxies and certificates between this machine and Harvest: what can be told at once is, and names what to set."""

from __future__ import annotations

import socket
import ssl
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from clocks import FastClock
from loopback import Answering, Loopback, free_port
from second_harvest import by_hand

from harvest_source.api.client import TRIES, HarvestClient
from harvest_source.errors import HarvestError, RefusedError, SettingError, UnavailableError
from harvest_source.settings import HarvestSettings
from harvest_source.signin.auth import PersonalToken, refusal
from harvest_source.signin.exchange import PASSING, REFUSED, exchange
from harvest_source.signin.tokens import OAuthClient, order_of

SELF_SIGNED = (
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
    "-days",
    "2",
    "-subj",
    "/CN=x",
)
ELSEWHERE = "https://harvest.invalid/"


class _Answering(Answering):
    owner: Recorder

    def serve(self) -> None:
        self.owner.asked.append(self.path)
        self.send_response(self.owner.status)
        self.end_headers()


@dataclass
class Recorder(Loopback):
    """A proxy, or a server, that answers every request with one status."""

    answers = _Answering
    status: int
    context: ssl.SSLContext | None = None
    asked: list[str] = field(default_factory=list)


def ask(url: str) -> tuple[type[HarvestError], str, float]:
    """Asks for the accounts; returns the error, and the seconds waited by the clock."""
    clock = FastClock()
    client = HarvestClient(
        HarvestSettings(id_url=url, api_url=f"{url}v2/"), PersonalToken("x"), clock
    )
    with client, pytest.raises(HarvestError) as raised:
        client.get_accounts()
    assert client.traffic.requests == (TRIES if raised.type is UnavailableError else 1)
    return raised.type, str(raised.value), clock.skipped_seconds


@pytest.fixture
def certificate(tmp_path: Path) -> ssl.SSLContext:
    """A certificate that nobody has signed."""
    made = [str(tmp_path / name) for name in ("key.pem", "cert.pem")]
    subprocess.run(
        ["openssl", *SELF_SIGNED, "-keyout", made[0], "-out", made[1]],  # noqa: S607
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made[1], made[0])
    return context


def test_certificate_that_is_not_trusted_is_said_at_once(certificate: ssl.SSLContext) -> None:
    """With the variable to set; without another try, for no try helps."""
    with Recorder(200, certificate) as server:
        kind, said, seconds = ask(f"https://127.0.0.1:{server.port}/")
    assert kind is RefusedError
    assert seconds == 0
    assert "certificate is not trusted" in said
    assert "self" in said
    assert "REQUESTS_CA_BUNDLE" in said
    assert "try again" not in said


def test_bundle_that_is_not_there_or_holds_no_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, certificate: ssl.SSLContext
) -> None:
    """A wrong setting, named; it has nothing to do with what can be written here."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "gone.pem"))
    kind, said, _ = ask(ELSEWHERE)
    assert kind is SettingError
    assert "REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names a file that is not there" in said
    (tmp_path / "gone.pem").write_text("no certificate")
    with Recorder(200, certificate) as server:
        kind, said, seconds = ask(f"https://127.0.0.1:{server.port}/")
    assert (kind, seconds) == (RefusedError, 0)
    assert "holds no certificates" in said


@pytest.mark.parametrize(
    ("status", "words"), [(407, "HTTPS_PROXY=http://NAME:PASSWORD@HOST:PORT"), (403, "NO_PROXY")]
)
def test_proxy_that_refuses_is_named(
    monkeypatch: pytest.MonkeyPatch, status: int, words: str
) -> None:
    """At once, without the address of the proxy, in which a password may stand."""
    with Recorder(status) as server:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:SECRET@127.0.0.1:{server.port}")
        kind, said, seconds = ask(ELSEWHERE)
    assert server.asked == ["harvest.invalid:443"]
    assert (kind, seconds) == (RefusedError, 0)
    assert f"({status})" in said
    assert "the proxy" in said
    assert words in said
    assert "SECRET" not in said


def test_proxy_that_is_not_there_is_named_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may come back; the message tells it from Harvest."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free_port()}")
    kind, said, _ = ask(ELSEWHERE)
    assert kind is UnavailableError
    assert said.startswith("the proxy of HTTPS_PROXY cannot be reached")


def test_host_name_that_is_not_found_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a machine without network says first."""

    def not_found(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "not known")

    monkeypatch.setattr(socket, "getaddrinfo", not_found)
    kind, said, _ = ask(ELSEWHERE)
    assert kind is UnavailableError
    assert said.startswith("Harvest's host name is not found (no network?)")


def test_this_machine_is_reached_without_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo and a test server; other hosts keep the user's own exceptions."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    with by_hand(users=2, invoices=1, entries=1) as harvest:
        settings = HarvestSettings(id_url=harvest.id_url, api_url=harvest.api_url)
        with HarvestClient(settings, PersonalToken("x"), FastClock()) as client:
            assert client.get_accounts()["accounts"][0]["id"] == harvest.id


@pytest.mark.parametrize("fault", ["certificate", "proxy that refuses", "proxy that is gone"])
def test_way_to_a_new_token_has_the_same_faults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, certificate: ssl.SSLContext, fault: str
) -> None:
    """The program that asks for tokens tells what lasts, so that it is not asked three times."""
    order = order_of(OAuthClient("c", "s", ELSEWHERE, "u"), 0.0, refresh_token="r")
    context = certificate if fault == "certificate" else None
    with Recorder(407, context) as server:
        url = f"https://127.0.0.1:{server.port}/token" if context else f"{ELSEWHERE}token"
        if not context:
            there = server.port if fault == "proxy that refuses" else free_port()
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{there}")
        result = exchange({**order, "token_url": url}, tmp_path / "answer")
    assert result["outcome"] == (PASSING if fault == "proxy that is gone" else REFUSED)
    if result["outcome"] == REFUSED:
        words = "REQUESTS_CA_BUNDLE" if context else "the proxy of HTTPS_PROXY refuses"
        assert words in str(refusal(result))
