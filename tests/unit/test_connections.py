"""An answer has so many seconds as a whole, however it drips; then it counts as a time-out."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from clocks import FastClock

from harvest_source.api.client import TRIES, HarvestClient
from harvest_source.api.connections import Connections
from harvest_source.api.limits import GENERAL
from harvest_source.commands.sending import Sending
from harvest_source.errors import CancelledError, TooSlowError, UnavailableError
from harvest_source.settings import HarvestSettings
from harvest_source.signin.auth import PersonalToken

ANSWER_SECONDS = 120.0
SECONDS_PER_DRIP = 10.0
DRIPS = 2_000
GOOD = b'{"accounts": [{"id": 1, "name": "x", "product": "harvest"}]}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

Say = Callable[[bytes], None]


class Dripping:
    """A server that answers by a script, and on whose clock every piece of an answer takes its time."""

    def __init__(
        self, script: Callable[[Dripping, Say], None], context: ssl.SSLContext | None = None
    ) -> None:
        self.seconds = 0.0
        self.asked: list[bytes] = []
        self.connections = 0
        self.ended = threading.Event()  # a client has hung up between two requests
        self._script = script
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        threading.Thread(target=self._accept, daemon=True).start()

    def drip(self, say: Say, piece: bytes, times: int) -> None:
        """Says a piece again and again, each after some time."""
        for _ in range(times):
            self.seconds += SECONDS_PER_DRIP
            say(piece)

    def drip_for_ever(self, say: Say, piece: bytes, times: int = DRIPS) -> None:
        """Says a piece as often, then hangs up, so that a test of what is not bounded ends, too."""
        self.drip(say, piece, times)
        raise ConnectionAbortedError

    def close(self) -> None:
        """Takes no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with plain, suppress(OSError):  # whoever has waited long enough hangs up
            connection = (
                self._context.wrap_socket(plain, server_side=True) if self._context else plain
            )
            with connection, connection.makefile("rb") as asked:
                while head := asked.readline():
                    while asked.readline().strip():
                        pass
                    self.asked.append(head)
                    self._script(self, connection.sendall)
                self.ended.set()


@contextmanager
def dripping(
    script: Callable[[Dripping, Say], None], context: ssl.SSLContext | None = None
) -> Iterator[Dripping]:
    """Serves by a script."""
    server = Dripping(script, context)
    try:
        yield server
    finally:
        server.close()


def client_of(
    server: Dripping, url: str = "", answer_seconds: float = ANSWER_SECONDS
) -> HarvestClient:
    """Returns a client that reads answers by the server's clock, and never waits between its tries."""
    url = url or server.url
    connections = Connections(answer_seconds, now=lambda: server.seconds)
    return HarvestClient(
        HarvestSettings(api_url=url, id_url=url),
        PersonalToken("x"),
        FastClock(),
        connections=connections,
    )


def ask(
    server: Dripping, tries: int = TRIES, url: str = "", answer_seconds: float = ANSWER_SECONDS
) -> None:
    """Asks for the accounts."""
    with client_of(server, url, answer_seconds) as client:
        client.get_accounts(tries)


def body(server: Dripping, say: Say) -> None:
    say(HEAD + b"Content-Length: 5000\r\n\r\n")
    server.drip_for_ever(say, b" ")


def body_to_the_end(server: Dripping, say: Say) -> None:
    say(HEAD + b"Connection: close\r\n\r\n")
    server.drip_for_ever(say, b" ")


def packed_body(server: Dripping, say: Say) -> None:
    say(
        HEAD
        + b"Content-Encoding: gzip\r\nContent-Length: 50000\r\n\r\n\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"
    )
    server.drip_for_ever(say, b"\x00\x00\x00\xff\xff")


