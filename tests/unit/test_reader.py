"""What a reader makes of wishes: a list read once for all, an error kept to its report, the state that then holds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from fake_client import NOON, FakeClient

from harvest_source.api.client import THREADS, HarvestClient
from harvest_source.catalogue.lookup import by_name
from harvest_source.catalogue.report import AccountReport
from harvest_source.clock import HOUR_SECONDS
from harvest_source.errors import (
    CancelledError,
    HarvestError,
    NotAllowedError,
    OddAnswerError,
    RefusedError,
    TokenRejectedError,
    UnavailableError,
)
from harvest_source.reading.plan import ChildPlan, Wish, part_of
from harvest_source.reading.reader import Choice, Mode, Outcome, Reader
from harvest_source.settings import HarvestSettings, parse_since

OLD, NEW, LATER = "2026-06-01T00:00:00Z", "2026-07-01T10:00:00Z", "2026-08-01T00:00:00Z"
HOUR = int(NOON.timestamp()) // HOUR_SECONDS
REFUSED = NotAllowedError("Not authorized!", 403)
CLIENTS, INVOICES = AccountReport(7, "clients"), AccountReport(7, "invoices")
ENTRIES, PAYMENTS = AccountReport(7, "time_entries"), AccountReport(7, "invoice_payments")
ASSIGNED = AccountReport(7, "project_assignments")


def harvest() -> FakeClient:
    """Returns a small account."""
    invoices = [{"id": 1, "updated_at": OLD}, {"id": 2, "updated_at": NEW}]
    tables: dict[str, list[dict[str, Any]]] = {
        "clients": [{"id": 5, "updated_at": NEW}],
        "invoices": invoices,
    }
    tables |= {f"invoices/{row['id']}/payments": [{"id": row["id"] * 10}] for row in invoices}  # type: ignore[operator]
    return FakeClient(tables)


@pytest.fixture
def open_reader() -> Iterator[Callable[..., Reader]]:
    """Gives a function that makes readers; they are closed after the test."""
    readers: list[Reader] = []

    def make(
        client: FakeClient,
        choice: Choice | None = None,
        folder: Path | None = None,
        **listeners: Any,
    ) -> Reader:
        readers.append(
            Reader(
                cast("HarvestClient", client),
                HarvestSettings(),
                choice or Choice(),
                folder,
                **listeners,
            )
        )
        return readers[-1]

    yield make
    for reader in readers:
        reader.close()


Open = Callable[..., Reader]


def read(
    reader: Reader, wishes: Mapping[AccountReport, Wish], reserved: int = 0
) -> dict[AccountReport, Outcome]:
    """Reads lists and then children, as a run does."""
    return {**reader.read_lists(wishes), **reader.read_children(wishes, reserved)}


def keys(outcome: Outcome) -> list[Any]:
    """Returns the ids of what was read."""
    assert outcome.reading, outcome.error
    return sorted(key[-1] for key in outcome.reading.keys)


def test_lists_and_children_share_what_is_read(open_reader: Open) -> None:
    """The list of invoices is asked for once; what became of it is told of those that wished for it."""
    client = harvest()
    reader = open_reader(client)
    outcomes = read(reader, {CLIENTS: Wish(), INVOICES: Wish(), PAYMENTS: Wish()})
    assert {pair: keys(outcome) for pair, outcome in outcomes.items()} == {
        CLIENTS: [5],
        INVOICES: [1, 2],
        PAYMENTS: [10, 20],
    }
    assert sorted(client.paths) == [
        "clients",
        "invoices",
        "invoices/1/payments",
        "invoices/2/payments",
    ]
    assert outcomes[CLIENTS].state == {"updated_at": NEW}
    assert (outcomes[PAYMENTS].state or {})["marks"] == {"invoices": NEW}
    assert outcomes[PAYMENTS].parents == {1, 2}
    assert set(reader.lists) == {CLIENTS, INVOICES}
    with pytest.raises(TypeError):
        reader.lists[CLIENTS] = None  # type: ignore[index]


def test_two_threads_that_need_a_list_read_it_once(open_reader: Open) -> None:
    """As dlt's do under `parallelize()`: the second one waits for the first one's reading."""
    client = harvest()
    both = threading.Barrier(2)

    def wait_for_the_other(_number: int) -> None:
        with suppress(threading.BrokenBarrierError):
            both.wait(0.2)  # only a second request comes

    client.before = wait_for_the_other
    reader = open_reader(client)
    with ThreadPoolExecutor(2) as pool:
        lists = pool.submit(reader.read_lists, {INVOICES: Wish()})
        planned = pool.submit(reader.plan, PAYMENTS, Wish())
    assert keys(lists.result()[INVOICES]) == [1, 2]
    plan = planned.result().plan
    assert plan is not None
    assert set(plan.parents) == {1, 2}
    assert client.paths == ["invoices"]


def test_children_read_the_lists_they_hang_on_by_themselves(open_reader: Open) -> None:
    """In plain dlt each resource is read for itself; a list that reaches far enough is not read again."""
    client = harvest()
    reader = open_reader(client)
    assert reader.read_lists({PAYMENTS: Wish({"marks": {"invoices": NEW}})}) == {}
    assert client.asked == [("invoices", {"updated_since": "2026-07-01T09:55:00Z"})]
    assert keys(
        reader.read_children({PAYMENTS: Wish({"marks": {"invoices": NEW}, "read": {"1": [1]}})})[
            PAYMENTS
        ]
    ) == [10, 20]
    assert client.paths == ["invoices", "invoices/2/payments", "invoices/1/payments"]
    assert keys(reader.read_lists({INVOICES: Wish()})[INVOICES]) == [1, 2]
    reader.read_lists({INVOICES: Wish({"updated_at": NEW})})
    assert client.paths.count("invoices") == 2


# asked from, state kept
SINCE: dict[str, tuple[Choice, dict[str, Any], str | None, dict[str, Any] | None]] = {
    "first": (Choice(), {}, None, {"updated_at": NEW}),
    "a little before the bookmark": (Choice(), {"updated_at": NEW}, "2026-07-01T09:55:00Z", {"updated_at": NEW}),
    "anew": (Choice(mode=Mode.ALL), {"updated_at": NEW}, None, {"updated_at": NEW}),
    "from a date on": (Choice(since=NOON), {"updated_at": OLD}, "2026-07-01T12:00:00Z", None),
    "nothing changed": (Choice(), {"updated_at": LATER}, "2026-07-31T23:55:00Z", {"updated_at": LATER}),
}  # fmt: skip


@pytest.mark.parametrize(("choice", "state", "since", "kept"), SINCE.values(), ids=SINCE)
def test_what_of_a_list_is_asked_for_and_kept(
    open_reader: Open,
    choice: Choice,
    state: dict[str, Any],
    since: str | None,
    kept: dict[str, Any] | None,
) -> None:
    client = harvest()
    outcome = open_reader(client, choice).read_lists({CLIENTS: Wish(state)})[CLIENTS]
    assert client.asked == [("clients", {"updated_since": since} if since else {})]
    assert outcome.state == kept


def test_list_without_change_times_keeps_no_state(open_reader: Open) -> None:
    client = FakeClient({"roles": [{"id": 1, "updated_at": NEW}]})
    assert (
        open_reader(client)
        .read_lists({AccountReport(7, "roles"): Wish()})[AccountReport(7, "roles")]
        .state
        is None
    )


def test_children_of_a_run_from_a_date_on_keep_no_state(open_reader: Open) -> None:
    """Nor are any read in turn."""
    client = harvest()
    wishes = {PAYMENTS: Wish({"read": {"1": [1]}}, {1: None}, (1,), (1,))}
    outcome = read(open_reader(client, Choice(since=datetime(2026, 7, 1, tzinfo=UTC))), wishes)[
        PAYMENTS
    ]
    assert (keys(outcome), outcome.state) == ([20], None)


def test_error_of_a_list_stays_with_it_and_what_hangs_on_it(open_reader: Open) -> None:
    """Named by the list there; the others are read. A list is not tried again in the run."""
    client = harvest()
    client.fail = lambda path, _params: (
        UnavailableError("no answer", 503) if path == "invoices" else None
    )
    heard: list[tuple[str, str]] = []
    reader = open_reader(
        client,
        on_read=lambda pair, outcome: heard.append((pair.report, str(outcome.error or "read"))),
    )
    outcomes = read(reader, {CLIENTS: Wish(), INVOICES: Wish(), PAYMENTS: Wish()})
    assert str(outcomes[INVOICES].error) == "no answer"
    assert (type(outcomes[PAYMENTS].error), str(outcomes[PAYMENTS].error)) == (
        UnavailableError,
        "invoices: no answer",
    )
    assert client.paths.count("invoices") == 1
    assert keys(outcomes[CLIENTS]) == [5]
    assert sorted(heard) == [
        ("clients", "read"),
        ("invoice_payments", "invoices: no answer"),
        ("invoices", "no answer"),
    ]


def test_children_that_cannot_be_planned_fail_once(open_reader: Open) -> None:
    """However many lists end after theirs; what an interrupted run kept of them is dropped once, too."""
    client = FakeClient(
        {"users": [], "task_assignments": [], "projects": [{"id": 70, "project": 1}], "clients": []}
    )
    client.tables["user_assignments"] = [{"id": 1, "user": {"id": [5]}}]  # an id that is none
    heard: list[str] = []
    reader = open_reader(
        client, on_read=lambda pair, outcome: heard.append(pair.report) if outcome.error else None
    )
    outcomes = read(reader, {ASSIGNED: Wish(), CLIENTS: Wish(), INVOICES: Wish(), ENTRIES: Wish()})
    assert isinstance(outcomes[ASSIGNED].error, OddAnswerError)
    assert heard.count("project_assignments") == 1


def test_refusal_says_who_may_read_a_report(open_reader: Open) -> None:
    client = harvest()
    client.fail = lambda _path, _params: REFUSED
    outcome = open_reader(client).read_lists({CLIENTS: Wish()})[CLIENTS]
    assert str(outcome.error).startswith(
        "Not authorized!; to read clients one must be an administrator"
    )
    assert isinstance(outcome.error, NotAllowedError)


@pytest.mark.parametrize("path", ["clients", "invoices/1/payments", "invoices/2/payments"])
@pytest.mark.parametrize("error", [TokenRejectedError("401", 401), CancelledError("stop")])
def test_dead_token_and_ctrl_c_end_everything(
    open_reader: Open, path: str, error: HarvestError
) -> None:
    client = harvest()
    client.fail = lambda asked, _params: error if asked == path else None  # type: ignore[assignment,return-value]
    reader = open_reader(client)
    with pytest.raises(type(error)):
        read(reader, {CLIENTS: Wish(), INVOICES: Wish(), PAYMENTS: Wish()})


def test_probe_that_meets_a_dead_token_ends_everything(open_reader: Open) -> None:
    client = harvest()
    client.fail = lambda path, _params: {
        "invoices/2/payments": REFUSED,
        "invoices/1/payments": TokenRejectedError("401"),
    }.get(path)
    with pytest.raises(TokenRejectedError):
        read(
            open_reader(client),
            {PAYMENTS: Wish({"marks": {"invoices": NEW}, "read": {str(HOUR): [1]}})},
        )


Told = list[tuple[AccountReport, int]]


def planned(told: Told) -> Any:
    """Returns what keeps how many requests a reader says that it still takes."""
    return lambda pair, requests: told.append((pair, requests))


def test_requests_that_are_known_to_come_are_told(open_reader: Open) -> None:
    """A list's first answer tells its pages, and a list its children; of a reading that is done none are left."""
    client = harvest()
    client.page_rows = 1
    told: Told = []
    reader = open_reader(client, on_planned=planned(told))
    reader.read_lists({PAYMENTS: Wish()})
    assert told == [(INVOICES, 1), (INVOICES, 1), (INVOICES, 0), (PAYMENTS, 2)]
    told.clear()
    reader.read_lists({INVOICES: Wish()})
    assert told == [], "it is read already"
    reader.read_children({PAYMENTS: Wish()})
    assert told == [(PAYMENTS, 0)]


