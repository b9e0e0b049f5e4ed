"""Shows a run while it works: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from typing import Self

from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from harvest_source.clock import Clock
from harvest_source.commands.output import message, stderr_console, visible
from harvest_source.loading.listener import REFUSED, Lines, Listener


class Bar(Lines):
    """Requests that were sent, of those that are known to come; what a person must read stands above."""

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__(self._say, clock)
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        console = stderr_console()
        self._progress = Progress(
            *columns, console=console, transient=True, get_time=self._clock.now
        )
        self._task = self._progress.add_task("starting", total=None)
        self._rows = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def _say(self, line: str) -> None:
        self._progress.console.print(visible(line), highlight=False, markup=False)

    def request(self, report: str) -> None:
        """Moves the bar."""
        with self._lock:
            self._requests[report] += 1
        self._show(f"reading {report}")

    def waiting(self, seconds: float, why: str) -> None:
        """Shows the wait."""
        self._show(f"waiting {seconds:.0f} s: {why}")

    def planned(self, requests: int, seconds: float) -> None:
        """Gives the bar its end, and says how long a long run will take."""
        self._progress.update(self._task, total=self._requests.total() + requests)
        super().planned(requests, seconds)

    def read(self, report: str, rows: int, error: str | None) -> None:
        """Counts rows; an error stays above the bar."""
        self._rows += rows
        if error and REFUSED not in error:
            self.say(f"{report}: {error}")

    def step(self, what: str) -> None:
        """Shows what comes next; how many requests that takes is not known, once the planned ones are sent."""
        task = self._progress.tasks[self._task]
        if task.total is not None and task.finished:
            task.total = None
        self._show(what)

    def _show(self, what: str) -> None:
        described = escape(visible(f"{what} ({self._rows} rows)"))
        self._progress.update(self._task, description=described, completed=self._requests.total())


def listener_for(*, quiet: bool) -> Listener:
    """Returns the listener that suits standard error; use it in a `with`."""
    if quiet:
        return Listener(message)
    return Bar() if sys.stderr.isatty() else Lines(message)
