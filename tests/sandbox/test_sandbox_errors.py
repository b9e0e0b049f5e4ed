"""Headers, refusals, faults and limits."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import requests
from recorded import ERRORS

from harvest_sandbox import Account, Caller, Fault, Limit, Sandbox

if TYPE_CHECKING:
    from sandbox.conftest import Api


class Seconds:
    """A clock for limits."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def test_a_request_without_user_agent_is_refused(api: Api) -> None:
    api.session.headers["User-Agent"] = ""
    assert api.get("company").status_code == 400


def test_a_wrong_token_is_refused_with_its_header(api: Api) -> None:
    api.session.headers["Authorization"] = "Bearer wrong"
    answer = api.get("company")
    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_token"
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def _with_a_wrong_token(api: Api) -> requests.Response:
    api.session.headers["Authorization"] = "Bearer wrong"
    return api.get("company")


def _without_the_module(api: Api) -> requests.Response:
    api.account.company["invoice_feature"] = False
    return api.get("invoices")


def _over_the_limit(api: Api) -> requests.Response:
    api.sandbox.limit = Limit(clock=Seconds(), general=(1, 15.0))
    return [api.get("company") for _ in range(2)][1]


ASKED: dict[str, Callable[[Api], requests.Response]] = {
    "401": _with_a_wrong_token,
    "403": _without_the_module,
    "404": lambda api: api.get("clients/1"),
    "404 page": lambda api: api.get("nothing"),
    "400": lambda api: api.get("reports/time/team", from_="2024-01-01", to="2025-01-01"),
    "422 per_page": lambda api: api.get("clients", per_page=2001),
    "429": _over_the_limit,
}
NOT_ASKED = {
    "422": "an answer to a POST, and the sandbox can only be read",
    "429 bare": "a record without its page and its Retry-After; a fault answers so",
    "502": "an answer of what stands before Harvest; a fault answers so",
}
TOLD = ("WWW-Authenticate", "Hint", "Retry-After")


def test_every_recorded_error_is_asked_for_but_those_with_a_reason() -> None:
    assert {*ASKED} | {*NOT_ASKED} == {*ERRORS}
    assert not {*ASKED} & {*NOT_ASKED}


@pytest.mark.parametrize(("name", "ask"), ASKED.items(), ids=ASKED)
def test_an_error_is_as_harvest_answered_it(
    api: Api, name: str, ask: Callable[[Api], requests.Response]
) -> None:
    """Status, what the headers tell, and a body that is no page; of a page, its title."""
    answer, recorded = ask(api), ERRORS[name]
    media_type = recorded["headers"]["Content-Type"].partition(";")[0]
    assert (answer.status_code, answer.headers["Content-Type"].partition(";")[0]) == (
        recorded["status"],
        media_type,
    )
    told = {header: answer.headers.get(header) for header in TOLD if header in recorded["headers"]}
    assert told == {header: recorded["headers"][header] for header in told}
    if media_type == "application/json":
        assert answer.json() == json.loads(recorded["body"])
    else:
        assert title_of(answer.text) == title_of(recorded["body"])


def title_of(text: str) -> str:
    """Returns the title of a page."""
    (title,) = re.findall(r"\A<!DOCTYPE html>.*<title>(.*)</title>", text, re.DOTALL)
    return str(title)


def test_a_missing_account_looks_like_a_bad_token_and_a_wrong_one_is_not_found(api: Api) -> None:
    api.session.headers["Harvest-Account-Id"] = "5"
    answer = api.get("company")
    assert (answer.status_code, answer.json()) == (404, {"status": 404, "error": "Not Found"})
    del api.session.headers["Harvest-Account-Id"]
    assert api.get("company").json()["error"] == "invalid_token"


def test_a_token_reaches_its_own_accounts_only(api: Api, sandbox: Sandbox) -> None:
    sandbox.callers["token"] = Caller(accounts=[1])
    assert api.get("company").status_code == 404


