"""The two budgets of requests. Their clock is passed in, so that tests wait for nothing."""

from __future__ import annotations

import math
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Literal

GENERAL = (100, 15.0)
REPORTS = (100, 900.0)


class Limit:
    """Counts requests and says when one more would be too many.

    Whether Harvest counts per token, account or address is not documented; here it is per token. Nor is the kind of
    window: `sliding` looks back from each request, `fixed` starts anew at full multiples of its length.
    """

    def __init__(
        self,
        window: Literal["sliding", "fixed"] = "sliding",
        *,
        clock: Callable[[], float] = time.monotonic,
        general: tuple[int, float] = GENERAL,
        reports: tuple[int, float] = REPORTS,
    ) -> None:
        """Begins with full budgets.

        Args:
            window: the kind of window.
            clock: seconds from any beginning.
            general: Requests and seconds for everything but reports.
            reports: Requests and seconds for reports.
        """
        self.window = window
        self.clock = clock
        self.budgets = {"general": general, "reports": reports}
        self.refused = 0
        self._taken: dict[tuple[str, str], deque[float]] = defaultdict(deque)
        self._lock = threading.Lock()

    def take(self, bucket: Literal["general", "reports"], token: str) -> int:
        """Counts one request.

        Args:
            bucket: which budget.
            token: who asks.

        Returns:
            0, or the seconds to wait if the budget is used up; a refused request is not counted.
        """
        allowed, seconds = self.budgets[bucket]
        with self._lock:
            now, taken = self.clock(), self._taken[bucket, token]
            opened = (
                now - seconds if self.window == "sliding" else math.floor(now / seconds) * seconds
            )
            while taken and (taken[0] <= opened if self.window == "sliding" else taken[0] < opened):
                taken.popleft()
            if len(taken) < allowed:
                taken.append(now)
                return 0
            self.refused += 1
            free_at = taken[0] + seconds if self.window == "sliding" else opened + seconds
            return max(1, math.ceil(free_at - now))
