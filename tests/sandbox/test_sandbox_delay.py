"""How long answers take. The wait is passed in: no test waits."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from harvest_sandbox import Account, Delay, Fault, Sandbox
from harvest_sandbox.__main__ import make_sandbox, parse

if TYPE_CHECKING:
    from sandbox.conftest import Api


@pytest.fixture
def waited() -> list[float]:
    """The seconds that answers took."""
    return []


@pytest.fixture
def sandbox(account: Account, waited: list[float]) -> Sandbox:
    """A sandbox that takes its time; `api` has it answer."""
    return Sandbox([account], token="token", delay=Delay(0.25, 2), wait=waited.append)


@pytest.fixture(autouse=True)
def _serve(sandbox: Sandbox) -> object:
    with sandbox:
        yield


@pytest.mark.parametrize(
    ("path", "params", "rows"),
    [
        ("time_entries", {}, 1200),
        ("time_entries", {"per_page": 500}, 500),
        ("time_entries", {"per_page": 500, "page": 3}, 200),
        ("time_entries", {"page": 2}, 0),
        ("clients", {}, 6),
        ("reports/project_budget", {}, 7),
        ("company", {}, 0),
        ("nothing", {}, 0),
    ],
)
def test_an_answer_takes_a_time_and_more_for_each_of_its_rows(
    api: Api, waited: list[float], path: str, params: dict[str, int], rows: int
) -> None:
    api.get(path, **params)
    assert waited == [pytest.approx(0.25 + 2 * rows / 1000)]


def test_the_list_of_accounts_takes_its_time_too(
    api: Api, sandbox: Sandbox, waited: list[float]
) -> None:
    api.get(sandbox.id_url + "api/v2/accounts")
    assert waited == [0.25]


def test_the_account_can_be_read_and_changed_while_an_answer_waits(
    api: Api, account: Account
) -> None:
    free = []

    def take_lock() -> bool:
        taken = account.lock.acquire(blocking=False)
        if taken:
            account.lock.release()
        return taken

    def look(_seconds: float) -> None:
        with ThreadPoolExecutor(1) as another:  # the thread that answers could take its own lock
            free.append(another.submit(take_lock).result())

    with Sandbox([account], token="token", delay=Delay(1), wait=look) as waiting:
        api.get(waiting.api_url + "clients")
    assert free == [True]


def test_an_answer_that_a_fault_replaces_is_not_waited_for(
    api: Api, sandbox: Sandbox, waited: list[float]
) -> None:
    sandbox.faults.append(Fault("clients", status=500))
    assert api.get("clients").status_code == 500
    assert waited == []


@pytest.mark.parametrize(
    ("arguments", "delay"),
    [
        ([], Delay(0, 0)),
        (["--delay-seconds", "0.5"], Delay(0.5, 0)),
        (["--delay-seconds", "1", "--delay-seconds-per-1000-rows", "0.5"], Delay(1, 0.5)),
    ],
)
def test_the_command_line_sets_the_delay(arguments: list[str], delay: Delay) -> None:
    options = parse(["--entries", "10", *arguments])
    assert make_sandbox(options).delay == delay
