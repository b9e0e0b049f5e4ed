"""Shows a run while it works: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from datetime import datetime, timedelta
from typing import Self

from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from harvest_source.commands.output import message, stderr_console, visible
from harvest_source.loading.listener import Listener

REFUSED = "(403"  # the end of the run names what is refused, in one line
LONG_PLAN_SECONDS = 15
PLAIN_LINE_SECONDS = 10.0  # without a terminal a sign of life no more often than this


class Notes(Listener):
    """Says only what a person must read: for `--quiet`."""

    def note(self, message_text: str) -> None:
        """Prints a message."""
        message(message_text)


class PlainLines(Notes):
    """A line per report, for logs and pipes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[str] = Counter()
        self._said_at = time.monotonic()

    def request(self, report: str) -> None:
        """Counts, and shows a sign of life now and then."""
        with self._lock:
            self._requests[report] += 1
            if time.monotonic() - self._said_at >= PLAIN_LINE_SECONDS:
                self._said_at = time.monotonic()
                message(f"{sum(self._requests.values())} requests so far, now {report}")

    def waiting(self, seconds: float, why: str) -> None:
        """Says that the run waits, and how long."""
        with self._lock:
            if time.monotonic() - self._said_at >= 1:
                self._said_at = time.monotonic()
                message(f"waiting {seconds:.0f} s: {why}")

    def outage(self, what: str) -> None:
        """Says what keeps Harvest's answers away."""
        self.note(what)

    def planned(self, requests: int, seconds: float) -> None:
        """Says how long a long run will take."""
        if seconds >= LONG_PLAN_SECONDS:
            until = datetime.now().astimezone() + timedelta(seconds=seconds)
            message(f"{requests} requests to go, until about {until:%H:%M:%S} at Harvest's limit")

    def read(self, report: str, rows: int, error: str | None) -> None:
        """Says what was read."""
        with self._lock:
            if error and REFUSED in error:
                return
            message(f"{report}: {error}" if error else f"{report}: {rows} rows read, {self._requests[report]} requests")

    def step(self, what: str) -> None:
        """Says what comes next."""
        message(what)


class LiveLine(PlainLines):
    """One line that moves, for a terminal."""

    def __init__(self) -> None:
        super().__init__()
        self._progress = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=stderr_console(), transient=True
        )
        self._task = self._progress.add_task("starting", total=None)
        self._rows = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def note(self, message_text: str) -> None:
        """Prints above the moving line."""
        self._progress.console.print(visible(message_text), highlight=False, markup=False)

    def request(self, report: str) -> None:
        """Moves the line."""
        with self._lock:
            self._requests[report] += 1
            self._show(f"reading {report}")

    def waiting(self, seconds: float, why: str) -> None:
        """Shows the wait."""
        self._show(f"waiting {seconds:.0f} s: {why}")

    def planned(self, requests: int, seconds: float) -> None:
        """Says above the line how long a long run will take."""
        if seconds >= LONG_PLAN_SECONDS:
            until = datetime.now().astimezone() + timedelta(seconds=seconds)
            self.note(f"{requests} requests to go, until about {until:%H:%M:%S} at Harvest's limit")

    def read(self, report: str, rows: int, error: str | None) -> None:
        """Counts rows; an error stays above the line."""
        self._rows += rows
        if error and REFUSED not in error:
            self.note(f"{report}: {error}")

    def step(self, what: str) -> None:
        """Shows what comes next."""
        self._show(what)

    def _show(self, what: str) -> None:
        done = f"{sum(self._requests.values())} requests, {self._rows} rows"
        self._progress.update(self._task, description=escape(visible(f"{what} ({done})")))


class NoLine(Notes):
    """A quiet listener that can be entered like the live line."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Has nothing to stop."""


class Lines(PlainLines):
    """Plain lines that can be entered like the live line."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Has nothing to stop."""


def listener_for(*, quiet: bool) -> LiveLine | Lines | NoLine:
    """Returns the listener that suits standard error; use it in a `with`."""
    if quiet:
        return NoLine()
    return LiveLine() if sys.stderr.isatty() else Lines()
