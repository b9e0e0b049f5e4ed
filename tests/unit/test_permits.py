"""Permits of the request budget: whatever happens to a request, its permit comes back, and the server never sees too many."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest
from clocks import SteppedClock
from hypothesis import given, settings
from hypothesis import strategies as st

from harvest_source.api.limits import GENERAL, LEFT, REPORTS, Budget, Budgets, Limit
from harvest_source.clock import Clock
from harvest_source.errors import CancelledError

ROUNDING = 1e-6


class CrowdClock(Clock):
    """One clock for many threads: time moves on when all of them wait, so that nobody really waits."""

    def __init__(self, threads: int) -> None:
        super().__init__()
        self.seconds = 0.0
        self._threads = threads
        self._until: dict[int, float] = {}
        self._moved = threading.Condition()

    def now(self) -> float:
        return self.seconds

    def pass_time(self, seconds: float, ended: threading.Event) -> None:
        me = threading.get_ident()
        with self._moved:
            self._until[me] = until = self.seconds + max(seconds, ROUNDING)
            self._step()
            while self.seconds < until and not ended.is_set():
                assert self._moved.wait(30), "the clock stands still"
            del self._until[me]

    @contextmanager
    def member(self) -> Iterator[None]:
        """Counts the calling thread as one of those to wait for, until it is done."""
        try:
            yield
        finally:
            with self._moved:
                self._threads -= 1
                self._step()

    def _step(self) -> None:
        waiting = [until for until in self._until.values() if until > self.seconds]
        if waiting and len(waiting) >= self._threads:
            self.seconds = min(waiting)
        self._moved.notify_all()


def fullest(times: list[float], limit: Limit) -> int:
    """Returns the most requests that stand in any window of the limit's length."""
    ordered = sorted(times)
    return max(
        sum(first <= each < first + limit.seconds - ROUNDING for each in ordered[place:])
        for place, first in enumerate(ordered)
    )


@settings(max_examples=8)
@given(
    seed=st.integers(0, 10_000),
    slowest=st.sampled_from([0.0, 0.05, 1.0, 9.0]),
    requests=st.sampled_from([260, 420]),
)
def test_sixteen_threads_never_put_more_than_100_requests_into_15_seconds(
    seed: int, slowest: float, requests: int
) -> None:
    """The real limit, any latency, some requests failing: at most 100 in any 15 s at the server, and no permit is lost."""
    threads = 16
    clock = CrowdClock(threads)
    budget = Budget(GENERAL, clock)
    at_server: list[float] = []
    numbers = iter(range(requests))

    def work(chance: random.Random) -> None:
        with clock.member():
            for _ in numbers:
                with suppress(ZeroDivisionError), budget.permit():
                    clock.sleep(chance.uniform(0, slowest))
                    at_server.append(clock.now())
                    clock.sleep(chance.uniform(0, slowest))
                    _ = 1 / chance.choice((0, *[1] * 9))  # one in ten fails

    crowd = [
        threading.Thread(target=work, args=(random.Random(seed + number),))  # noqa: S311
        for number in range(threads)
    ]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join(60)
    assert len(at_server) >= requests - threads
    assert fullest(at_server, GENERAL) <= 100
    assert_whole(budget, clock)


def assert_whole(budget: Budget, clock: Clock) -> None:
    """Asserts that no permit is lost: after the window has passed, all of them are free at once."""
    clock.sleep(budget.limit.seconds + 1)
    began = clock.now()
    for _ in range(budget.limit.requests):
        with budget.permit():
            pass
    assert clock.now() == began


@given(steps=st.lists(st.sampled_from(["good", "fails", "cancelled", "429"]), max_size=30))
def test_no_permit_is_lost_whatever_becomes_of_a_request(steps: list[str]) -> None:
    """An error within, an interruption before, a pause between: the budget is whole afterwards."""
    clock = SteppedClock()
    budget = Budget(Limit(4, 15), clock)
    for step in steps:
        if step == "429":
            budget.pause(3)
        elif step == "cancelled":
            clock.cancel()
            with pytest.raises(CancelledError), budget.permit():
                pass
            clock._cancelled.clear()  # noqa: SLF001 - a real run ends here
        else:
            with suppress(ZeroDivisionError), budget.permit():
                clock.sleep(0.5)
                _ = 1 / int(step != "fails")
    assert_whole(budget, clock)