def test_no_request_of_what_fails_is_awaited_any_more(open_reader: Open) -> None:
    """Neither of a list nor of children, of which others are still asked for."""
    client = harvest()
    client.page_rows = 1
    told: Told = []
    reader = open_reader(client, on_planned=planned(told))
    client.fail = lambda path, params: (
        RefusedError("no") if path != "clients" and "first" in params else None
    )
    reader.read_lists({INVOICES: Wish()})
    assert told == [(INVOICES, 1), (INVOICES, 1), (INVOICES, 0)]
    told.clear()
    client = harvest()
    messages = AccountReport(7, "invoice_messages")
    client.tables["invoices/1/messages"] = client.tables["invoices/2/messages"] = []
    client.fail = lambda path, _params: RefusedError("no") if "payments" in path else None
    reader = open_reader(client, on_planned=planned(told))
    outcomes = read(reader, {PAYMENTS: Wish(), messages: Wish()})
    assert [bool(outcomes[pair].error) for pair in (PAYMENTS, messages)] == [True, False]
    assert told[told.index((messages, 2)) :][-1] == (messages, 0)
    assert told.count((PAYMENTS, 0)) > 1, "known before the others were read"


def test_children_are_asked_for_as_soon_as_their_own_lists_are_read(open_reader: Open) -> None:
    """While another list is still waited for; that list here waits for the children."""
    client = harvest()
    client.tables["time_entries"] = [{"id": 3, "spent_date": "2026-01-01", "updated_at": OLD}]
    asked = threading.Event()

    preferred: list[AbstractSet[str]] = []

    def fail(path: str, _params: dict[str, str]) -> None:
        if path.endswith("payments"):
            preferred.append(client.preferred)
            if len(preferred) == 2:
                asked.set()
        if path == "time_entries":
            assert asked.wait(30)

    client.fail = fail
    entries = AccountReport(7, "time_entries")
    reader = open_reader(client)
    wishes = {entries: Wish(), PAYMENTS: Wish()}
    assert keys(reader.read_lists(wishes)[entries]) == [3]
    # until then they leave permits to the lists
    assert preferred == [{"time_entries", "invoices"}] * 2
    assert client.preferred == set()
    outcome = reader.read_children(wishes)[PAYMENTS]
    assert keys(outcome) == [10, 20]
    assert outcome.state is not None
    assert client.paths.count("invoices/1/payments") == 1
    # with what an earlier run read, how many may be asked is known when all lists are
    client.fail = lambda _path, _params: None
    client.asked.clear()
    later = open_reader(client)
    later.read_lists({PAYMENTS: Wish(outcome.state)})
    assert client.paths == ["invoices"]