def chunks(server: Dripping, say: Say) -> None:
    say(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    server.drip_for_ever(say, b"1\r\n \r\n")


def size_of_a_chunk(server: Dripping, say: Say) -> None:
    say(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    server.drip_for_ever(say, b"0")


def lines_behind_the_chunks(server: Dripping, say: Say) -> None:
    say(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n%b\r\n0\r\n" % (len(GOOD), GOOD))
    server.drip_for_ever(say, b"A: b\r\n")


def status_line(server: Dripping, say: Say) -> None:
    say(b"HTTP/1.1 200 ")
    server.drip_for_ever(say, b"O")


def header(server: Dripping, say: Say) -> None:
    say(HEAD + b"A: ")
    server.drip_for_ever(say, b"b")


def headers(server: Dripping, say: Say) -> None:
    say(HEAD)
    server.drip_for_ever(say, b"A: b\r\n", 90)


def continues(server: Dripping, say: Say) -> None:
    server.drip_for_ever(say, b"HTTP/1.1 100 Continue\r\n\r\n")


def refusal(server: Dripping, say: Say) -> None:
    say(b"HTTP/1.1 404 Not Found\r\nContent-Length: 5000\r\n\r\n")
    server.drip_for_ever(say, b" ")


def redirect(server: Dripping, say: Say) -> None:
    say(b"HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 5000\r\n\r\n")
    server.drip_for_ever(say, b" ")


SCRIPTS = (
    body, body_to_the_end, packed_body, chunks, size_of_a_chunk, lines_behind_the_chunks, status_line, header, headers, continues,
    refusal, redirect,
)  # fmt: skip


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_answer_that_drips_ends_in_a_time_out(script: Callable[[Dripping, Say], None]) -> None:
    """Wherever it drips; it is tried again as what does not come in time is, each time on a new connection."""
    with dripping(script) as server:
        with pytest.raises(
            TooSlowError, match=f"^Harvest did not answer in time, {TRIES} times in a row"
        ):
            ask(server)
        assert (len(server.asked), server.connections) == (TRIES, TRIES)


def test_answers_that_end_in_time_are_good_and_each_has_its_own() -> None:
    """Slow ones, one after the other, on one connection that is kept."""
    pieces = 11

    def slowly(server: Dripping, say: Say) -> None:
        say(HEAD + b"Content-Length: %d\r\n\r\n" % (len(GOOD) + pieces))
        server.drip(say, b" ", pieces)
        say(GOOD)

    with dripping(slowly) as server:
        with client_of(server) as client:
            assert [client.get_accounts()["accounts"][0]["id"] for _ in range(5)] == [1] * 5
        assert (server.seconds, len(server.asked), server.connections) == (
            5 * pieces * SECONDS_PER_DRIP,
            5,
            1,
        )


def answers(_server: Dripping, say: Say) -> None:
    say(HEAD + b"Content-Length: %d\r\n\r\n" % len(GOOD) + GOOD)


def test_threads_have_sessions_of_their_own_and_share_connections() -> None:
    """Two threads, one after the other: requests promises no session for several, and no thread opens what is open already."""
    with dripping(answers) as server, client_of(server) as client:
        sessions = []
        for _ in range(2):
            with ThreadPoolExecutor(1) as pool:
                sessions += [
                    pool.submit(lambda: (client.get_accounts(), client._session)[1]).result()  # noqa: SLF001
                ]
        assert sessions[0] is not sessions[1]
        assert (len(server.asked), server.connections) == (2, 1)


def test_as_many_connections_are_kept_as_the_limit_lets_be_used_at_once() -> None:
    """None is thrown away and opened again, whatever the threads are that ask."""
    together = threading.Barrier(GENERAL.requests)

    def answer(server: Dripping, say: Say) -> None:
        together.wait(30)
        answers(server, say)

    with dripping(answer) as server:
        settings = HarvestSettings(api_url=server.url, id_url=server.url)
        with HarvestClient(settings, PersonalToken("x"), FastClock()) as client:
            for rounds in (1, 2):
                with ThreadPoolExecutor(GENERAL.requests) as pool:
                    asked = [pool.submit(client.get_accounts) for _ in range(GENERAL.requests)]
                    assert all(each.result()["accounts"] for each in asked)
                assert len(server.asked) == rounds * GENERAL.requests
                assert server.connections == GENERAL.requests


def test_connections_end_with_their_client() -> None:
    """Also while something still holds the client; one that asks again opens new ones."""
    with dripping(answers) as server:
        client = client_of(server)
        for times in (1, 2):
            with client:
                client.get_accounts()
            assert server.ended.wait(10)
            server.ended.clear()
            assert server.connections == times


def drips_on(_server: Dripping, say: Say, ended: threading.Event) -> None:
    while not ended.wait(0.01):
        say(b" ")


def is_silent(_server: Dripping, _say: Say, ended: threading.Event) -> None:
    ended.wait(30)


@pytest.mark.parametrize("head", [HEAD[:9], HEAD + b"Content-Length: 1000000\r\n\r\n"])
@pytest.mark.parametrize("goes_on", [drips_on, is_silent])
def test_run_that_is_interrupted_waits_for_no_answer_and_others_do(
    head: bytes, goes_on: Callable[[Dripping, Say, threading.Event], None]
) -> None:
    """A program ends once its threads have; with Ctrl-C these wait neither for the next byte nor for the last."""
    begun, ended = threading.Semaphore(0), threading.Event()

    def answer(server: Dripping, say: Say) -> None:
        say(head)
        begun.release()
        goes_on(server, say, ended)
        raise ConnectionAbortedError

    with dripping(answer) as server, ThreadPoolExecutor(2) as pool:
        client = client_of(server)
        runs = [client.for_run(), client.for_run()]
        try:
            interrupted, other = (pool.submit(run.get_accounts, 1) for run in runs)
            assert all(begun.acquire(timeout=10) for _ in runs)
            runs[0].clock.cancel()
            assert isinstance(interrupted.exception(10), CancelledError)
            assert not other.done()
        finally:
            ended.set()
        assert isinstance(other.exception(10), UnavailableError)


def test_waiting_for_one_piece_is_no_longer_than_what_is_left() -> None:
    """Without it the last piece could take its 25 s more. The time is the socket's own here."""
    silent = threading.Event()

    def falls_silent(_server: Dripping, say: Say) -> None:
        say(HEAD + b"Content-Length: 5000\r\n\r\n")
        silent.wait(20)

    with dripping(falls_silent) as server:
        with pytest.raises(TooSlowError, match="did not answer in time"):
            ask(server, 1, answer_seconds=0.05)
        silent.set()


def test_secure_connections_are_read_by_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Harvest's own is."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        [  # noqa: S607 - as found on this machine
         "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    for script in (body, continues):
        with dripping(script, context) as server:
            with pytest.raises(TooSlowError, match="did not answer in time"):
                ask(server, 2, f"https://127.0.0.1:{server.port}/")
            assert len(server.asked) == 2


def test_proxies_are_read_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their own answer, to the wish for a tunnel, may drip as well."""
    for script in (status_line, header, headers):
        with dripping(script) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
            with pytest.raises(TooSlowError, match="did not answer in time"):
                ask(proxy, 2, "https://harvest.invalid/")
            assert [asked.split()[1] for asked in proxy.asked] == [b"harvest.invalid:443"] * 2


@pytest.mark.parametrize(
    "location", [b"/there", b"http://["], ids=["a path", "an address that cannot be read"]
)
def test_webhook_that_redirects_is_told_by_its_status_and_not_read(location: bytes) -> None:
    """Its body may have no end; requests reads it, and where it leads, even if nobody wants to follow."""
    mebibytes = 64

    def leads_on(server: Dripping, say: Say) -> None:
        say(
            b"HTTP/1.1 302 Found\r\nLocation: "
            + location
            + b"\r\nContent-Length: 5000000000\r\n\r\n"
        )
        server.drip_for_ever(say, bytes(2**20), mebibytes)

    with dripping(leads_on) as server:
        assert Sending(f"http://127.0.0.1:{server.port}/", "words").end() == "HTTP 302"
        assert server.seconds < mebibytes * SECONDS_PER_DRIP