@pytest.mark.parametrize("limit", [GENERAL, REPORTS])
def test_the_whole_limit_is_used(limit: Limit) -> None:
    """Three windows' worth of quick requests take two windows and no longer."""
    clock = SteppedClock()
    budget = Budget(limit, clock)
    for _ in range(3 * limit.requests):
        with budget.permit():
            pass
    assert clock.seconds == pytest.approx(2 * limit.seconds)


def test_what_can_wait_leaves_permits_to_others_and_uses_all_once_nobody_needs_them() -> None:
    """Pages that follow one another go out at once beside a crowd; behind the last of them no permit is unused."""
    pages, page_seconds, others, threads = 20, 0.7, 330, 16
    clock = CrowdClock(threads + 1)
    budget = Budget(GENERAL, clock)
    at_server: list[float] = []
    asks_first = threading.Event()
    asks_first.set()
    numbers = iter(range(others))

    def ask(seconds: float, gives_way: Callable[[], bool]) -> None:
        with budget.permit(gives_way):
            at_server.append(clock.now())
            clock.sleep(seconds)

    def crowd() -> None:
        with clock.member():
            for _ in numbers:
                ask(0.1, asks_first.is_set)

    def list_in_pages() -> None:
        with clock.member():
            clock.sleep(1)  # the crowd has what it can get
            for _ in range(pages):
                ask(page_seconds, lambda: False)
            assert clock.now() == pytest.approx(1 + pages * page_seconds)
            assert len(at_server) == pages + GENERAL.requests * 3 // 4
            asks_first.clear()

    with ThreadPoolExecutor(threads + 1) as pool:
        for each in [pool.submit(each) for each in (list_in_pages, *[crowd] * threads)]:
            each.result(60)
    assert len(at_server) == pages + others
    assert fullest(at_server, GENERAL) == GENERAL.requests
    # three times the limit and some: as if nothing had been left to anybody
    assert clock.now() < 3 * GENERAL.seconds + 2


def test_reports_have_a_budget_of_their_own() -> None:
    """R17: 100 per 15 minutes for Harvest's reports, 100 per 15 seconds for everything else; one does not use up the other."""
    clock = SteppedClock()
    budgets = Budgets(clock)
    assert (GENERAL.requests, GENERAL.seconds, REPORTS.requests, REPORTS.seconds) == (
        100,
        15,
        100,
        900,
    )
    for path in itertools.islice(
        itertools.cycle(["reports/time/clients", "reports/uninvoiced", "reports/expenses/team"]),
        100,
    ):
        with budgets.of(path).permit():
            pass
    with budgets.of("time_entries").permit():
        assert clock.seconds == 0
    with budgets.of("reports/time/team").permit():
        assert clock.seconds == pytest.approx(900)


@pytest.mark.parametrize("gives_way", [False, True])
def test_a_wait_is_announced_once_with_its_length_and_reason(*, gives_way: bool) -> None:
    """Who waits is told how long, and why, also who looks again meanwhile; short waits are not worth a word."""
    clock, told = SteppedClock(), list[tuple[float, str]]()
    budget = Budget(Limit(LEFT, 15), clock, lambda seconds, why: told.append((seconds, why)))
    for _ in range(LEFT):
        with budget.permit(lambda: gives_way):
            pass
    if not gives_way:  # one permit fewer is free to who does
        with budget.permit():
            pass
    budget.pause(40)
    with budget.permit(lambda: gives_way):
        pass
    assert told == [
        (15, f"the limit of {LEFT} requests per 15 seconds"),
        (40, "Harvest asked to wait (429)"),
    ]


def test_an_interruption_ends_a_wait() -> None:
    """Ctrl-C is not kept waiting for the end of a window, on the real clock."""
    clock = Clock()
    budget = Budget(Limit(1, 900), clock)
    with budget.permit():
        pass
    threading.Timer(0.05, clock.cancel).start()
    with pytest.raises(CancelledError), budget.permit():
        pass