def test_threads_are_shared_by_all_reports(open_reader: Open) -> None:
    """Of all lists that are read by windows, and of all reports whose children are begun ahead, sixteen are asked at a time.

    Their threads end with the reader.
    """
    client = harvest()
    client.page_rows = 10
    at_once: dict[str, set[threading.Thread]] = {"windows": set(), "ahead": set()}
    full = {kind: threading.Event() for kind in at_once}

    def fail(path: str, params: dict[str, str]) -> None:
        kind = "ahead" if "/" in path else "windows" if "from" in params else ""
        if kind:
            at_once[kind].add(threading.current_thread())
            if len(at_once[kind]) == THREADS:
                full[kind].set()
            assert full[kind].wait(30)

    client.fail = fail
    rows: list[dict[str, Any]] = [{"id": each, "updated_at": OLD} for each in range(1, 2001)]
    for name in ("time_entries", "expenses"):
        client.tables[name] = [
            {**row, "spent_date": str(date(2020, 1, 1) + timedelta(days=row["id"]))}
            for row in rows[::-1]
        ]
    client.tables["invoices"] = rows[:20]
    for row in rows[:20]:
        for name in ("payments", "messages"):
            client.tables[f"invoices/{row['id']}/{name}"] = []
    names = ("time_entries", "expenses", "invoice_payments", "invoice_messages")
    wishes = {AccountReport(7, name): Wish() for name in names}
    reader = open_reader(client)
    outcomes = read(reader, wishes)
    assert [each.error for each in outcomes.values()] == [None] * 4
    assert {kind: len(found) for kind, found in at_once.items()} == {
        "windows": THREADS,
        "ahead": THREADS,
    }
    reader.close()
    for each in at_once["windows"] | at_once["ahead"]:
        each.join(10)
        assert not each.is_alive()


