"""Clocks that stand still or run ahead, so that no test waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from harvest_source.clock import Clock


class FastClock(Clock):
    """A clock on which waiting takes no time, and which remembers each wait."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []
        self.skipped_seconds = 0.0

    def now(self) -> float:
        return super().now() + self.skipped_seconds

    def pass_time(self, seconds: float, ended: threading.Event) -> None:  # noqa: ARG002 - it takes no time
        self.waits.append(seconds)
        self.skipped_seconds += seconds


BEGAN = time.time()


class LaterClock(FastClock):
    """A fast clock that stands so many hours after the tests began: between two of them lie whole hours."""

    def __init__(self, hours: int) -> None:
        super().__init__()
        self.hours = hours

    def wall(self) -> float:
        return BEGAN + self.hours * 3600


class SteppedClock(Clock):
    """A clock that moves only by what is waited for, or when a test moves it; one for both of a machine's."""

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        self.seconds = seconds
        self.waits: list[float] = []
        self.on_wait: Callable[[], None] = lambda: None

    def now(self) -> float:
        return self.seconds

    def wall(self) -> float:
        return self.seconds

    def pass_time(self, seconds: float, ended: threading.Event) -> None:
        self.waits.append(seconds)
        self.on_wait()
        if not ended.is_set():
            self.seconds += max(seconds, 1e-6)
