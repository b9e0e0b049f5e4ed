"""Start pages of a sign-in: each sends one browser on to Harvest, and knows it again by a cookie.

A browser is started by its command line, which every user of the machine can read. So that names a start page on this
machine only, and what must stay between Harvest and us (`state`, the code challenge) is first said to the browser itself.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Iterable


class Starts:
    """The keys of the start pages, and the cookies of those who came."""

    def __init__(self, port: int) -> None:
        self.cookie_name = f"harvest-pipeline-{port}"  # cookies are shared by all ports of a host
        self._lock = threading.Lock()
        # key -> the cookie of whoever came first; empty: nobody yet, or two came
        self._cookies: dict[str, str] = {}
        self._left: set[str] = set()  # keys that nobody has used

    @property
    def demanded(self) -> bool:
        """Returns whether an answer must bring a cookie: a start page was handed out."""
        return bool(self._cookies)

    def new_key(self) -> str:
        """Returns the key of a new start page."""
        key = secrets.token_urlsafe(32)
        self._cookies[key] = ""
        self._left.add(key)
        return key

    def is_key(self, key: str) -> bool:
        """Returns whether there is a start page of this key."""
        return any(hmac.compare_digest(key.encode(), known.encode()) for known in self._cookies)

    def visit(self, key: str, brought: Iterable[str]) -> str | None:
        """Takes a browser in; returns its cookie.

        Returns:
            the cookie it brought, where it is known: a reload, or a second tab; a new one for the first that comes; `None`
            for another one. Nobody can tell which of the two is the person's, so that neither is known from then on.
        """
        known = self.known(brought)
        with self._lock:
            if key in self._left:
                self._left.remove(key)
                self._cookies[key] = known or secrets.token_urlsafe(32)
                return self._cookies[key]
            if known:
                return known
            self._cookies[key] = ""
            return None

    def known(self, brought: Iterable[str]) -> str:
        """Returns the cookie among those that a browser brought which was given to one; empty: there is none."""
        given = [cookie for cookie in self._cookies.values() if cookie]
        return next(
            (
                each
                for each in brought
                for cookie in given
                if hmac.compare_digest(each.encode(), cookie.encode())
            ),
            "",
        )
