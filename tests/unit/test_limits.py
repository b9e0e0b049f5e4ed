"""The request budget: never more than Harvest allows, whatever the network does, and no permit lost."""

from __future__ import annotations

import heapq
import itertools

from clocks import SteppedClock
from hypothesis import given, settings
from hypothesis import strategies as st

from harvest_source.api.limits import Budget, Limit

LIMIT = Limit(requests=5, seconds=15)
DELAY = st.floats(min_value=0.0, max_value=4.0, allow_nan=False)


@settings(max_examples=200)
@given(delays=st.lists(st.tuples(DELAY, DELAY), min_size=1, max_size=60))
def test_no_window_at_the_server_holds_more_than_the_limit(
    delays: list[tuple[float, float]],
) -> None:
    """Requests one after another, each with any delay to the server and back: no 15 seconds hold more than 5."""
    clock = SteppedClock()
    budget = Budget(LIMIT, clock)
    at_server = []
    for there, back in delays:
        with budget.permit():
            clock.seconds += there
            at_server.append(clock.seconds)
            clock.seconds += back
    for first, sixth in zip(
        at_server, itertools.islice(at_server, LIMIT.requests, None), strict=False
    ):
        assert sixth - first >= LIMIT.seconds - 1e-6


@settings(max_examples=100)
@given(delays=st.lists(st.tuples(DELAY, DELAY), min_size=6, max_size=60))
def test_requests_in_flight_together_stay_within_the_limit(
    delays: list[tuple[float, float]],
) -> None:
    """The same with as many requests in flight as the budget allows at once."""
    clock = SteppedClock()
    budget = Budget(LIMIT, clock)
    flying: list[tuple[float, int, object]] = []
    at_server = []

    def land(until: float) -> None:
        while flying and flying[0][0] <= until:
            landed, _, permit = heapq.heappop(flying)
            clock.seconds = max(clock.seconds, landed)
            permit.__exit__(None, None, None)  # type: ignore[attr-defined]

    for number, (there, back) in enumerate(delays):
        if len(flying) == LIMIT.requests:
            land(flying[0][0])
        land(clock.seconds)
        permit = budget.permit()
        permit.__enter__()
        at_server.append(clock.seconds + there)
        heapq.heappush(flying, (clock.seconds + there + back, number, permit))
    at_server.sort()
    for first, sixth in zip(
        at_server, itertools.islice(at_server, LIMIT.requests, None), strict=False
    ):
        assert sixth - first >= LIMIT.seconds - 1e-6


def test_the_full_limit_is_used() -> None:
    """Answers that come at once: every 15 seconds bring the full number of requests."""
    clock = SteppedClock()
    budget = Budget(LIMIT, clock)
    for _ in range(20):
        with budget.permit():
            pass
    assert clock.seconds <= 3 * LIMIT.seconds + 0.1


def test_a_429_holds_everybody_back() -> None:
    """After a pause no request goes out before it has ended."""
    clock = SteppedClock()
    budget = Budget(LIMIT, clock)
    budget.pause(7)
    with budget.permit():
        assert clock.seconds >= 7
