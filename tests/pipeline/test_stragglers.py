"""A run that failed leaves threads whose requests are still on their way: they ask no more, and the next run is its own."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from compare import assert_equal
from dlt.pipeline.exceptions import PipelineStepFailed
from pipelines import make_pipeline
from second_harvest import Asked, HandMade, by_hand
from support import make_source

from harvest_sandbox import Sandbox
from harvest_source import HarvestSource, sync
from harvest_source.api import connections
from harvest_source.errors import AccessLostError
from harvest_source.loading.listener import Listener
from harvest_source.loading.run import Run

PATIENCE_SECONDS = 60.0
NAMES = ("clients", "invoices", "invoice_payments")
# those that receive answers wait for the next one, and the outages' watch ends by itself
OF_A_RUN = re.compile(r"harvest(-ahead|-children|-windows)?_\d+|.*extract-threads_\d+")


def threads_of_runs() -> set[threading.Thread]:
    """Returns the threads that ask Harvest: this product's, and dlt's."""
    return {each for each in threading.enumerate() if OF_A_RUN.fullmatch(each.name)}


class Straggling(HandMade):
    """Keeps the first request for the payments of one invoice until the next run asks; the next run waits until it is done."""

    def begin(self, answer: tuple[int, bytes] | None, *, refuses_others: bool) -> None:
        """Begins to keep it.

        Args:
            answer: that it gets in the end; `None`: the right one.
            refuses_others: whether the payments of other invoices are answered 401 meanwhile.
        """
        self.path = f"invoices/{self.tables['invoices'][0]['id']}/payments"
        self.asked, self.goes_on = threading.Event(), threading.Event()
        self.stragglers: set[threading.Thread] = set()
        self.last: tuple[int, bytes] | None = answer
        self.refuses_others = refuses_others
        self.spoil = self.keep

    def keep(self, asked: Asked) -> tuple[int, bytes] | None:
        """Keeps a request, or lets it pass."""
        if asked.path == self.path and not self.asked.is_set():
            self.asked.set()
            assert self.goes_on.wait(PATIENCE_SECONDS)
            return self.last
        if self.stragglers and asked.path == "api/v2/accounts":  # the next run begins
            self.goes_on.set()
            for thread in self.stragglers:
                thread.join(PATIENCE_SECONDS)
        if self.refuses_others and not self.stragglers and asked.path.endswith("/payments"):
            assert self.asked.wait(PATIENCE_SECONDS)
            return 401, b"{}"
        return None


@pytest.fixture
def harvest(monkeypatch: pytest.MonkeyPatch) -> Iterator[Straggling]:
    """Gives a small account; who waits for an answer does not look whether the run is over, as while a connection is opened."""
    monkeypatch.setattr(connections, "LOOK_SECONDS", PATIENCE_SECONDS)
    with by_hand(users=2, invoices=4, entries=2) as made, Straggling() as running:
        running.tables, running.company = made.tables, made.company
        yield running


def refused_sync(folder: Path, source: HarvestSource, harvest: Straggling) -> None:
    """Fails since the payments of other invoices are refused."""
    assert harvest.refuses_others
    with pytest.raises(AccessLostError):
        sync(make_pipeline(folder), source)


def interrupted_sync(folder: Path, source: HarvestSource, harvest: Straggling) -> None:
    """Ends by Ctrl-C while lists are loaded and children are read."""

    class Impatient(Listener):
        def step(self, what: str) -> None:
            if what.startswith("loading"):
                assert harvest.asked.wait(PATIENCE_SECONDS)
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sync(make_pipeline(folder), source, listener=Impatient())


def interrupted_between(folder: Path, source: HarvestSource, harvest: Straggling) -> None:
    """Ends by Ctrl-C when lists are read, and children are asked for already that nobody looks at yet."""

    def interrupt(*_: object) -> int:
        assert harvest.asked.wait(PATIENCE_SECONDS)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "_children_being_read", interrupt)
        with pytest.raises(KeyboardInterrupt):
            sync(make_pipeline(folder), source)


def refused_plain(folder: Path, source: HarvestSource, harvest: Straggling) -> None:
    """Fails since the payments of other invoices are refused; dlt waits two seconds for its threads."""
    assert harvest.refuses_others
    with pytest.raises(PipelineStepFailed, match="refuses the token"):
        make_pipeline(folder).run(source)


def interrupted_plain(folder: Path, source: HarvestSource, harvest: Straggling) -> None:
    """Ends by Ctrl-C while dlt hands rows on; dlt waits two seconds for its threads."""

    def interrupt(row: Any) -> Any:
        if not harvest.stragglers:
            assert harvest.asked.wait(PATIENCE_SECONDS)
            raise KeyboardInterrupt
        return row

    source.resources["invoice_payments"].add_map(interrupt)
    with pytest.raises(PipelineStepFailed, match="KeyboardInterrupt"):
        make_pipeline(folder).run(source)


def sync_again(folder: Path, source: HarvestSource) -> None:
    """Runs once more."""
    assert sync(make_pipeline(folder), source).exit_code == 0


def plain_again(folder: Path, source: HarvestSource) -> None:
    """Runs once more."""
    make_pipeline(folder).run(source)


First = Callable[[Path, HarvestSource, Straggling], None]
Again = Callable[[Path, HarvestSource], None]


# the first run, and what is answered to a request that it leaves behind
CASES: list[tuple[First, int]] = [
    (interrupted_sync, 401),
    (interrupted_between, 503),
    (refused_sync, 503),
    (refused_plain, 503),
    (interrupted_plain, 401),
]
MORE: list[tuple[First, int]] = [
    (interrupted_sync, 503),
    (refused_sync, 401),
    (refused_plain, 401),
    *((first, 200) for first, _ in CASES),
]


@pytest.mark.parametrize("again", [sync_again, plain_again])
@pytest.mark.parametrize(
    ("first", "status"), [*CASES, *(pytest.param(*case, marks=pytest.mark.long) for case in MORE)]
)
def test_the_next_run_of_the_same_source_is_none_of_theirs(
    tmp_path: Path, harvest: Straggling, first: First, again: Again, status: int
) -> None:
    """Whatever they are answered: the next run loads and counts what it asks itself, and they send no request more."""
    source = make_source(harvest, *NAMES)
    harvest.begin(
        None if status == 200 else (status, b"{}"),
        refuses_others=first in {refused_sync, refused_plain},
    )
    first(tmp_path, source, harvest)
    harvest.stragglers = threads_of_runs()
    assert harvest.stragglers
    asked_first = len(harvest.requests)

    again(tmp_path, source)
    assert not any(thread.is_alive() for thread in harvest.stragglers)
    asked = [each.path for each in harvest.requests[asked_first:]]
    assert asked.count(harvest.path) == 1  # of the next run
    assert_equal(tmp_path, cast("Sandbox", harvest), *NAMES)


def test_the_next_run_succeeds_while_a_straggler_waits_for_its_answer(
    tmp_path: Path, harvest: Straggling
) -> None:
    """It is neither waited for nor in the way."""
    source = make_source(harvest, *NAMES)
    harvest.begin(None, refuses_others=False)
    interrupted_sync(tmp_path, source, harvest)
    stragglers = threads_of_runs()
    assert stragglers
    sync_again(tmp_path, source)
    assert any(thread.is_alive() for thread in stragglers)
    harvest.goes_on.set()
    for thread in stragglers:
        thread.join(PATIENCE_SECONDS)
    assert not any(thread.is_alive() for thread in stragglers)
