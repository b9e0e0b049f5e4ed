"""What a run tells while it works. The package itself prints nothing: whoever listens is given what takes a line."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Self

from harvest_source.clock import Clock

REFUSED = "(403"  # the end of the run names what is refused, in one line
LONG_PLAN_SECONDS = 15
LINE_SECONDS = 10.0  # a sign of life no more often than this
WAIT_LINE_SECONDS = 1.0

Say = Callable[[str], None]


def _nowhere(_line: str) -> None: ...


class Listener:
    """Hears what happens, from any thread, within a `with`; hands on what a person must read and ignores the rest."""

    def __init__(self, say: Say = _nowhere) -> None:
        self.say = say

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Has nothing to stop."""

    def note(self, message: str) -> None:
        """Hears something a person should read."""
        self.say(message)

    def request(self, report: str) -> None:
        """Hears of each request as it is sent."""

    def waiting(self, seconds: float, why: str) -> None:
        """Hears of a wait for a limit."""

    def outage(self, what: str) -> None:
        """Hears what keeps Harvest's answers away, while the run goes on trying, and when they come again."""

    def planned(self, requests: int, seconds: float) -> None:
        """Hears how many requests are still to come and about how long they take."""

    def read(self, report: str, rows: int, error: str | None) -> None:
        """Hears that a report is read completely, or why not."""

    def step(self, what: str) -> None:
        """Hears what the run does next."""


class Lines(Listener):
    """Says a line per report and step, for logs and pipes."""

    def __init__(self, say: Say, clock: Clock | None = None) -> None:
        """Says nothing yet.

        Args:
            say: takes a line.
            clock: by which signs of life come now and then.
        """
        super().__init__(say)
        self._clock = clock or Clock()
        self._lock = threading.Lock()
        self._requests: Counter[str] = Counter()
        self._said_at = self._clock.now()

    def request(self, report: str) -> None:
        """Counts, and shows a sign of life now and then."""
        with self._lock:
            self._requests[report] += 1
            if self._is_time(LINE_SECONDS):
                self.say(f"{self._requests.total()} requests so far, now {report}")

    def waiting(self, seconds: float, why: str) -> None:
        """Says that the run waits, and how long."""
        with self._lock:
            if self._is_time(WAIT_LINE_SECONDS):
                self.say(f"waiting {seconds:.0f} s: {why}")

    def outage(self, what: str) -> None:
        """Says what keeps Harvest's answers away."""
        self.say(what)

    def planned(self, requests: int, seconds: float) -> None:
        """Says how long a long run will take."""
        if seconds >= LONG_PLAN_SECONDS:
            until = datetime.fromtimestamp(self._clock.wall() + seconds).astimezone()
            self.say(f"{requests} requests to go, until about {until:%H:%M:%S} at Harvest's limit")

    def read(self, report: str, rows: int, error: str | None) -> None:
        """Says what was read."""
        with self._lock:
            if not error:
                self.say(f"{report}: {rows} rows read, {self._requests[report]} requests")
            elif REFUSED not in error:
                self.say(f"{report}: {error}")

    def step(self, what: str) -> None:
        """Says what comes next."""
        self.say(what)

    def _is_time(self, seconds: float) -> bool:
        now = self._clock.now()
        if now - self._said_at < seconds:
            return False
        self._said_at = now
        return True
