"""How long requests will take: what is foretold is what a budget then takes."""

from __future__ import annotations

import pytest
from clocks import SteppedClock

from harvest_source.api.limits import GENERAL, Budget
from harvest_source.loading.forecast import Forecast


@pytest.mark.parametrize("requests", [1, 99, 100, 101, 250, 540])
@pytest.mark.parametrize("answer_seconds", [0.0, 0.01, 0.1])
def test_what_the_limit_takes_is_foretold_from_the_first_request_on(
    requests: int, answer_seconds: float
) -> None:
    """At every moment: the expected end stays where it is. Answers that come in time for the limit put it off by their own."""
    clock, forecast = SteppedClock(), Forecast()
    budget = Budget(GENERAL, clock, lambda seconds, _why: forecast.waiting(clock.now(), seconds))
    ends = []
    for sent in range(requests):
        ends.append(clock.now() + forecast.seconds(requests - sent, clock.now()))
        with budget.permit():
            forecast.request(clock.now())
            last = clock.now()
            clock.seconds += answer_seconds
    assert last == pytest.approx((requests - 1) // 100 * 15, abs=100 * answer_seconds + 0.01)
    assert ends[0] == (requests - 1) // 100 * 15
    assert max(abs(last - end) for end in ends) <= 100 * answer_seconds + 0.01


def test_pace_counts_where_harvest_is_slower_than_its_limit() -> None:
    """Two seconds for each answer, one after another: at first nobody knows."""
    forecast = Forecast()
    assert forecast.seconds(10, 0.0) == 0
    for now in (0.0, 2.0, 4.0, 6.0):
        forecast.request(now)
    assert forecast.seconds(10, 8.0) == 20


def test_waits_are_no_part_of_the_pace() -> None:
    """Those of several threads are one wait, of which what is still to come has not been waited yet."""
    forecast = Forecast()
    for _ in range(100):
        forecast.request(0.0)
    for now, seconds in ((1.0, 14.0), (1.5, 13.5), (2.0, 10.0)):
        forecast.waiting(now, seconds)
    assert forecast.seconds(200, 1.0) == 29
    assert forecast.seconds(200, 15.0) == 15
    assert forecast.seconds(200, 16.0) == 15
