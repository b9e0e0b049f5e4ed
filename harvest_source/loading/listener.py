"""What a run tells while it works. The package itself prints nothing: whoever listens is given what takes a line."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Self

from harvest_source.clock import Clock
from harvest_source.errors import CancelledError
from harvest_source.loading.forecast import Forecast

REFUSED = "(403"  # the end of the run names what is refused, in one line
LINE_SECONDS = 10.0  # no longer than this without a sign of life

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

    def request(self, account_id: int | None, report: str) -> None:
        """Hears of each request as it is sent."""

    def waiting(self, seconds: float, why: str) -> None:
        """Hears of a wait for a limit."""

    def outage(self, what: str) -> None:
        """Hears what keeps Harvest's answers away, while the run goes on trying, and when they come again."""

    def planned(self, account_id: int, report: str, requests: int) -> None:
        """Hears how many requests a report will still take, as far as is known; 0 once it takes no more."""

    def read(self, account_id: int, report: str, rows: int, error: str | None) -> None:
        """Hears that a report is read completely, or why not."""

    def step(self, what: str) -> None:
        """Hears what the run does next."""


@dataclass(frozen=True)
class Standing:
    """How far a run is."""

    doing: str
    sent: int  # requests
    to_go: int  # requests that are known to come
    until: str  # when they will have been sent, as a person reads it; nothing where none are known
    seconds: float  # since the run began


class Course(Listener):
    """Keeps how far the run is, for whoever shows it."""

    def __init__(self, say: Say = _nowhere, clock: Clock | None = None) -> None:
        """Knows of nothing yet.

        Args:
            say: takes a line.
            clock: by which ends are foretold, and waits counted down.
        """
        super().__init__(say)
        self.clock = clock or Clock()
        self._began = self.clock.now()
        self._lock = threading.Lock()
        self._forecast = Forecast()
        self._sent: Counter[tuple[int | None, str]] = Counter()
        self._to_go: dict[tuple[int | None, str], int] = {}
        self._step = "starting"
        self._reading = ""
        self._waits_for = ""
        self._waits_until = self._began

    def request(self, account_id: int | None, report: str) -> None:
        """Counts, and takes one from those to go."""
        pair = (account_id, report)
        with self._lock:
            self._forecast.request(self.clock.now())
            self._sent[pair] += 1
            self._to_go[pair] = max(self._to_go.get(pair, 0) - 1, 0)
            self._reading = report

    def waiting(self, seconds: float, why: str) -> None:
        """Notes until when and why."""
        with self._lock:
            now = self.clock.now()
            self._forecast.waiting(now, seconds)
            self._waits_until, self._waits_for = now + seconds, why

    def planned(self, account_id: int, report: str, requests: int) -> None:
        """Notes it."""
        with self._lock:
            self._to_go[account_id, report] = requests

    def step(self, what: str) -> None:
        """Notes it."""
        with self._lock:
            self._step = what

    def standing(self) -> Standing:
        """Returns how far the run is now."""
        with self._lock:
            now = self.clock.now()
            to_go = sum(self._to_go.values())
            doing = f"reading {self._reading}" if to_go and self._reading else self._step
            if self._waits_until > now:
                doing = f"waiting {ceil(self._waits_until - now)} s: {self._waits_for}"
            until = self._time_in(self._forecast.seconds(to_go, now)) if to_go else ""
            return Standing(doing, self._sent.total(), to_go, until, now - self._began)

    def _time_in(self, seconds: float) -> str:
        now = self.clock.wall()
        today, then = (datetime.fromtimestamp(each).astimezone() for each in (now, now + seconds))
        return f"{then:%H:%M:%S}" if then.date() == today.date() else f"{then:%a %H:%M}"

    def named(self, account_id: int, report: str) -> str:
        """Returns the name of a report, with its account where the run reads several."""
        with self._lock:
            several = len({account for account, _ in self._to_go if account is not None}) > 1
        return f"{report} (account {account_id})" if several else report


class Lines(Course):
    """Says a line per report and step, and every ten seconds how far the run is, for logs and pipes."""

    def __init__(self, say: Say, clock: Clock | None = None) -> None:
        """Says nothing yet; arguments as of `Course`."""
        super().__init__(say, clock)
        self._saying = threading.Lock()
        self._said_at = self._began
        self._pulse = threading.Thread(target=self._show_life, name="harvest-lines", daemon=True)

    def __enter__(self) -> Self:
        self._pulse.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.clock.cancel()
        self._pulse.join()

    def note(self, message: str) -> None:
        """Says it."""
        self._tell(message)

    def outage(self, what: str) -> None:
        """Says it."""
        self._tell(what)

    def step(self, what: str) -> None:
        """Says it."""
        super().step(what)
        self._tell(what)

    def read(self, account_id: int, report: str, rows: int, error: str | None) -> None:
        """Says what was read."""
        name = self.named(account_id, report)
        if not error:
            requests = self._sent[account_id, report]
            self._tell(f"{name}: {counted(rows, 'row')} read, {counted(requests, 'request')}")
        elif REFUSED not in error:
            self._tell(f"{name}: {error}")

    def _tell(self, line: str) -> None:
        with self._saying:
            self._said_at = self.clock.now()
            self.say(line)

    def _show_life(self) -> None:
        """Says how far the run is, whenever nothing was said for long; until the clock is cancelled."""
        with suppress(CancelledError):
            while True:
                self.clock.sleep(self._said_at + LINE_SECONDS - self.clock.now())
                if self.clock.now() - self._said_at >= LINE_SECONDS:
                    self._tell(line_of(self.standing()))


def line_of(standing: Standing) -> str:
    """Returns how far a run is as a line."""
    to_go = f", {standing.to_go} to go, until about {standing.until}" if standing.to_go else ""
    return f"{counted(standing.sent, 'request')} so far{to_go}: {standing.doing}"


def counted(number: int, what: str) -> str:
    """Returns a number and what is counted."""
    return f"{number} {what}{'s' * (number != 1)}"
