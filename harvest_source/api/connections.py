"""Connections to Harvest: an answer has so many seconds as a whole, and no redirect is followed.

The time-outs of requests and urllib3 hold for each reading of the socket: a server that sends a byte now and then, or
`100 Continue` without end, would hold a run for ever. So the clock is looked at before each reading, of the head as of the body.
A run that is interrupted is noticed within a second: Python ends only after the threads that read.
"""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable
from http.client import HTTPResponse
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import wait_for_read

from harvest_source.patience import OF_HARVEST

KEPT_OPEN = 10
LOOK_SECONDS = 1.0  # between two looks whether the run is interrupted

Now = Callable[[], float]
Check = Callable[[], None]
"""Raises what ends a request that is on its way."""


class _Checks(threading.local):
    """What each thread checks while it waits: connections are shared by clients, each with a run of its own."""

    check: Check = staticmethod(lambda: None)


class Session(requests.Session):
    """Sends requests; takes no cookies, and leaves redirects alone: not even the address in one is looked at."""

    def __init__(self, connections: Connections, check: Check = lambda: None) -> None:
        """Opens nothing yet; closing it closes the connections, also those that other sessions use.

        Args:
            connections: to send by.
            check: called now and then while an answer is waited for, by the thread that asked; what it raises ends the request.
        """
        super().__init__()
        self._checks, self._check = connections.checks, check
        for scheme in ("https://", "http://"):
            self.mount(scheme, connections)
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Sends a request."""
        self._checks.check = self._check
        return super().send(request, **kwargs)

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
        self.checks = _Checks()
        self._clock = {
            "answer_seconds": answer_seconds,
            "now": staticmethod(now),
            "checks": self.checks,
        }
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
    checks: _Checks

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
        source = answer.fp.detach()
        timed = _TimedBytes(source, sock, self._until, self.now, self.checks.check)
        answer.fp = io.BufferedReader(timed)
        return answer


class _TimedBytes(io.RawIOBase):
    """The bytes of one answer."""

    def __init__(
        self, source: io.RawIOBase, sock: Any, until: float, now: Now, check: Check
    ) -> None:
        self._source = source
        self._sock = sock
        self._now = now
        self._check = check
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
        self._check()
        left_seconds = self._until - self._now()
        if left_seconds <= 0:
            raise TimeoutError("the answer takes too long as a whole")
        if self._read_seconds is None or left_seconds < self._read_seconds:
            self._sock.settimeout(left_seconds)
        self._wait(self._sock.gettimeout())
        return self._source.readinto(buffer)

    def _wait(self, seconds: float) -> None:
        """Waits for bytes, and checks meanwhile; what cannot tell whether they came waits while it is read.

        Raises:
            TimeoutError: nothing came in so many seconds.
        """
        has_some = getattr(self._sock, "pending", int)()  # of TLS, unpacked already
        if has_some or not isinstance(self._sock, socket.socket):
            return
        while not wait_for_read(self._sock, min(seconds, LOOK_SECONDS)):
            self._check()
            seconds -= LOOK_SECONDS
            if seconds <= 0:
                raise TimeoutError("nothing came in time")

    def close(self) -> None:
        """Lets go of the socket, as whoever reads the end of an answer does."""
        self._source.close()
        super().close()
