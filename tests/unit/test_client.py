"""The one object that sends: its headers, what it tries again and for how long it waits, what it never follows."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from clocks import FastClock, SteppedClock
from hostile import Hostile, Raw, http, page
from second_harvest import Asked, HandMade, by_hand

from harvest_sandbox import Account, Fault, Sandbox, Size, build_account
from harvest_source.about import VERSION
from harvest_source.api.accounts import choose_accounts
from harvest_source.api.client import TRIES, HarvestClient
from harvest_source.api.limits import Budgets, Limit
from harvest_source.clock import Clock
from harvest_source.errors import (
    AccountNotFoundError,
    ApiError,
    CancelledError,
    NotAllowedError,
    NotFoundError,
    RefusedError,
    SettingError,
    TokenRejectedError,
    UnavailableError,
)
from harvest_source.settings import HarvestSettings
from harvest_source.signin.auth import PersonalToken

TINY = Size(projects=2, users=2, invoices=1, estimates=1, time_entries=6, expenses=2, clients=2)
TOKEN = "SECRET-TOKEN-123"


@pytest.fixture
def account() -> Account:
    """A small account."""
    return build_account(TINY, seed=3)


@pytest.fixture
def sandbox(account: Account) -> Iterator[Sandbox]:
    """The account behind a socket."""
    with Sandbox(account, token=TOKEN) as running:
        yield running


@pytest.fixture
def clock() -> FastClock:
    """Waits without waiting."""
    return FastClock()


def client_of(
    harvest: Sandbox | HandMade | Hostile,
    clock: Clock | None = None,
    token: str = TOKEN,
    **changes: Any,
) -> HarvestClient:
    """Returns a client with the real limits."""
    settings = HarvestSettings(api_url=harvest.api_url, id_url=harvest.id_url)
    for name, value in changes.items():
        setattr(settings, name, value)
    return HarvestClient(settings, PersonalToken(token), clock or FastClock())


def test_every_request_has_the_headers_the_api_asks_for(sandbox: Sandbox, account: Account) -> None:
    """Token, account, a User-Agent with a way to write to; none of it in the address, and no account for the identity host."""
    client = client_of(sandbox, contact="ops@example.com")
    client.get_accounts()
    client.get(account.id, "company", ("name",))
    list(client.iter_pages(account.id, "clients", "clients", {"is_active": "true"}, "clients"))
    for request in sandbox.requests:
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        assert request.headers["accept"] == "application/json"
        assert request.headers["user-agent"] == f"harvest-pipeline/{VERSION} (ops@example.com)"
        assert TOKEN not in request.raw_query + request.path
        assert request.method == "GET"
    assert "harvest-account-id" not in sandbox.requests[0].headers
    assert {request.headers["harvest-account-id"] for request in sandbox.requests[1:]} == {
        str(account.id)
    }


PASSING = {
    **{
        str(status): Fault("/clients$", status=status, times=6)
        for status in (408, 425, 429, 500, 502, 503, 504, 520, 522, 524, 530)
    },
    "web page with 200": Fault("/clients$", "html", times=6),
    "half an answer": Fault("/clients$", "cut", times=6),
    "nothing": Fault("/clients$", "empty", times=6),
    "dropped": Fault("/clients$", "reset", times=6),
    "another shape": Fault("/clients$", "wrong_shape", times=6),
    "a list": Fault("/clients$", body="[]", status=200, times=6),
    "rows that are none": Fault("/clients$", body='{"clients": [1, 2]}', status=200, times=6),
    "null in place of rows": Fault("/clients$", body='{"clients": null}', status=200, times=6),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_what_may_pass_is_tried_again_six_times(
    sandbox: Sandbox, account: Account, clock: FastClock, fault: Fault
) -> None:
    """The seventh answer is good; waits grow, have an end, and differ by chance."""
    fault.hits = 0
    sandbox.faults.append(fault)
    (page,) = client_of(sandbox, clock).iter_pages(account.id, "clients", "clients", {}, "clients")
    assert {row["id"] for row in page.data["clients"]} == set(account.rows["clients"])
    assert len(sandbox.requests) == TRIES == 7
    pauses = [seconds for seconds in clock.waits if seconds > 0]
    assert len(pauses) == 6
    assert sum(pauses) <= (90 if fault.status == 429 else 60)
    if fault.status != 429:
        assert all(2**place <= seconds <= 2**place + 1 for place, seconds in enumerate(pauses[:4]))
        assert max(pauses) <= 17


@pytest.mark.parametrize("kind", ["status", "html", "reset"])
def test_what_does_not_pass_ends_in_an_error_that_says_so(
    sandbox: Sandbox, account: Account, kind: Any
) -> None:
    """After the seventh try; the message holds no address and no token."""
    sandbox.faults.append(Fault("/clients$", kind, times=None))
    with pytest.raises(UnavailableError, match="7 times in a row; try again later") as caught:
        list(client_of(sandbox).iter_pages(account.id, "clients", "clients", {}, "clients"))
    assert len(sandbox.requests) == TRIES
    assert TOKEN not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)


LASTING: dict[int, type[ApiError]] = {
    400: RefusedError, 401: TokenRejectedError, 403: NotAllowedError, 404: NotFoundError, 405: RefusedError, 410: RefusedError,
    422: RefusedError, 301: RefusedError, 302: RefusedError, 307: RefusedError, 308: RefusedError, 501: RefusedError,
}  # fmt: skip


@pytest.mark.parametrize(("status", "error"), LASTING.items(), ids=map(str, LASTING))
def test_what_will_not_change_is_asked_once(
    sandbox: Sandbox, account: Account, status: int, error: type[ApiError]
) -> None:
    """And is an error of its own kind with its status, never "no rows"."""
    sandbox.faults.append(Fault("/clients$", status=status, times=None))
    with pytest.raises(error, match=str(status)) as caught:
        list(client_of(sandbox).iter_pages(account.id, "clients", "clients", {}, "clients"))
    assert type(caught.value) is error
    assert caught.value.status == status
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"message": "Invalid per_page parameter"}', "Invalid per_page parameter"),
        ('{"error": "invalid_token", "error_description": "It is expired."}', "It is expired."),
        ('{"status": 422, "error": "Not Found"}', "Not Found"),
        ("<!DOCTYPE html><p>" + "x" * 5000, "a web page"),
        ("", "no reason given"),
        ('["a list"]', '["a list"]'),
    ],
)
def test_the_reason_in_an_errors_body_is_told(
    sandbox: Sandbox, account: Account, body: str, said: str
) -> None:
    """Bodies of errors have no common shape; the message stays short."""
    kind: Any = "html" if body.startswith("<") else "status"
    sandbox.faults.append(Fault("/clients$", kind, status=422, body=body))
    with pytest.raises(RefusedError) as caught:
        client_of(sandbox).get(account.id, "clients", ("clients",))
    assert said in str(caught.value)
    assert len(str(caught.value)) < 300


def http_date(seconds: int) -> str:
    """Returns the HTTP date so many seconds from now."""
    return format_datetime(
        datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds), usegmt=True
    )


@pytest.mark.parametrize(
    ("retry_after", "least", "most"),
    [
        (lambda: "2", 2, 2), (lambda: "0", 1, 2), (lambda: "100000", 900, 900), (lambda: http_date(30), 28, 32),
        (lambda: http_date(-30), 1, 2), (lambda: None, 15, 15),
        (lambda: "soon", 15, 15), (lambda: "-5", 15, 15), (lambda: "1.5", 15, 15),
    ],
    ids=["seconds", "none", "a day", "a date", "a past date", "absent", "a word", "negative", "a fraction"],
)  # fmt: skip
def test_a_429_is_obeyed(
    sandbox: Sandbox,
    account: Account,
    clock: FastClock,
    retry_after: Callable[[], str | None],
    least: int,
    most: int,
) -> None:
    """R16: a web page with `Retry-After` in seconds, as a date, or absent: then the limit's own window; counted, and once."""
    sandbox.faults.append(Fault("/clients$", status=429, retry_after=retry_after()))
    client = client_of(sandbox, clock)
    client.get(account.id, "clients", ("clients",))
    waited = sum(clock.waits)
    assert least - 0.5 <= waited <= most + 0.5
    assert client.traffic.waits == 1
    assert [request.status for request in sandbox.requests] == [429, 200]


