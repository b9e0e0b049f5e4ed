"""Connections to Harvest: an answer has so many seconds as a whole, and no redirect is followed.

The time-outs of requests and urllib3 hold for each reading of the socket: a server that sends a byte now and then, or
`100 Continue` without end, would hold a run for ever. So the clock is looked at before each reading, of the head as of the body.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from http.client import HTTPResponse
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from harvest_source.patience import OF_HARVEST

KEPT_OPEN = 10

Now = Callable[[], float]


class Session(requests.Session):
    """Sends requests; takes no cookies, and leaves redirects alone: not even the address in one is looked at."""

    def __init__(self, connections: Connections) -> None:
        """Opens nothing yet; closing it closes the connections, also those that other sessions use."""
        super().__init__()
        for scheme in ("https://", "http://"):
            self.mount(scheme, connections)
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002 - the base class's argument
        """Returns None: an answer that leads elsewhere is an answer like any other."""
        return None


class Connections(HTTPAdapter):
    """Makes connections whose answers have so many seconds, to a host itself as through proxies; any thread may use them."""

    def __init__(
        self,
        answer_seconds: float = OF_HARVEST.whole_seconds,
        kept_open: int = KEPT_OPEN,
        now: Now = time.monotonic,
    ) -> None:
        """Opens nothing yet.

        Args:
            answer_seconds: how long one answer may take, from its request to its last byte; after it, it ends in a time-out.
            kept_open: how many connections to a host.
            now: seconds of a clock that never jumps.
        """
        self._clock = {"answer_seconds": answer_seconds, "now": staticmethod(now)}
        super().__init__(pool_maxsize=kept_open)

    def close(self) -> None:
        """Closes what waits to be used again, now: urllib3 leaves that to Python's garbage collection."""
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            for key in manager.pools.keys():  # noqa: SIM118 - it is no mapping that can be gone over
                manager.pools[key].close()
        super().close()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Makes what keeps the connections."""
        super().init_poolmanager(*args, **kwargs)
        self._time(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Returns what keeps the connections through a proxy."""
        return self._time(super().proxy_manager_for(*args, **kwargs))

    def _time(self, manager: Any) -> Any:
        """Has the connections of a manager, whatever their kind, read answers by the clock."""
        manager.pool_classes_by_scheme = {
            scheme: self._timed(pool) for scheme, pool in manager.pool_classes_by_scheme.items()
        }
        return manager

    def _timed(self, pool: Any) -> Any:
        kind = pool.ConnectionCls
        if issubclass(kind, _TimedConnection):
            return pool
        return type(
            pool.__name__,
            (pool,),
            {"ConnectionCls": type(kind.__name__, (_TimedConnection, kind), self._clock)},
        )


class _TimedConnection:
    """A connection, of whatever kind, that reads each answer by the clock; also a proxy's, to the wish for a tunnel."""

    answer_seconds: float
    now: Now

    def connect(self, *args: Any, **kwargs: Any) -> Any:
        """Opens the connection, and starts the time of a proxy's answer."""
        self._until = self.now() + self.answer_seconds
        return super().connect(*args, **kwargs)  # type: ignore[misc]  # of the kind that it is mixed into

    def request(self, *args: Any, **kwargs: Any) -> Any:
        """Sends a request, and starts the time of its answer."""
        self._until = self.now() + self.answer_seconds
        return super().request(*args, **kwargs)  # type: ignore[misc]  # as above

    def response_class(self, sock: Any, *args: Any, **kwargs: Any) -> HTTPResponse:
        """Returns the answer that is about to come: the standard library calls what it finds under this name."""
        answer = HTTPResponse(sock, *args, **kwargs)
        # nothing was read yet
        answer.fp = io.BufferedReader(_TimedBytes(answer.fp.detach(), sock, self._until, self.now))
        return answer


class _TimedBytes(io.RawIOBase):
    """The bytes of one answer."""

    def __init__(self, source: io.RawIOBase, sock: Any, until: float, now: Now) -> None:
        self._source = source
        self._sock = sock
        self._now = now
        self._until = until
        self._read_seconds: float | None = sock.gettimeout()

    def readable(self) -> bool:
        """Returns True."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Reads what has come, or waits for it: no longer than one reading may take, nor than is left for all of them.

        Raises:
            TimeoutError: nothing came, or the time of the answer is up.
        """
        left_seconds = self._until - self._now()
        if left_seconds <= 0:
            raise TimeoutError("the answer takes too long as a whole")
        if self._read_seconds is None or left_seconds < self._read_seconds:
            self._sock.settimeout(left_seconds)
        return self._source.readinto(buffer)

    def close(self) -> None:
        """Lets go of the socket, as whoever reads the end of an answer does."""
        self._source.close()
        super().close()
