"""Foretells how long requests will take: by Harvest's limit, and by the pace of those that were sent."""

from __future__ import annotations

from collections import deque

from harvest_source.api.limits import GENERAL


class Forecast:
    """What was seen of requests and waits so far; times are seconds of one clock."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._sent = 0
        self._newest: deque[float] = deque(maxlen=GENERAL.requests)  # when they were sent
        self._waited_seconds = 0.0
        self._waits_until = 0.0

    def request(self, now: float) -> None:
        """Notes that a request is sent."""
        self._began = now if self._began is None else self._began
        self._sent += 1
        self._newest.append(now)

    def waiting(self, now: float, seconds: float) -> None:
        """Notes a wait for a limit; several that overlap count once."""
        until = now + seconds
        self._waited_seconds += max(until - max(now, self._waits_until), 0.0)
        self._waits_until = max(until, self._waits_until)

    def seconds(self, requests: int, now: float) -> float:
        """Returns how long further requests will take, one at least: the limit's time, or that of the pace where it is slower."""
        rounds, place = divmod(requests - 1, GENERAL.requests)
        free = GENERAL.requests - len(self._newest)
        # each permit comes back so long after its request, and so serves every hundredth
        wait = 0.0 if place < free else self._newest[place - free] + GENERAL.seconds - now
        return max(max(wait, 0.0) + rounds * GENERAL.seconds, requests * self._pace_seconds(now))

    def _pace_seconds(self, now: float) -> float:
        """Returns how long a request took on average, waits aside."""
        if self._began is None:
            return 0.0
        waited = self._waited_seconds - max(self._waits_until - now, 0.0)
        return max(now - self._began - waited, 0.0) / self._sent
