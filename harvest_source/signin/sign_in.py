"""The browser sign-in: the address to open, and the answer that Harvest's redirect brings to the listener on this machine.

Used by a command, never by a load. Prints nothing; exchanging the code and keeping the tokens is the work of `tokens.py`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qs, urlencode, urlsplit

from harvest_source.errors import RefusedError, SettingError, UnavailableError
from harvest_source.settings import DEVELOPERS_URL
from harvest_source.signin.listener import HOST, START_PATH, Listener
from harvest_source.signin.pages import WAITING, Page
from harvest_source.signin.start import Starts

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


def authorize_url(id_url: str, client_id: str, redirect: str, state: str, challenge: str) -> str:
    """Returns the address at Harvest where a person signs in and consents (Harvest API, OAuth2).

    The code challenge (PKCE) is untried with Harvest, whose description is silent on it: servers ignore what they do not know.
    """
    fields = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect,
        "state": state,
    }
    fields |= {"code_challenge": challenge, "code_challenge_method": "S256"}
    return f"{id_url}oauth2/authorize?{urlencode(fields)}"


def code_challenge(verifier: str) -> str:
    """Returns what Harvest may know of a code verifier before the code comes back (RFC 7636, S256)."""
    return (
        base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    )


class SignIn:
    """One sign-in: a secret `state`, which the answer must bring back, and a listener that takes one answer."""

    def __init__(self, port: int, id_url: str, client_id: str) -> None:
        self.redirect_uri = redirect_uri(port)
        self._port = port
        self.state = secrets.token_urlsafe(32)
        # only this process and the request for tokens know it
        self.verifier = secrets.token_urlsafe(48)
        self.authorize_url = authorize_url(
            id_url, client_id, self.redirect_uri, self.state, code_challenge(self.verifier)
        )
        self.starts = Starts(port)
        self.done_key = secrets.token_urlsafe(32)
        self._lock = threading.Lock()
        self._redirect: Redirect | None = None
        self._by_browser = False
        # of the browser that brought the answer, where a start page was asked for
        self._cookie = ""
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
            self._listener = Listener(self._port, self)
        except OSError as error:
            raise SettingError(
                f"port {self._port} is taken on this machine ({{}}): end what uses it, or set "
                f"redirect_port to another one and register that redirect address too, at {DEVELOPERS_URL}",
                quoted=(error.strerror or error,),
            ) from error
        threading.Thread(
            target=self._listener.serve_forever, args=(0.05,), name="sign-in", daemon=True
        ).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops listening; a browser that is on its way to the last page still gets it."""
        if self._by_browser and self._page is not None:
            self._shown.wait(LAST_PAGE_SECONDS)
        self._decided.set()
        self._listener.shutdown()
        self._listener.server_close()

    def start_url(self) -> str:
        """Returns the address of a start page for one browser; from then on an answer must come from such a one."""
        return f"{self.redirect_uri.removesuffix('/')}{START_PATH}?key={self.starts.new_key()}"

    @property
    def is_answered(self) -> bool:
        """Returns whether the answer has come."""
        return self._arrived.is_set()

    def wait(
        self, read_line: ReadLine, wrong_line: Callable[[], None], seconds: float = TIMEOUT_SECONDS
    ) -> str:
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
            if line is not None and line.strip() and not self.take(_query(line.strip())):
                wrong_line()
            if time.monotonic() >= end:
                raise UnavailableError(
                    f"nobody signed in within {seconds:.0f} seconds; start again when you are ready"
                )
        redirect = self._redirect or Redirect()
        if redirect.error == "access_denied":
            raise RefusedError(
                "the access was refused at Harvest: nothing is stored; start again to allow it"
            )
        if not redirect.code:
            reason = redirect.error or "no code in the answer"
            raise RefusedError(
                f"Harvest did not sign in ({{}}): compare client_id and redirect address at {DEVELOPERS_URL}",
                quoted=(reason,),
            )
        return redirect.code

    def show(self, page: Page) -> None:
        """Sets the page that the browser ends on."""
        self._page = page
        self._decided.set()

    def check_browser(self) -> None:
        """Tries whether the answer is still known to come from the person's browser.

        Raises:
            RefusedError: another one came to the same start page, so that the first may be another user's of this machine.
        """
        if self._cookie and not self.starts.known([self._cookie]):
            raise RefusedError(
                "two browsers opened this sign-in, one may be another user's of this machine; start again"
            )

    def take(self, query: str, *, by_browser: bool = False, cookie: str = "") -> bool:
        """Takes an answer; returns whether it was the one: of this sign-in, and the first."""
        fields = parse_qs(query)
        if not self.is_mine(query):
            return False
        with self._lock:
            if self._redirect is not None:
                return False
            self._redirect = Redirect(_only(fields, "code"), _plain(_only(fields, "error")))
            self._by_browser, self._cookie = by_browser, cookie
        self._arrived.set()
        return True

    def is_mine(self, query: str) -> bool:
        """Returns whether an answer belongs to this sign-in."""
        return hmac.compare_digest(_only(parse_qs(query), "state").encode(), self.state.encode())

    def may_see_the_end(self, key: str) -> bool:
        """Returns whether a key is the one that the browser was given in return for the answer."""
        return hmac.compare_digest(key.encode(), self.done_key.encode())

    def last_page(self) -> Page:
        """Returns the page that says how it ended; waits until that is known."""
        self._decided.wait(OUTCOME_SECONDS if self._arrived.is_set() else 0)
        return self._page or WAITING

    def page_was_shown(self) -> None:
        """Notes that the browser has its last page."""
        if self._page is not None:
            self._shown.set()


def _query(address: str) -> str:
    try:
        return urlsplit(address).query
    except ValueError:  # of what looks like a host of IPv6
        return ""


def _only(fields: dict[str, list[str]], name: str) -> str:
    """Returns a field that is there exactly once."""
    values = fields.get(name, [])
    return values[0] if len(values) == 1 else ""


def _plain(error: str) -> str:
    """Returns an error of the redirect address as it may be printed: it comes from outside."""
    return (
        error
        if error.isascii() and error.replace("_", "").isalnum()
        else "unknown error"
        if error
        else ""
    )