@pytest.mark.parametrize("error", [TokenRejectedError("dead", 401), CancelledError("interrupted")])
def test_children_asked_ahead_end_a_run_as_others_do(
    open_reader: Open, error: HarvestError
) -> None:
    """A dead token and Ctrl-C end everything; what else a report meets stays its own."""
    client = harvest()
    client.fail = lambda path, _params: cast("Any", error) if "payments" in path else None
    reader = open_reader(client)
    with pytest.raises(type(error)):
        read(reader, {PAYMENTS: Wish()})
    client.fail = lambda path, _params: RefusedError("no") if "payments" in path else None
    assert str(read(open_reader(client), {PAYMENTS: Wish()})[PAYMENTS].error) == "no"


# what an interrupted run left


def test_answers_outlive_an_interrupted_run(open_reader: Open, tmp_path: Path) -> None:
    """The next one asks for the others only; a full refresh asks for all; what is loaded is dropped."""
    client = harvest()
    read(open_reader(client, folder=tmp_path), {PAYMENTS: Wish()})  # killed before it loads
    for choice, asked in (
        (Choice(), []),
        (Choice(mode=Mode.ALL), ["invoices/1/payments", "invoices/2/payments"]),
    ):
        client.asked.clear()
        reader = open_reader(client, choice, tmp_path)
        outcome = read(reader, {PAYMENTS: Wish()})[PAYMENTS]
        assert keys(outcome) == [10, 20]
        assert sorted(client.paths[1:]) == asked
    assert (outcome.state or {})["followed"] == {"invoices": {NEW: [2]}}
    reader.store.drop(PAYMENTS)
    reader.close()
    reader.close()
    client.asked.clear()
    read(open_reader(client, folder=tmp_path), {PAYMENTS: Wish()})
    assert len(client.paths) == 3


