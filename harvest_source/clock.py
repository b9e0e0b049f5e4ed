"""The passing of time, as one object that whatever waits is given."""

from __future__ import annotations

import threading
import time
from datetime import UTC, date, datetime

from harvest_source.errors import CancelledError

HOUR_SECONDS = 3600


class Clock:
    """The clocks of this machine, and waits that end where a run does; replaced in tests."""

    def __init__(self) -> None:
        self._cancelled = threading.Event()

    def now(self) -> float:
        """Returns seconds of a clock that never jumps."""
        return time.monotonic()

    def wall(self) -> float:
        """Returns the seconds since 1970, for what is kept across runs."""
        return time.time()

    def hour(self) -> int:
        """Returns the hours since 1970: how exactly is kept when something was read or looked at."""
        return int(self.wall()) // HOUR_SECONDS

    def today(self) -> date:
        """Returns the day that it is in this machine's time zone (`TZ`)."""
        return datetime.fromtimestamp(self.wall(), UTC).astimezone().date()

    def pass_time(self, seconds: float, ended: threading.Event) -> None:
        """Waits `seconds`, or until an event is set."""
        ended.wait(seconds)

    def sleep(self, seconds: float) -> None:
        """Waits `seconds`.

        Raises:
            CancelledError: the run is being interrupted.
        """
        self.check()
        self.pass_time(max(seconds, 0.0), self._cancelled)
        self.check()

    def check(self) -> None:
        """Raises CancelledError when the run is being interrupted."""
        if self._cancelled.is_set():
            raise CancelledError("interrupted")

    def cancel(self) -> None:
        """Ends every wait on this clock, now and later."""
        self._cancelled.set()

    def for_run(self) -> Clock:
        """Returns a clock that shows the same time, and whose waits end without ending those of another run."""
        return _ClockOfRun(self)


class _ClockOfRun(Clock):
    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def now(self) -> float:
        return self._clock.now()

    def wall(self) -> float:
        return self._clock.wall()

    def pass_time(self, seconds: float, ended: threading.Event) -> None:
        self._clock.pass_time(seconds, ended)
