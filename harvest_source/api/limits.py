"""The request budgets of Harvest, shared by every thread and account of one token.

A permit is given back 15 seconds after its *answer* came, not after it was sent. More than 100 requests can then never
stand in any 15 seconds at the server, whether its window slides or is fixed: a budget that counts at sending met 429s,
since delays on the way squeeze bursts together.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from harvest_source.clock import Clock


@dataclass(frozen=True)
class Limit:
    """So many requests in so many seconds (Harvest API, rate limits)."""

    requests: int
    seconds: float


GENERAL = Limit(requests=100, seconds=15)
REPORTS = Limit(requests=100, seconds=15 * 60)


OnWait = Callable[[float, str], None]
"""Told before each wait for a limit: seconds, and why."""


@dataclass
class Budget:
    """A pool of permits for one limit, with a common pause after a 429.

    Raises nothing but CancelledError, while it waits.
    """

    limit: Limit
    clock: Clock
    on_wait: OnWait = lambda _seconds, _why: None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _in_flight: int = 0
    # when each used permit comes back, oldest first
    _back_at: deque[float] = field(default_factory=deque)
    _paused_until: float = 0.0

    @contextmanager
    def permit(self) -> Iterator[None]:
        """Holds one permit for the length of one request; waits for it where the budget is used up."""
        self._acquire()
        try:
            yield
        finally:
            with self._lock:
                self._in_flight -= 1
                self._back_at.append(self.clock.now() + self.limit.seconds)

    def pause(self, seconds: float) -> None:
        """Holds every request of this budget back for `seconds`, as a 429 demands."""
        with self._lock:
            self._paused_until = max(self._paused_until, self.clock.now() + seconds)

    def _acquire(self) -> None:
        announced = False
        while True:
            self.clock.check()
            with self._lock:
                wait_seconds, why = self._wait_seconds()
                if wait_seconds <= 0:
                    self._in_flight += 1
                    return
            if not announced and wait_seconds >= 1:
                self.on_wait(wait_seconds, why)
                announced = True
            self.clock.sleep(wait_seconds)

    def _wait_seconds(self) -> tuple[float, str]:
        now = self.clock.now()
        while self._back_at and self._back_at[0] <= now:
            self._back_at.popleft()
        if self._paused_until > now:
            return self._paused_until - now, "Harvest asked to wait (429)"
        if self._in_flight + len(self._back_at) < self.limit.requests:
            return 0.0, ""
        # all permits are in flight: look again shortly, an answer is on its way
        return (self._back_at[0] - now if self._back_at else 0.05), self._why()

    def _why(self) -> str:
        return f"the limit of {self.limit.requests} requests per {self.limit.seconds:g} seconds"


class Budgets:
    """Both budgets of one token, and which of them a path counts for."""

    def __init__(self, clock: Clock, general: Limit = GENERAL, reports: Limit = REPORTS) -> None:
        self.general = Budget(general, clock)
        self.reports = Budget(reports, clock)

    def of(self, path: str) -> Budget:
        """Returns the budget that requests to `path` (below the API address) use up."""
        return self.reports if path.startswith("reports/") else self.general

    @contextmanager
    def told_to(self, on_wait: OnWait) -> Iterator[None]:
        """Has `on_wait` told of every wait for a limit, for the length of a `with`."""
        before = self.general.on_wait
        self.general.on_wait = self.reports.on_wait = on_wait
        try:
            yield
        finally:
            self.general.on_wait = self.reports.on_wait = before
