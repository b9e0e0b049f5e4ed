"""The request budgets of Harvest, shared by every thread and account of one token.

A permit is given back 15 seconds after its *answer* came, not after it was sent. More than 100 requests can then never
stand in any 15 seconds at the server, whether its window slides or is fixed: a budget that counts at sending met 429s,
since delays on the way squeeze bursts together. What earlier runs used up counts, too, as far as `recent.py` knows of it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from harvest_source.api.recent import PAUSE, Entry, Memory, RecentRequests
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

LEFT = 4  # who gives way leaves one permit in so many to others
LOOK_SECONDS = 0.5  # until it is looked again whether anybody still needs them


class Permit:
    """Leave to send one request, which later runs know of once it is sent."""

    def __init__(self, memory: Memory | None) -> None:
        self._memory = memory
        self.note_answer: Callable[[], None] = lambda: None

    def note_sent(self, token: str) -> None:
        """Notes that the request is sent, just before it is."""
        if self._memory:
            self.note_answer = self._memory.sent(token)


@dataclass
class _Permits:
    """What is used up of one limit."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    in_flight: int = 0
    # when each used permit comes back, oldest first
    back_at: deque[float] = field(default_factory=deque)
    paused_until: float = 0.0
    memory: Memory | None = None  # of earlier runs, and for later ones


@dataclass
class Budget:
    """A pool of permits for one limit, with a common pause after a 429.

    Raises nothing but CancelledError, while it waits.
    """

    limit: Limit
    clock: Clock
    on_wait: OnWait = lambda _seconds, _why: None
    _used: _Permits = field(default_factory=_Permits)

    def for_run(self, clock: Clock) -> Budget:
        """Returns the same pool for another run, by whose clock it is waited."""
        return Budget(self.limit, clock, _used=self._used)

    def keep(self, memory: Memory) -> None:
        """Has requests count for later runs, and those of earlier runs for this one; what was given first stays."""
        with self._used.lock:
            self._used.memory = self._used.memory or memory

    @contextmanager
    def permit(self, gives_way: Callable[[], bool] = lambda: False) -> Iterator[Permit]:
        """Holds one permit for the length of one request; waits for it where the budget is used up.

        Args:
            gives_way: whether some permits are to be left to other requests, which others wait for.
        """
        self._acquire(gives_way)
        permit = Permit(self._used.memory)
        try:
            yield permit
        finally:
            with self._used.lock:
                self._used.in_flight -= 1
                self._used.back_at.append(self.clock.now() + self.limit.seconds)
            permit.note_answer()

    def pause(self, seconds: float) -> None:
        """Holds every request of this budget back for `seconds`, as a 429 demands."""
        with self._used.lock:
            self._used.paused_until = max(self._used.paused_until, self.clock.now() + seconds)
        if self._used.memory:
            self._used.memory.paused(seconds)

    @property
    def seconds_until_free(self) -> float:
        """Returns how long a request would wait now, as far as is known; 0 where it would be sent at once."""
        with self._used.lock:
            return max(self._wait_seconds(0)[0], 0.0)

    def recall(self, token: str | None) -> None:
        """Has what earlier runs used up with a token count; it is looked up once."""
        if self._used.memory and token is not None:
            with self._used.lock:
                self._count(self._used.memory.recall(token))

    def _count(self, entries: list[Entry]) -> None:
        if not entries:
            return
        used, wall, now = self._used, self.clock.wall(), self.clock.now()
        ahead_seconds = wall - now
        ends = [(each.kind == PAUSE, each.at + each.seconds - ahead_seconds) for each in entries]
        back = [min(end, now + self.limit.seconds) for is_pause, end in ends if not is_pause]
        used.back_at = deque(sorted([*used.back_at, *back]))
        used.paused_until = max([used.paused_until, *(end for is_pause, end in ends if is_pause)])

    def _acquire(self, gives_way: Callable[[], bool]) -> None:
        announced = False
        while True:
            self.clock.check()
            left = self.limit.requests // LEFT if gives_way() else 0
            with self._used.lock:
                wait_seconds, why = self._wait_seconds(left)
                if wait_seconds <= 0:
                    self._used.in_flight += 1
                    return
            if not announced and wait_seconds >= 1:
                self.on_wait(wait_seconds, why)
                announced = True
            self.clock.sleep(min(wait_seconds, LOOK_SECONDS) if left else wait_seconds)

    def _wait_seconds(self, left: int) -> tuple[float, str]:
        now, used = self.clock.now(), self._used
        while used.back_at and used.back_at[0] <= now:
            used.back_at.popleft()
        if used.paused_until > now:
            return used.paused_until - now, "Harvest asked to wait (429)"
        if used.in_flight + len(used.back_at) < self.limit.requests - left:
            return 0.0, ""
        # all permits are in flight: look again shortly, an answer is on its way
        return (used.back_at[0] - now if used.back_at else 0.05), self._why()

    def _why(self) -> str:
        return f"the limit of {self.limit.requests} requests per {self.limit.seconds:g} seconds"


class Budgets:
    """Both budgets of one token, and which of them a path counts for."""

    def __init__(self, clock: Clock, general: Limit = GENERAL, reports: Limit = REPORTS) -> None:
        self.general = Budget(general, clock)
        self.reports = Budget(reports, clock)

    def for_run(self, clock: Clock) -> Budgets:
        """Returns the same budgets for another run, by whose clock it is waited; who is told of waits is its own, too."""
        budgets = Budgets(clock)
        budgets.general = self.general.for_run(clock)
        budgets.reports = self.reports.for_run(clock)
        return budgets

    def keep(self, recent: RecentRequests) -> None:
        """Has requests count for later runs, and those of earlier runs for this one; what was given first stays."""
        for name, budget in (("general", self.general), ("reports", self.reports)):
            budget.keep(Memory(recent, name, budget.limit.seconds, budget.clock))

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