@pytest.mark.parametrize(
    "retry_after", [lambda: "0", lambda: http_date(-30)], ids=["none", "a past date"]
)
def test_a_429_that_asks_for_no_wait_does_not_burn_all_tries_at_once(
    sandbox: Sandbox, account: Account, clock: FastClock, retry_after: Callable[[], str]
) -> None:
    """The growing waits hold then, as for any other fault that may pass."""
    sandbox.faults.append(Fault("/clients$", status=429, retry_after=retry_after(), times=None))
    with pytest.raises(UnavailableError, match="429, 7 times"):
        client_of(sandbox, clock).get(account.id, "clients", ("clients",))
    assert sum(clock.waits) >= 1 + 2 + 4 + 8 + 16 + 16


def test_a_429_holds_every_other_request_back(
    sandbox: Sandbox, account: Account, clock: FastClock
) -> None:
    """One pause for all: Harvest means the token, not the thread; Harvest's reports have a pause of their own."""
    client = client_of(sandbox, clock)
    client.budgets.general.pause(7)
    client.get(
        account.id, "reports/time/clients", ("results",), {"from": "2025-01-01", "to": "2025-01-31"}
    )
    assert sum(clock.waits) == 0
    client.get(account.id, "company", ("name",))
    assert 6 <= sum(clock.waits) <= 7