@pytest.mark.parametrize(
    "path", ["nothing", "clients/x", "user_assignments/1", "pto/policies", "invoices/1/payments/2"]
)
def test_a_path_that_is_no_route_is_answered_with_a_page(api: Api, path: str) -> None:
    answer = api.get(path)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")


def test_only_reading_is_possible(api: Api, sandbox: Sandbox) -> None:
    assert api.session.post(sandbox.api_url + "clients", timeout=5).status_code == 404


@pytest.mark.parametrize(
    ("module", "paths"),
    [
        ("expense_feature", ["expenses", "expense_categories", "reports/expenses/team"]),
        ("invoice_feature", ["invoices", "invoice_item_categories", "reports/uninvoiced"]),
        ("estimate_feature", ["estimates", "estimate_item_categories"]),
    ],
)
def test_a_module_that_is_switched_off_is_refused(
    api: Api, account: Account, module: str, paths: list[str]
) -> None:
    account.company[module] = False
    for path in paths:
        answer = api.get(path)
        assert (answer.status_code, answer.json()) == (403, {"message": "Not authorized!"})
        assert answer.headers["Hint"] == "Not authorized!"


@pytest.mark.parametrize("status", [403, 404])
def test_paid_time_off_that_an_account_lacks_is_refused(
    api: Api, account: Account, status: int
) -> None:
    """403 as for other modules, or the page of a path that is no route."""
    paths = ["types", "requests", "holiday_calendars", "work_schedules"]
    paths += ["assignments", "allocations", "balances"]
    assert {api.get(f"pto/{path}").status_code for path in paths} == {200}
    account.pto.refused = status
    for path in paths:
        answer = api.get(f"pto/{path}")
        assert answer.status_code == status
        assert ("html" in answer.headers["Content-Type"]) == (status == 404)


@pytest.mark.parametrize("window", ["sliding", "fixed"])
def test_the_hundred_and_first_request_is_refused(window: str) -> None:
    clock = Seconds()
    limit = Limit("fixed" if window == "fixed" else "sliding", clock=clock)
    taken = [limit.take("general", "t") for _ in range(101)]
    assert taken[:100] == [0] * 100
    assert taken[100] in ({15} if window == "sliding" else {5})  # a fixed window began at 990
    assert limit.take("general", "other token") == 0
    assert limit.take("reports", "t") == 0
    clock.now += taken[100]
    assert limit.take("general", "t") == 0


def test_a_sliding_window_looks_back_from_each_request() -> None:
    clock = Seconds()
    limit = Limit(clock=clock, general=(2, 15.0))
    moments = []
    for _ in range(60):
        if limit.take("general", "t") == 0:
            moments.append(clock.now)
        clock.now += 1
    assert all(sum(start <= each < start + 15 for each in moments) <= 2 for start in moments)
    assert limit.refused == 60 - len(moments)


def test_over_the_limit_the_answer_is_429_with_html(account: Account) -> None:
    clock = Seconds()
    limit = Limit(clock=clock, general=(1, 15.0), reports=(1, 900.0))
    headers = {
        "Authorization": "Bearer t",
        "Harvest-Account-Id": str(account.id),
        "User-Agent": "x (y)",
    }
    with Sandbox(account, token="t", limit=limit) as sandbox:
        statuses = [
            requests.get(sandbox.api_url + "company", headers=headers, timeout=5) for _ in range(2)
        ]
        assert [answer.status_code for answer in statuses] == [200, 429]
        assert statuses[1].headers["Retry-After"] == "15"
        assert statuses[1].headers["Content-Type"].startswith("text/html")
        report = {"from": "2025-01-01", "to": "2025-01-31"}
        url = sandbox.api_url + "reports/time/team"
        answers = [requests.get(url, params=report, headers=headers, timeout=5) for _ in range(2)]
        assert answers[1].headers["Retry-After"] == "900"
        clock.now += 15
        assert (
            requests.get(sandbox.api_url + "company", headers=headers, timeout=5).status_code == 200
        )
        assert [request.at for request in sandbox.requests][-1] == clock.now


