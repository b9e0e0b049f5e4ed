"""The listener of a sign-in: HTTP on this machine, for the one browser that signs in and nobody else."""

from __future__ import annotations

import os
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from harvest_source.signin.pages import (
    AGAIN,
    BODY_POLICY,
    NO_COOKIE,
    NOT_FETCHED_AHEAD,
    NOT_HERE,
    NOTHING_HERE,
    OPENED_TWICE,
    WAITING,
    WRONG_STATE,
    Page,
    render,
)

if TYPE_CHECKING:
    from harvest_source.signin.sign_in import SignIn

HOST = "127.0.0.1"
START_PATH = "/start"
HTTP_PORT = 80
COOKIE_SECONDS = 600
AHEAD_HEADERS = (
    "Sec-Purpose",
    "Purpose",
    "X-Moz",
)  # of a browser that fetches what nobody has opened yet
PAGES = {"/": WAITING, "/already": AGAIN, "/other": WRONG_STATE, "/cookie": NO_COOKIE}


class Listener(ThreadingHTTPServer):
    """The socket; a browser opens connections ahead that it may never use, so each has its thread."""

    daemon_threads = True
    allow_reuse_address = os.name == "posix"  # on Windows it would let two programs share a port

    def __init__(self, port: int, sign_in: SignIn) -> None:
        self.sign_in = sign_in
        self.hosts = {
            f"{HOST}:{port}",
            *([HOST] if port == HTTP_PORT else []),
        }  # another name may be another site's
        super().__init__((HOST, port), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing: a browser that hangs up is no matter, and a traceback could show the answer."""


class _Handler(BaseHTTPRequestHandler):
    """Serves the pages of one sign-in."""

    server: Listener
    server_version = "harvest-pipeline"
    sys_version = ""
    timeout = 30.0
    wbufsize = -1

    def do_GET(self) -> None:
        """Sends a browser on to Harvest; takes the answer and sends it on to an address without it; or serves a page."""
        path, _, query = self.path.partition("?")
        if self.headers.get_all("Host", []) not in [[host] for host in self.server.hosts]:
            self._send(NOT_HERE)
        elif any(
            "pre" in self.headers.get(name, "") for name in AHEAD_HEADERS
        ):  # prefetch, prerender, preview
            self._send(NOT_FETCHED_AHEAD)
        elif path == START_PATH:
            self._start(query)
        elif path == "/done":
            self._done(query)
        elif path == "/" and query:
            self._take(query)
        else:
            self._send(PAGES.get(path, NOTHING_HERE))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as in the base class
        """Writes no log: the address of a request holds the code."""

    def _start(self, query: str) -> None:
        sign_in = self.server.sign_in
        key = _key(query)
        if not sign_in.starts.is_key(key):
            self._send(NOTHING_HERE)
        elif (
            cookie := sign_in.starts.visit(key, self._cookies())
        ) is None:  # after the answer it is in doubt by that
            self._send(OPENED_TWICE)
        elif sign_in.is_answered:
            self._redirect("/already")
        else:
            self._redirect(sign_in.authorize_url, cookie)

    def _take(self, query: str) -> None:
        sign_in = self.server.sign_in
        if not sign_in.is_mine(query):
            self._redirect("/other")
        elif sign_in.is_answered:
            self._redirect("/already")
        elif not (cookie := sign_in.starts.known(self._cookies())) and sign_in.starts.demanded:
            self._redirect("/cookie")
        else:
            taken = sign_in.take(query, by_browser=True, cookie=cookie)
            self._redirect(f"/done?key={sign_in.done_key}" if taken else "/already")

    def _done(self, query: str) -> None:
        sign_in = self.server.sign_in
        if not sign_in.may_see_the_end(_key(query)):
            self._send(NOTHING_HERE)
            return
        self._send(sign_in.last_page())
        sign_in.page_was_shown()

    def _cookies(self) -> list[str]:
        """Returns the values of our cookie: a parser of the library drops all where another program's is malformed."""
        pairs = [
            pair.strip().partition("=")
            for header in self.headers.get_all("Cookie", [])
            for pair in header.split(";")
        ]
        return [value for name, _, value in pairs if name == self.server.sign_in.starts.cookie_name]

    def _redirect(self, target: str, cookie: str | None = None) -> None:
        self.send_response(HTTPStatus.SEE_OTHER)
        self._send_headers(0)
        self.send_header("Location", target)
        if cookie:
            name = self.server.sign_in.starts.cookie_name
            # not Secure: this is http
            kept = f"Max-Age={COOKIE_SECONDS}; Path=/; HttpOnly; SameSite=Lax"
            self.send_header("Set-Cookie", f"{name}={cookie}; {kept}")
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


def _key(query: str) -> str:
    return parse_qs(query).get("key", [""])[0]
