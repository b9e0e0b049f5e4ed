"""The passing of time, as one object that whatever waits is given."""

from __future__ import annotations

import threading
import time

from harvest_source.errors import CancelledError


class Clock:
    """The clocks of this machine, and waits that Ctrl-C ends; replaced in tests."""

    def __init__(self) -> None:
        self._cancelled = threading.Event()

    def now(self) -> float:
        """Returns seconds of a clock that never jumps."""
        return time.monotonic()

    def wall(self) -> float:
        """Returns the seconds since 1970, for what is kept across runs."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Waits `seconds`.

        Raises:
            CancelledError: the run is being interrupted.
        """
        if self._cancelled.wait(max(seconds, 0)):
            raise CancelledError("interrupted")

    def check(self) -> None:
        """Raises CancelledError when the run is being interrupted."""
        if self._cancelled.is_set():
            raise CancelledError("interrupted")

    def cancel(self) -> None:
        """Ends every wait, now and later."""
        self._cancelled.set()

    def renew(self) -> None:
        """Lets waits be waits again, for the run that follows one that was cancelled."""
        self._cancelled = threading.Event()