def test_a_fault_strikes_so_often_and_no_more(api: Api, sandbox: Sandbox) -> None:
    sandbox.faults.append(Fault(path=r"/clients$", status=503, times=2, retry_after="2", after=1))
    answers = [api.get("clients") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 503, 503, 200]
    assert answers[1].headers["Retry-After"] == "2"
    assert api.get("tasks").status_code == 200
    assert [request.status for request in sandbox.requests] == [200, 503, 503, 200, 200]


def test_a_fault_can_stay_for_ever_and_be_taken_back(api: Api, sandbox: Sandbox) -> None:
    fault = Fault(path="clients", status=500, times=None, query="page=2")
    sandbox.faults.append(fault)
    assert api.get("clients").status_code == 200
    assert [api.get("clients", page=2).status_code for _ in range(5)] == [500] * 5
    assert fault.hits == 5
    sandbox.faults.clear()
    assert api.get("clients", page=2).status_code == 200


@pytest.mark.parametrize(
    ("fault", "status", "body"),
    [
        (Fault("clients", "html"), 200, "<!DOCTYPE html>"),
        (Fault("clients", "empty", status=429), 429, ""),
        (Fault("clients", "empty"), 200, ""),
        (Fault("clients", "wrong_shape"), 200, '{"unexpected"'),
        (Fault("clients", "status", status=403), 403, '{"message"'),
        (Fault("clients", "status", status=200, body="[1]"), 200, "[1]"),
        (Fault("clients", "status", status=418, body=b"tea"), 418, "tea"),
    ],
)
def test_each_kind_of_fault_answers_in_its_way(
    api: Api, sandbox: Sandbox, fault: Fault, status: int, body: str
) -> None:
    sandbox.faults.append(fault)
    answer = api.get("clients")
    assert answer.status_code == status
    assert answer.text.startswith(body)
    assert body or not answer.text


def test_a_fault_can_redirect(api: Api, sandbox: Sandbox) -> None:
    sandbox.faults.append(Fault("clients", status=302, headers={"Location": "http://127.0.0.1:1/"}))
    answer = api.session.get(sandbox.api_url + "clients", allow_redirects=False, timeout=5)
    assert answer.headers["Location"] == "http://127.0.0.1:1/"


@pytest.mark.parametrize("kind", ["cut", "reset", "timeout"])
def test_a_broken_connection_is_an_error_of_the_network(
    api: Api, sandbox: Sandbox, kind: str
) -> None:
    sandbox.faults.append(
        Fault("clients", "cut" if kind == "cut" else "reset" if kind == "reset" else "timeout")
    )
    with pytest.raises(requests.RequestException):
        api.session.get(sandbox.api_url + "clients", timeout=(5, 0.2))
    assert api.get("clients").status_code == 200


def test_an_error_in_a_hook_is_told_when_the_sandbox_ends(account: Account) -> None:
    def hook(_: object) -> None:
        message = "from the hook"
        raise ValueError(message)

    def ask() -> None:
        headers = {
            "Authorization": "Bearer t",
            "Harvest-Account-Id": str(account.id),
            "User-Agent": "x (y)",
        }
        with Sandbox(account, token="t") as sandbox:
            sandbox.before_answer = hook
            assert (
                requests.get(sandbox.api_url + "company", headers=headers, timeout=5).status_code
                == 500
            )

    with pytest.raises(ValueError, match="from the hook"):
        ask()


def test_a_stopped_sandbox_has_no_address(sandbox: Sandbox) -> None:
    sandbox.stop()
    with pytest.raises(RuntimeError):
        _ = sandbox.api_url


def test_the_log_can_be_cleared_and_knows_headers_in_any_case(api: Api, sandbox: Sandbox) -> None:
    api.get("clients", is_active="true")
    (request,) = sandbox.requests
    assert (request.method, request.path, request.query) == (
        "GET",
        "/v2/clients",
        {"is_active": "true"},
    )
    assert request.headers["HARVEST-account-id"] == str(api.account.id)
    sandbox.clear()
    assert sandbox.requests == []