def test_resumed_parents_are_looked_at_once_more(open_reader: Open, tmp_path: Path) -> None:
    """Their answers are older than the list that names them."""
    client = harvest()
    read(open_reader(client, folder=tmp_path), {PAYMENTS: Wish()})
    resumed = read(open_reader(client, folder=tmp_path), {PAYMENTS: Wish()})[PAYMENTS]
    assert (resumed.state or {})["followed"] == {"invoices": {NEW: []}}


@pytest.mark.parametrize("hours", [-1, 25])
def test_old_answers_and_those_of_a_clock_ahead_are_asked_for_again(
    open_reader: Open, tmp_path: Path, hours: int
) -> None:
    client = harvest()
    read(open_reader(client, folder=tmp_path), {PAYMENTS: Wish()})
    client.clock.seconds += hours * HOUR_SECONDS
    client.asked.clear()
    read(open_reader(client, folder=tmp_path), {PAYMENTS: Wish()})
    assert len(client.paths) == 3


def test_odd_answer_is_not_gone_on_from(open_reader: Open, tmp_path: Path) -> None:
    """What cannot be read is asked for anew."""
    client = harvest()
    read(open_reader(client, folder=tmp_path), {PAYMENTS: Wish()})
    reader = open_reader(client, folder=tmp_path)
    reader.store.keep(
        part_of(ChildPlan(by_name("invoice_payments"), 7, {2: NEW}), 2),
        b"[7]",
        HOUR,
    )
    assert isinstance(read(reader, {PAYMENTS: Wish()})[PAYMENTS].error, OddAnswerError)
    reader.close()
    client.asked.clear()
    assert keys(read(open_reader(client, folder=tmp_path), {PAYMENTS: Wish()})[PAYMENTS]) == [
        10,
        20,
    ]
    assert len(client.paths) == 3