def test_the_429_after_the_last_try_holds_every_request_back_too(
    sandbox: Sandbox, account: Account, clock: FastClock
) -> None:
    """Who asks next waits as Harvest asked, though nobody asks again for what was refused."""
    sandbox.faults.append(Fault("/clients$", status=429, retry_after="40"))
    client = client_of(sandbox, clock)
    with pytest.raises(UnavailableError, match="429"):
        client.get(account.id, "clients", ("clients",), tries=1)
    assert clock.waits == []
    client.get(account.id, "company", ("name",))
    assert 39 <= sum(clock.waits) <= 40
    assert client.traffic.waits == 1


def test_requests_for_other_reports_leave_permits_to_what_is_preferred(
    sandbox: Sandbox, account: Account
) -> None:
    """A quarter of the limit, for as long as it lasts; also where it is asked for twice, as by two threads."""
    clock = SteppedClock()
    settings = HarvestSettings(api_url=sandbox.api_url, id_url=sandbox.id_url)
    budgets = Budgets(clock, general=Limit(4, 15))
    client = HarvestClient(settings, PersonalToken(TOKEN), clock, budgets)
    sent: list[tuple[str, float]] = []
    client.on_request = lambda _account_id, label: sent.append((label, clock.seconds))

    def ask(*paths: str) -> None:
        for path in paths:
            client.get(account.id, path, (path,))

    with ExitStack() as preferring:
        preferring.enter_context(client.preferring(["clients"]))
        with client.preferring(["tasks"]):
            ask("roles", "roles", "roles", "clients", "roles", "tasks", "roles")
        clock.on_wait = preferring.close  # the last of what is preferred is read meanwhile
        ask("roles")
    ask("roles")
    assert sent == [
        *[("roles", 0)] * 3, ("clients", 0),
        ("roles", 15), ("tasks", 15), ("roles", 15), ("roles", 15.5),
        ("roles", 30),
    ]  # fmt: skip


def test_answers_that_do_not_end_hold_up_no_other() -> None:
    """However many of them are waited for: each thread reads its own answer."""
    ended = threading.Event()
    hanging = 8

    def answer(asked: Asked) -> Raw:
        whole = b"".join(http(page(asked.path, [])))
        if asked.path == "clients":
            yield whole
            return
        yield whole[:-1]
        ended.wait(30)
        yield whole[-1:]

    with Hostile(answer) as harvest, ThreadPoolExecutor(hanging + 1) as pool:
        client = client_of(harvest)
        begun = [pool.submit(client.get, 7, "users", ("users",)) for _ in range(hanging)]
        try:
            while len(harvest.requests) < hanging:
                assert not any(each.done() for each in begun)
            good = pool.submit(client.get, 7, "clients", ("clients",)).result(10)
        finally:
            ended.set()
        assert good.data["clients"] == []
        assert [each.result().data["users"] for each in begun] == [[]] * hanging


def test_links_written_otherwise_count_for_the_same_limit(hand: HandMade) -> None:
    """A page of Harvest's reports is one, whatever capitals or signs its address is written with."""
    links = {
        "": f"HTTP://127.0.0.1:{hand.port}/v2/reports/time/projects?cursor=2",
        "2": f"http://127.0.0.1:{hand.port}/v2/%72eports/time/projects?cursor=3",
        "3": "",
    }
    hand.spoil = lambda asked: (
        200,
        json.dumps(
            {"results": [{"id": 1}], "links": {"next": links[asked.query.get("cursor", "")]}}
        ).encode(),
    )
    clock = SteppedClock()
    settings = HarvestSettings(api_url=hand.api_url, id_url=hand.id_url)
    budgets = Budgets(clock, general=Limit(1, 15), reports=Limit(1, 900))
    client = HarvestClient(settings, PersonalToken(TOKEN), clock, budgets)
    pages = client.iter_pages(hand.id, "reports/time/projects", "results", {}, "time_entries")
    assert len(list(pages)) == 3
    assert clock.seconds == pytest.approx(2 * 900)


