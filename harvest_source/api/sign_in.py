"""The browser sign-in: the address to open, and the listener on this machine that takes Harvest's answer.

Used by a command, never by a load. Prints nothing; exchanging the code and keeping the tokens is the work of `tokens.py`.
"""

from __future__ import annotations

import hmac
import os
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

from harvest_source.api.errors import RefusedError, SettingError, UnavailableError
from harvest_source.api.pages import AGAIN, BODY_POLICY, NOTHING_HERE, WAITING, WRONG_STATE, Page, render
from harvest_source.settings import DEVELOPERS_URL

HOST = "127.0.0.1"
TIMEOUT_SECONDS = 300.0
LOOK_SECONDS = 0.2  # between two looks at a pasted answer
OUTCOME_SECONDS = 120.0  # the browser waits so long for what became of the sign-in
LAST_PAGE_SECONDS = 5.0  # the listener waits so long for the browser to fetch the last page
HIGHEST_PORT = 65535

ReadLine = Callable[[], str | None]
"""Returns a line that was pasted, or None where there is none yet; never waits."""


@dataclass(frozen=True)
class Redirect:
    """What the browser brought back from Harvest."""

    code: str = ""
    error: str = ""


def redirect_uri(port: int) -> str:
    """Returns the address that Harvest sends the browser back to; it is registered there, to the letter.

    Raises:
        SettingError: the port is none.
    """
    if not 0 < port <= HIGHEST_PORT:
        raise SettingError(f"redirect_port is {port}; it must be a port number such as 8484")
    return f"http://{HOST}:{port}/"


def authorize_url(id_url: str, client_id: str, redirect: str, state: str) -> str:
    """Returns the address at Harvest where a person signs in and consents (Harvest API, OAuth2)."""
    fields = {"response_type": "code", "client_id": client_id, "redirect_uri": redirect, "state": state}
    return f"{id_url}oauth2/authorize?{urlencode(fields)}"


class SignIn:
    """One sign-in: a secret `state`, which the answer must bring back, and a listener that takes one answer."""

    def __init__(self, port: int) -> None:
        self.redirect_uri = redirect_uri(port)
        self._port = port
        self.state = secrets.token_urlsafe(32)
        self._lock = threading.Lock()
        self._redirect: Redirect | None = None
        self._by_browser = False
        self._arrived = threading.Event()
        self._page: Page | None = None
        self._decided = threading.Event()
        self._shown = threading.Event()

    def __enter__(self) -> Self:
        """Listens.

        Raises:
            SettingError: the port is taken.
        """
        try:
            self._listener = _Listener((HOST, self._port), self)
        except OSError as error:
            raise SettingError(
                f"port {self._port} is taken on this machine ({error.strerror or error}): end what uses it, or set "
                f"redirect_port to another one and register that redirect address too, at {DEVELOPERS_URL}"
            ) from error
        threading.Thread(target=self._listener.serve_forever, args=(0.05,), name="sign-in", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops listening; a browser that is on its way to the last page still gets it."""
        if self._by_browser and self._page is not None:
            self._shown.wait(LAST_PAGE_SECONDS)
        self._decided.set()
        self._listener.shutdown()
        self._listener.server_close()

    def wait(self, read_line: ReadLine, wrong_line: Callable[[], None], seconds: float = TIMEOUT_SECONDS) -> str:
        """Waits for the answer, from the browser or pasted; returns the code that Harvest exchanges for tokens.

        Args:
            read_line: gives what was pasted.
            wrong_line: told when that was no answer to this sign-in.
            seconds: how long to wait.

        Raises:
            RefusedError: the person, or Harvest, said no.
            UnavailableError: nobody answered in time.
        """
        end = time.monotonic() + seconds
        while not self._arrived.wait(LOOK_SECONDS):
            line = read_line()
            if line is not None and line.strip() and not self.take(urlsplit(line.strip()).query):
                wrong_line()
            if time.monotonic() >= end:
                raise UnavailableError(f"nobody signed in within {seconds:.0f} seconds; start again when you are ready")
        redirect = self._redirect or Redirect()
        if redirect.error == "access_denied":
            raise RefusedError("the access was refused at Harvest: nothing is stored; start again to allow it")
        if not redirect.code:
            reason = redirect.error or "no code in the answer"
            raise RefusedError(f"Harvest did not sign in ({reason}): compare client_id and redirect address at {DEVELOPERS_URL}")
        return redirect.code

    def show(self, page: Page) -> None:
        """Sets the page that the browser ends on."""
        self._page = page
        self._decided.set()

    def take(self, query: str, *, by_browser: bool = False) -> bool:
        """Takes an answer; returns whether it was the one: of this sign-in, and the first."""
        fields = parse_qs(query)
        if not self.is_mine(query):
            return False
        with self._lock:
            if self._redirect is not None:
                return False
            self._redirect = Redirect(_only(fields, "code"), _plain(_only(fields, "error")))
            self._by_browser = by_browser
        self._arrived.set()
        return True

    def is_mine(self, query: str) -> bool:
        """Returns whether an answer belongs to this sign-in."""
        return hmac.compare_digest(_only(parse_qs(query), "state").encode(), self.state.encode())

    def last_page(self) -> Page:
        """Returns the page that says how it ended; waits until that is known."""
        self._decided.wait(OUTCOME_SECONDS if self._arrived.is_set() else 0)
        return self._page or WAITING

    def page_was_shown(self) -> None:
        """Notes that the browser has its last page."""
        if self._page is not None:
            self._shown.set()


def _only(fields: dict[str, list[str]], name: str) -> str:
    """Returns a field that is there exactly once."""
    values = fields.get(name, [])
    return values[0] if len(values) == 1 else ""


def _plain(error: str) -> str:
    """Returns an error of the redirect address as it may be printed: it comes from outside."""
    return error if error.isascii() and error.replace("_", "").isalnum() else "unknown error" if error else ""


class _Listener(ThreadingHTTPServer):
    """The socket; a browser opens connections ahead that it may never use, so each has its thread."""

    daemon_threads = True
    allow_reuse_address = os.name == "posix"  # on Windows it would let two programs share a port

    def __init__(self, address: tuple[str, int], sign_in: SignIn) -> None:
        self.sign_in = sign_in
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing: a browser that hangs up is no matter, and a traceback could show the answer."""


class _Handler(BaseHTTPRequestHandler):
    """Serves the pages of one sign-in."""

    server: _Listener
    server_version = "harvest-pipeline"
    sys_version = ""
    timeout = 30.0
    wbufsize = -1

    def do_GET(self) -> None:
        """Takes the answer and sends the browser on to an address without it; or serves the page there."""
        path, _, query = self.path.partition("?")
        if path == "/" and query:
            self._take(query)
            return
        pages = {"/": WAITING, "/done": None, "/already": AGAIN, "/other": WRONG_STATE}
        page = pages.get(path, NOTHING_HERE)
        self._send(page or self.server.sign_in.last_page())
        if path == "/done":
            self.server.sign_in.page_was_shown()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as in the base class
        """Writes no log: the address of a request holds the code."""

    def _take(self, query: str) -> None:
        sign_in = self.server.sign_in
        other = "/already" if sign_in.is_mine(query) else "/other"
        target = "/done" if sign_in.take(query, by_browser=True) else other
        self.send_response(HTTPStatus.SEE_OTHER)
        self._send_headers(0)
        self.send_header("Location", target)
        self.end_headers()

    def _send(self, page: Page) -> None:
        body = render(page).encode()
        self.send_response(page.status)
        self._send_headers(len(body))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _send_headers(self, length: int) -> None:
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(length))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Security-Policy", BODY_POLICY)