@pytest.mark.parametrize(
    ("reserved", "more"), [(500, {0}), (100 - 1 - 10 - 20, {10}), (0, {44, 45})]
)
def test_free_requests_are_shared_by_the_reports(
    open_reader: Open, reserved: int, more: set[int]
) -> None:
    """What is sent already, asked for and reserved counts; those whose turn it is are asked all the same."""
    kinds = ("payments", "messages")
    tables: dict[str, list[dict[str, Any]]] = {
        f"invoices/{each}/{kind}": [] for each in range(200) for kind in kinds
    }
    messages = AccountReport(7, "invoice_messages")
    # a day's share of them was read since
    read_hours = {str(HOUR - 24): list(range(5, 95)), str(HOUR - 13): list(range(95, 200))}
    state = {"marks": {"invoices": NEW}, "read": {"1": list(range(5)), **read_hours}}
    known = dict.fromkeys(range(200), parse_since("changed", "2020-01-01"))
    wishes = {pair: Wish(state, known_parents=known) for pair in (PAYMENTS, messages)}
    client = FakeClient({**tables, "invoices": []})
    read(open_reader(client), wishes, reserved)
    sent = [sum(kind in path for path in client.paths) for kind in kinds]
    assert {each - 5 for each in sent} == more


# timers


def with_timers() -> FakeClient:
    """Returns a Harvest with a timer that runs since long, one that stopped quietly, and one entry that changed now."""
    entries: list[dict[str, Any]] = [
        {"id": 1, "updated_at": OLD, "is_running": True},
        {"id": 2, "updated_at": OLD, "is_running": False},
        {"id": 3, "updated_at": NEW, "is_running": False},
    ]
    return FakeClient({"time_entries": entries})


STATE = {"updated_at": NEW}


def test_running_timers_are_read_again(open_reader: Open) -> None:
    """Those that run now with one request, those that ran last time with one each, unless they came by themselves."""
    client = with_timers()
    outcome = open_reader(client).read_lists(
        {ENTRIES: Wish(STATE, ran_before=frozenset({1, 2, 3, 9}))}
    )[ENTRIES]
    assert keys(outcome) == [1, 2, 3]
    assert outcome.state == STATE
    assert client.paths == ["time_entries", "time_entries", "time_entries/2", "time_entries/9"]
    assert client.asked[1][1] == {"is_running": "true"}


def test_timer_that_is_refused_is_hidden(open_reader: Open) -> None:
    client = with_timers()
    client.fail = lambda path, _params: REFUSED if path == "time_entries/2" else None
    outcome = open_reader(client).read_lists({ENTRIES: Wish(STATE, ran_before=frozenset({2}))})[
        ENTRIES
    ]
    assert keys(outcome) == [1, 3]
    assert outcome.hidden == {("time_entries", 2)}
    client.fail = lambda path, _params: (
        RefusedError("no", 400) if path == "time_entries/2" else None
    )
    assert (
        open_reader(client)
        .read_lists({ENTRIES: Wish(STATE, ran_before=frozenset({2}))})[ENTRIES]
        .error
    )