@pytest.fixture
def hand() -> Iterator[HandMade]:
    """A server whose links can be bent."""
    with by_hand(users=2, invoices=1, entries=12) as running:
        yield running


@pytest.fixture
def stranger() -> Iterator[HandMade]:
    """Another server, which must never be asked."""
    with HandMade() as running:
        yield running


def bent(next_url: str, **others: Any) -> Callable[[Asked], tuple[int, bytes] | None]:
    """Has every page of time entries lead to an address."""
    body = {"time_entries": [{"id": 1}], "links": {"next": next_url, **others}}
    return lambda asked: (200, json.dumps(body).encode()) if asked.path == "time_entries" else None


FOREIGN = {
    "another port": "{stranger}time_entries?cursor=5",
    "another host": "http://example.com/v2/time_entries?cursor=5",
    "https": "https://127.0.0.1:{port}/v2/time_entries?cursor=5",
    "a name before an at": "http://127.0.0.1:{port}@example.com/v2/time_entries",
    "a longer host": "http://127.0.0.1.example.com:{port}/v2/time_entries",
    "no scheme": "//example.com/v2/time_entries",
    "a path alone": "/v2/time_entries?cursor=5",
    "a file": "file:///etc/passwd",
    "a number": 5,
}


@pytest.mark.parametrize("url", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("where", ["next", "previous"])
def test_links_to_other_places_are_refused(
    hand: HandMade, stranger: HandMade, url: Any, where: str
) -> None:
    """The token goes to the configured scheme, host and port only; an answer that leads elsewhere is an error."""
    link = url.format(stranger=stranger.api_url, port=hand.port) if isinstance(url, str) else url
    hand.spoil = bent(link if where == "next" else "", previous=link)
    with pytest.raises(RefusedError, match="another host"):
        list(
            client_of(hand).iter_pages(hand.id, "time_entries", "time_entries", {}, "time_entries")
        )
    assert len(hand.requests) == 1
    assert stranger.requests == []


def test_pages_in_a_circle_end(hand: HandMade) -> None:
    """A server that leads round for ever does not keep a run for ever."""
    hand.spoil = bent(f"{hand.api_url}time_entries?cursor=5")
    with pytest.raises(RefusedError, match="circle"):
        list(
            client_of(hand).iter_pages(hand.id, "time_entries", "time_entries", {}, "time_entries")
        )
    assert len(hand.requests) <= 3


def test_a_next_page_without_a_link_is_no_end(hand: HandMade) -> None:
    """Rows would be missing: said, not swallowed."""
    body = json.dumps(
        {"time_entries": [{"id": 1}], "next_page": 2, "links": {"next": None}}
    ).encode()
    hand.spoil = lambda _asked: (200, body)
    with pytest.raises(RefusedError, match="rows would be missing"):
        list(
            client_of(hand).iter_pages(hand.id, "time_entries", "time_entries", {}, "time_entries")
        )


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(
    sandbox: Sandbox, stranger: HandMade, account: Account, status: int
) -> None:
    """The token is never sent to where a redirect leads."""
    sandbox.faults.append(
        Fault(
            "/clients$",
            status=status,
            times=None,
            headers={"Location": f"{stranger.api_url}clients"},
        )
    )
    with pytest.raises(RefusedError, match="redirect"):
        client_of(sandbox).get(account.id, "clients", ("clients",))
    assert stranger.requests == []


def test_proxies_and_netrc_of_the_machine_take_no_part_in_signing(
    sandbox: Sandbox, account: Account, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """Credentials that lie in a `.netrc` for the same host do not replace the token."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    client_of(sandbox).get(account.id, "company", ("name",))
    assert sandbox.requests[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_pages_carry_the_filters_by_their_links(hand: HandMade) -> None:
    """The first request has the query, the others the link as it is."""
    pages = list(
        client_of(hand).iter_pages(
            hand.id, "time_entries", "time_entries", {"updated_since": "2026-01-01T00:00:00Z"}, "x"
        )
    )
    assert len(pages) == 3
    assert {asked.query["updated_since"] for asked in hand.requests} == {"2026-01-01T00:00:00Z"}
    assert hand.requests[0].query["per_page"] == "2000"


def test_requests_are_counted_by_report(sandbox: Sandbox, account: Account) -> None:
    """Every one that goes out, failed ones too; who listens hears of each."""
    client, heard = client_of(sandbox), list[tuple[int | None, str]]()
    client.on_request = lambda account_id, label: heard.append((account_id, label))
    sandbox.faults.append(Fault("/clients$", times=2))
    project = next(iter(account.rows["projects"]))
    client.get(account.id, "clients", ("clients",), label="clients")
    client.get(
        account.id,
        f"projects/{project}/user_assignments",
        ("user_assignments",),
        label="user_assignments",
    )
    assert client.traffic.by_label == {
        (account.id, "clients"): 3,
        (account.id, "user_assignments"): 1,
    }
    assert client.traffic.requests == len(heard) == len(sandbox.requests) == 4


def test_runs_of_one_client_share_the_limit_and_nothing_else(
    sandbox: Sandbox, account: Account
) -> None:
    """What one counts, tells and cancels is its own; a permit that it used is gone for the other."""
    clock = SteppedClock()
    whole = client_of(sandbox, clock)
    first, second = whole.for_run(), whole.for_run()
    heard: list[float] = []
    first.on_request = lambda _account_id, _label: heard.append(0.0)
    with second.told_to(
        lambda _account_id, _label: None,
        lambda _name: None,
        lambda seconds, _why: heard.append(seconds),
        lambda _why: None,
    ):
        for _ in range(100):
            first.get(account.id, "company", ("name",))
        first.clock.cancel()
        first.slow_lists.add((account.id, "clients"))
        second.get(account.id, "company", ("name",))
    assert heard == [0.0] * 100 + [15.0]
    assert clock.waits == [15.0]
    assert (first.traffic.requests, second.traffic.requests) == (100, 1)
    assert second.slow_lists == set()
    with pytest.raises(CancelledError):
        first.get(account.id, "company", ("name",))
    assert len(sandbox.requests) == 101


def test_nobody_is_told_of_an_outage_behind_the_end(
    sandbox: Sandbox, account: Account, clock: FastClock
) -> None:
    """Who listened before hears again, as with waits; what a client meets later is none of the run's."""
    sandbox.faults.append(Fault("/clients$", "reset", times=None))
    client, before, heard = client_of(sandbox, clock), list[str](), list[str]()
    nothing: Any = lambda *_: None  # noqa: E731 - for three parameters
    with client.outages.told_to(before.append):
        with client.told_to(nothing, nothing, nothing, heard.append):
            pass
        with pytest.raises(UnavailableError):
            client.get(account.id, "clients", ("clients",))
    assert heard == []
    assert len(before) == 1


def test_token_and_account_are_checked_apart(sandbox: Sandbox, account: Account) -> None:
    """R18: an unknown account names those that the token reaches; a wrong token says that it is the token."""
    with pytest.raises(
        AccountNotFoundError, match=f"^account 999 is not one of: {account.id} {account.name}$"
    ):
        choose_accounts(client_of(sandbox), (999,))
    with pytest.raises(TokenRejectedError, match="refuses the token"):
        choose_accounts(client_of(sandbox, token="wrong"), (account.id,))
    assert [each.id for each in choose_accounts(client_of(sandbox), None)] == [account.id]


def test_several_accounts_need_a_choice_and_none_says_so(account: Account) -> None:
    """Accounts of another product do not count."""
    other = build_account(TINY, seed=4)
    with Sandbox([account, other], token=TOKEN) as sandbox:
        with pytest.raises(SettingError, match="reaches several accounts, choose with --account"):
            choose_accounts(client_of(sandbox), None)
        assert [each.id for each in choose_accounts(client_of(sandbox), ())] == sorted(
            [account.id, other.id]
        )
        assert [
            each.id for each in choose_accounts(client_of(sandbox), (other.id, account.id))
        ] == [other.id, account.id]
    with (
        Sandbox([], token=TOKEN) as sandbox,
        pytest.raises(SettingError, match="reaches no Harvest account"),
    ):
        choose_accounts(client_of(sandbox), None)
