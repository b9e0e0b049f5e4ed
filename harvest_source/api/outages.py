"""Notices when Harvest gives no answer, whatever is asked, and names the cause soon, while the requests are tried again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from harvest_source.clock import Clock

FAULT_SECONDS = 5.0  # faults that last so long are named; shorter ones pass by themselves
# without even a fault: an address that is looked up, a connection that is not refused, take their time
SILENCE_SECONDS = 10.0
LOOK_SECONDS = 1.0  # between two looks, so that silence is noticed, too

OnOutage = Callable[[str], None]
"""Told what keeps Harvest's answers away, once for each outage, and when they come again; called from any thread."""


class Outages:
    """Watches the requests of one client; safe to use from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._tell: OnOutage = lambda _why: None
        self._in_flight = 0
        # when a request was sent that no answer came after, of any request
        self._since: float | None = None
        self._cause: str | None = None
        self._told = False

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Watches one request while it is on its way."""
        with self._lock:
            self._in_flight += 1
            if self._since is None:
                self._since = self._clock.now()
        try:
            yield
        finally:
            with self._lock:
                self._in_flight -= 1

    def answered(self) -> None:
        """Notes an answer, good or bad: Harvest is there."""
        with self._lock:
            self._since = self._clock.now() if self._in_flight else None
            told, self._told, self._cause = self._told, False, None
        if told:
            self._tell("Harvest answers again")

    def failed(self, cause: str) -> None:
        """Notes that a request brought no answer that could be used, and why."""
        with self._lock:
            self._cause = cause
        self.look()

    def look(self) -> None:
        """Names the cause where no answer came for long enough."""
        with self._lock:
            if self._since is None or self._told or not (self._cause or self._in_flight):
                return
            seconds = self._clock.now() - self._since
            if seconds < (FAULT_SECONDS if self._cause else SILENCE_SECONDS):
                return
            self._told = True
            cause = self._cause or f"no answer from Harvest for {seconds:.0f} s"
        self._tell(f"{cause}; still trying")

    @contextmanager
    def told_to(self, tell: OnOutage) -> Iterator[None]:
        """Has `tell` told of outages for the length of a `with`."""
        before, self._tell = self._tell, tell
        ended = threading.Event()

        def look_now_and_then() -> None:
            while not ended.wait(LOOK_SECONDS):
                self.look()

        threading.Thread(target=look_now_and_then, name="harvest-outages", daemon=True).start()
        try:
            yield
        finally:
            ended.set()
            self._tell = before
