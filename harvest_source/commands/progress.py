"""Shows a run while it works: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Self

from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harvest_source.clock import Clock
from harvest_source.commands.output import message, stderr_console, visible
from harvest_source.loading.listener import REFUSED, Course, Lines, Listener, counted

WIDE = 80  # columns of a terminal
FRAMES_PER_SECOND = 5  # enough to count seconds down


class Bar(Course):
    """Requests that were sent, of those that are known to come, and until when; what a person must read stands above."""

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__(self._say, clock)
        self._console = stderr_console()
        self._live = Live(
            console=self._console,
            get_renderable=self.draw,
            refresh_per_second=FRAMES_PER_SECOND,
            transient=True,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def outage(self, what: str) -> None:
        """Shows it above the bar."""
        self.say(what)

    def read(self, account_id: int, report: str, rows: int, error: str | None) -> None:  # noqa: ARG002 - a bar has no room
        """Shows an error above the bar."""
        if error and REFUSED not in error:
            self.say(f"{self.named(account_id, report)}: {error}")

    def _say(self, line: str) -> None:
        self._console.print(visible(line), highlight=False, markup=False)

    def draw(self) -> Table:
        """Returns one line: what stands last is cut where the terminal ends."""
        at = self.standing()
        total = at.sent + at.to_go if at.to_go else None
        grid = Table.grid(padding=(0, 1), expand=True)
        for ratio in (None, None, None, 1):
            grid.add_column(no_wrap=True, overflow="ellipsis", ratio=ratio)
        grid.add_row(
            ProgressBar(total, at.sent, width=20 if self._console.width >= WIDE else 10),
            f"{at.sent}/{total}" if total else counted(at.sent, "request"),
            f"until {at.until}" if total else str(timedelta(seconds=int(at.seconds))),
            Text(visible(at.doing)),
        )
        return grid


def listener_for(*, quiet: bool) -> Listener:
    """Returns the listener that suits standard error; use it in a `with`."""
    if quiet:
        return Listener(message)
    # a terminal that moves no cursor shows lines
    return Bar() if sys.stderr.isatty() and stderr_console().is_interactive else Lines(message)
