"""Children are asked for parent by parent: what is read, gone, refused or wrong, and what of it is kept for the next run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, cast

import pytest
from fake_client import FakeClient

from harvest_source.api.client import HarvestClient
from harvest_source.catalogue.lookup import by_name
from harvest_source.catalogue.report import AccountReport
from harvest_source.errors import (
    ApiError,
    CancelledError,
    NotAllowedError,
    NotFoundError,
    OddAnswerError,
    RefusedError,
)
from harvest_source.reading.children import REFUSALS, Asking
from harvest_source.reading.fetch import Fetcher, alternating
from harvest_source.reading.parts import Part, PartStore
from harvest_source.reading.plan import PROBES, ChildPlan, part_of, state_of

PAYMENTS = by_name("invoice_payments")
REFUSED = NotAllowedError("Not authorized!", 403)


@pytest.fixture
def store() -> Iterator[PartStore]:
    """Gives a store that goes with the test."""
    store = PartStore()
    yield store
    store.close()


def harvest(*invoices: int, page_rows: int = 100) -> FakeClient:
    """Returns a Harvest with invoices that have two payments each."""
    tables: dict[str, list[dict[str, Any]]] = {"invoices": [{"id": each} for each in invoices]}
    tables |= {
        f"invoices/{each}/payments": [{"id": each * 10}, {"id": each * 10 + 1}] for each in invoices
    }
    return FakeClient(tables, page_rows)


def asking(client: FakeClient, store: PartStore, *parents: int, **others: Any) -> Asking:
    """Returns invoices that are to be asked for their payments."""
    return Asking(
        ChildPlan(PAYMENTS, 7, dict.fromkeys(parents, "v"), **others),
        Fetcher(cast("HarvestClient", client), store),
    )


def refusing(*invoices: int) -> Callable[[str, Any], ApiError | None]:
    """Has Harvest refuse what hangs on some invoices."""
    return lambda path, _params: (
        REFUSED if path in {f"invoices/{each}/payments" for each in invoices} else None
    )


def ask_all(each: Asking) -> Asking:
    """Asks all parents, in their order."""
    for parent_id in each.to_ask:
        each.ask(parent_id)
    each.require_answer()
    return each


def test_children_are_read_and_kept_by_parent(store: PartStore) -> None:
    """From several pages, too; the next run can go on from them."""
    done = ask_all(asking(harvest(1, 2, page_rows=1), store, 2, 1))
    reading = done.reading()
    assert [(parent, [row["id"] for row in rows]) for parent, rows in reading.iter_pages()] == [
        (1, [10, 11]),
        (2, [20, 21]),
    ]
    assert (reading.keys, reading.rows) == ({(10,), (11,), (20,), (21,)}, 4)
    assert done.done == {1, 2}
    kept = store.kept(done.plan.pair, range(10**9))
    assert {key: version for key, (version, _) in kept.items()} == {
        "invoices 1": "v",
        "invoices 2": "v",
    }
    assert reading.seconds == done.seconds > 0


def test_children_of_some_parents(store: PartStore) -> None:
    """What plain dlt hands on, one parent at a time; one that was not read has none."""
    client = harvest(1, 2, 3)
    done = asking(client, store, 1, 2, 3)
    for parent_id in (1, 2):
        done.ask(parent_id)
    assert [parent for parent, _ in done.reading([2, 3]).iter_pages()] == [2]
    (read,) = done.plan_after({1}).read.values()
    assert read == [1]


def test_answers_of_an_interrupted_run_are_not_asked_for_again(store: PartStore) -> None:
    client = harvest(1, 2)
    ask_all(asking(client, store, 1))
    plan = ChildPlan(PAYMENTS, 7, {1: "v", 2: "v"})
    resumed = ask_all(Asking(plan, Fetcher(cast("HarvestClient", client), store), {1: 490_000}))
    assert resumed.to_ask == [2]
    assert client.paths == ["invoices/1/payments", "invoices/2/payments"]
    assert len(resumed.reading().keys) == 4
    assert resumed.plan_after().read["490000"] == [1]


def test_parent_that_is_gone_has_no_children(store: PartStore) -> None:
    """A 404 of its children alone is no proof: the parent is asked for as well."""
    client = harvest(1)
    done = ask_all(asking(client, store, 1, 9))
    assert done.done == {1, 9}
    assert client.paths[-2:] == ["invoices/9/payments", "invoices/9"]
    assert done.reading().keys == {(10,), (11,)}
    client.tables["invoices"].append({"id": 8})
    wrong = ask_all(asking(client, store, 8, 1))
    assert "invoices/1/payments" not in client.paths[-2:]  # an error ends the report
    with pytest.raises(
        NotFoundError, match="Harvest knows invoices 8 but not its invoice_payments"
    ):
        wrong.reading()


def test_teammates_of_somebody_who_manages_nobody_are_none(store: PartStore) -> None:
    """Harvest answers 422 there, and nowhere else."""
    client = FakeClient({})
    client.fail = lambda _path, _params: RefusedError("Unprocessable", 422)
    fetcher = Fetcher(cast("HarvestClient", client), store)
    done = ask_all(Asking(ChildPlan(by_name("teammates"), 7, {5: ""}), fetcher))
    assert done.done == {5}
    assert not done.reading().keys
    for name, status in (("cost_rates", 422), ("teammates", 400)):
        client.fail = lambda _path, _params, status=status: RefusedError("Unprocessable", status)  # type: ignore[misc]
        with pytest.raises(RefusedError):
            ask_all(Asking(ChildPlan(by_name(name), 7, {5: ""}), fetcher)).reading()


def test_answer_that_cannot_be_loaded_is_not_kept(store: PartStore) -> None:
    """The next run asks for it again."""
    client = harvest(1)
    client.tables["invoices/1/payments"].append({"id": None})
    with pytest.raises(RefusedError, match="invoice_payments without its key"):
        ask_all(asking(client, store, 1)).reading()
    assert store.kept(AccountReport(7, "invoice_payments"), range(10**9)) == {}


def test_what_nobody_foresaw_is_an_error_of_the_report(store: PartStore) -> None:
    client = harvest(1)
    client.tables["invoices/1/payments"] = [[]]  # type: ignore[list-item]
    client.fail = lambda _path, _params: 1 / 0  # type: ignore[assignment,return-value]
    assert isinstance(ask_all(asking(client, store, 1)).error, OddAnswerError)


def test_parent_that_is_refused_is_passed_over(store: PartStore) -> None:
    """It is noted as hidden, with those of earlier runs that were not asked; one that is shown again is no longer."""
    client = harvest(1, 2, 3)
    client.fail = refusing(2)
    done = ask_all(asking(client, store, 1, 2, 3, hidden=frozenset({3, 8})))
    assert done.reading().keys == {(10,), (11,), (30,), (31,)}
    assert done.hidden == {2, 8}
    state = state_of(done.plan_after())
    assert state["hidden"] == [2, 8]
    assert sorted(each for ids in state["read"].values() for each in ids) == [1, 2, 3]


# refused, whether the report is, who is asked
REPORTS: dict[str, tuple[set[int], bool, list[int]]] = {
    "a parent that was read last is read": ({1, 2}, False, [1, 2, 5]),
    "one read before is read": ({1, 2, 5}, False, [1, 2, 5, 3]),
    "all that were read before are refused": ({1, 2, 3, 4, 5, 6}, True, [1, 2, 5, 3, 4]),
}


@pytest.mark.parametrize(("refused", "fails", "asked"), REPORTS.values(), ids=REPORTS)
def test_report_is_refused_where_parents_read_before_are(
    store: PartStore, refused: set[int], asked: list[int], *, fails: bool
) -> None:
    """Else what is refused is passed over; what the probe read is loaded."""
    client = harvest(*range(1, 7))
    client.fail = refusing(*refused)
    done = ask_all(asking(client, store, 1, 2, read={"8": [6], "10": [3, 4], "11": [5, 1]}))
    assert client.paths == [f"invoices/{each}/payments" for each in asked]
    if fails:
        with pytest.raises(NotAllowedError):
            done.reading()
    else:
        assert done.done == {asked[-1]}
        assert len(done.reading().keys) == 2


def test_nobody_else_is_asked_until_it_is_known_whether_the_report_is_refused(
    store: PartStore,
) -> None:
    """However long the answer takes: of a refused report, each request more is one for nothing."""
    parents = range(1, REFUSALS + 3)
    client = harvest(*parents)
    refused, all_are_asked, is_known = refusing(*parents), threading.Event(), threading.Event()

    def fail(path: str, params: Any) -> ApiError | None:
        if len(client.paths) > REFUSALS:
            all_are_asked.set()
            assert is_known.wait(30)
        return refused(path, params)

    client.fail = fail
    done = asking(client, store, *parents[:-1], read={"8": [parents[-1]]})
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(lambda: list(map(done.ask, parents[:REFUSALS])))
        assert all_are_asked.wait(30)
        other = pool.submit(done.ask, parents[REFUSALS])
        wait([other], timeout=0.2)
        is_known.set()
        first.result(30)
        other.result(30)
    assert done.error is REFUSED
    assert client.paths[REFUSALS:] == [f"invoices/{parents[-1]}/payments"]


def test_probe_that_fails_otherwise_is_the_error(store: PartStore) -> None:
    client = harvest(1, 2)
    client.fail = lambda path, _params: (
        REFUSED if path.startswith("invoices/1/") else RefusedError("no", 400)
    )
    done = ask_all(asking(client, store, 1, read={"10": [2]}))
    assert (type(done.error), str(done.error)) == (RefusedError, "no")


def test_report_that_is_refused_as_a_whole_costs_few_requests(store: PartStore) -> None:
    """After so many refusals without an answer it is asked whether any may be read."""
    client = harvest(*range(1, 100))
    client.fail = refusing(*range(1, 100))
    with pytest.raises(NotAllowedError):
        ask_all(asking(client, store, *range(1, 50), read={"10": [60]})).reading()
    assert len(client.asked) == REFUSALS + 1
    client.asked.clear()
    client.fail = refusing(*range(2, 100))
    assert len(ask_all(asking(client, store, *range(1, 50))).refused) == 48


# parents that are readable, whether the report is refused
FIRST_LOADS: dict[str, tuple[range, bool]] = {
    "the last": (range(45, 60), False),
    "those in the middle": (range(30, 40), False),
    "none": (range(0), True),
}


@pytest.mark.parametrize(("readable", "fails"), FIRST_LOADS.values(), ids=FIRST_LOADS)
def test_first_load_whose_first_parents_are_hidden_asks_others_before_it_gives_up(
    store: PartStore, readable: range, *, fails: bool
) -> None:
    """None was read before: a few of those to come tell, each of which is asked for once."""
    parents = range(60)
    client = harvest(*parents)
    client.fail = refusing(*({*parents} - {*readable}))
    done = ask_all(asking(client, store, *parents))
    if fails:
        assert len(client.asked) == REFUSALS + PROBES
        with pytest.raises(NotAllowedError):
            done.reading()
    else:
        assert done.done == {*readable}
        read = [path for path in client.paths if int(path.split("/")[1]) in readable]
        assert len(read) == len(readable)
        assert len(client.asked) < len(parents) + PROBES


# the pool


def test_requests_of_several_reports_alternate() -> None:
    assert alternating([[1, 2, 3], [10], [], [20, 21]]) == [1, 10, 20, 2, 21, 3]
    assert alternating([]) == []


def test_tasks_run_in_threads_and_are_handed_on_as_they_come(store: PartStore) -> None:
    client = harvest(1, 2)
    found: list[int] = []
    fetcher = Fetcher(cast("HarvestClient", client), store)
    fetcher.run([lambda each=each: each for each in range(50)], found.append)  # type: ignore[misc]
    assert sorted(found) == list(range(50))
    fetcher.run([], found.append)
    assert len(found) == 50


def test_where_a_task_fails_the_others_are_not_waited_for(store: PartStore) -> None:
    """The client sends nothing more; alone it lives on, since there is nothing to cancel."""
    client = harvest(1)
    fetcher = Fetcher(cast("HarvestClient", client), store)

    def fail() -> None:
        raise RefusedError("no")

    with pytest.raises(RefusedError):
        fetcher.run([fail], lambda _done: None)
    client.clock.check()
    with pytest.raises(RefusedError):
        fetcher.run([fail, fail], lambda _done: None)
    with pytest.raises(CancelledError):
        client.clock.check()


def test_many_threads_ask_at_once(store: PartStore) -> None:
    """None is lost."""
    parents = range(1, 60)
    each = asking(harvest(*parents), store, *parents)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(each.ask, each.to_ask))
    assert each.done == set(parents)
    assert len(each.reading().keys) == 2 * len(parents)


def test_one_row_is_kept_as_a_page_of_its_list(store: PartStore) -> None:
    client = FakeClient({"time_entries": [{"id": 5, "hours": 1.5}]})
    part = Part(AccountReport(7, "time_entries"), "1 entry 5", "time_entries/5")
    Fetcher(cast("HarvestClient", client), store).fetch_row(part, by_name("time_entries"))
    assert store.body(part) == b'{"time_entries":[{"id": 5, "hours": 1.5}]}'
    assert part_of(ChildPlan(PAYMENTS, 7, {}), 1).version == ""