@pytest.mark.parametrize(
    ("choice", "state", "ran_before"),
    [
        (Choice(), {}, frozenset({2})),
        (Choice(since=NOON), STATE, frozenset({2})),
        (Choice(), STATE, None),
    ],
)
def test_timers_are_asked_for_where_changes_are_read(
    open_reader: Open, choice: Choice, state: dict[str, Any], ran_before: frozenset[int] | None
) -> None:
    """Not with the whole list, in a run from a date on, or where nobody asks."""
    client = with_timers()
    open_reader(client, choice).read_lists({ENTRIES: Wish(state, ran_before=ran_before)})
    assert len(client.asked) == 1


# whose children


def test_somebody_who_may_not_list_users_reads_their_own(open_reader: Open) -> None:
    """Of the one report that is open to oneself; the caller is asked for."""
    client = FakeClient({"users": [{"id": "me"}], "users/5/project_assignments": [{"id": 50}]})
    client.fail = lambda path, _params: REFUSED if path == "users" else None
    found: dict[str, Any] = {"id": 5}
    client.rows["users/me"] = found
    rates = AccountReport(7, "cost_rates")
    outcomes = read(open_reader(client), {ASSIGNED: Wish(), rates: Wish()})
    assert keys(outcomes[ASSIGNED]) == [50]
    assert isinstance(outcomes[rates].error, NotAllowedError)
    found["id"] = "5"
    assert "which user the token is of" in str(
        read(open_reader(client), {ASSIGNED: Wish()})[ASSIGNED].error
    )


def test_users_of_a_changed_project_are_asked(open_reader: Open) -> None:
    """All assignments are read for it, once more than what changed."""
    client = FakeClient(
        {"users": [], "task_assignments": [], "projects": [{"id": 70, "updated_at": NEW}]}
    )
    client.tables["user_assignments"] = [
        {"id": 1, "updated_at": OLD, "user": {"id": 5}, "project": {"id": 70}}
    ]
    client.tables["users/5/project_assignments"] = [{"id": 50}]
    marks = dict.fromkeys(("users", "task_assignments", "projects", "user_assignments"), NEW)
    outcome = read(
        open_reader(client), {ASSIGNED: Wish({"marks": marks, "read": {str(HOUR): [5]}})}
    )[ASSIGNED]
    assert keys(outcome) == [50]
    assert client.paths.count("user_assignments") == 2


def test_hidden_parents_are_told(open_reader: Open) -> None:
    """Where the report is read, and where it fails."""
    client = harvest()
    client.fail = lambda path, _params: REFUSED if path == "invoices/1/payments" else None
    assert read(open_reader(client), {PAYMENTS: Wish()})[PAYMENTS].hidden == {("invoices", 1)}
    client.fail = lambda path, _params: REFUSED if path.endswith("payments") else None
    outcome = read(open_reader(client), {PAYMENTS: Wish()})[PAYMENTS]
    assert isinstance(outcome.error, NotAllowedError)
    assert outcome.hidden == {("invoices", 1), ("invoices", 2)}


def test_report_followed_by_what_was_read_later(open_reader: Open) -> None:
    """In the same run, of parents that came late: keys and parents are those of both; an error of the second counts."""
    client = harvest()
    reader = open_reader(client)
    first = read(reader, {PAYMENTS: Wish()})[PAYMENTS]
    assert first.reading
    assert first.state
    client.tables["invoices/3/payments"] = [{"id": 30}]
    later = reader.read_children({PAYMENTS: Wish(first.state, known_parents={3: None})})[PAYMENTS]
    both = first.followed_by(later)
    assert keys(both) == [10, 20, 30]
    assert both.parents == {1, 2, 3}
    assert both.state == later.state
    assert (keys(first), keys(later)) == ([10, 20], [30])
    assert both.plan
    assert first.plan
    assert both.plan.whole == first.plan.whole
    failed = Outcome(error=RefusedError("no"), hidden=frozenset({("invoices", 8)}))
    assert first.followed_by(failed).error is failed.error
    assert Outcome().followed_by(Outcome(plan=ChildPlan(first.plan.report, 7, {}))).reading is None
