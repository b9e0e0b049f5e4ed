"""The identity host: accounts and tokens."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from harvest_sandbox import SIZES, Account, Caller, Sandbox, build_account
from harvest_sandbox.__main__ import parse
from harvest_sandbox.oauth import FOURTEEN_DAYS

if TYPE_CHECKING:
    from sandbox.conftest import Api


class Seconds:
    """A clock for the lifetime of tokens."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def exchange(sandbox: Sandbox, *, as_json: bool = False, **fields: str) -> requests.Response:
    """Ask for tokens."""
    body = {
        "client_id": sandbox.oauth.client_id,
        "client_secret": sandbox.oauth.client_secret,
        **fields,
    }
    headers = {"User-Agent": "tests (t@example.com)"}
    url = sandbox.id_url + "api/v2/oauth2/token"
    if as_json:
        return requests.post(url, json=body, headers=headers, timeout=5)
    return requests.post(url, data=body, headers=headers, timeout=5)


def use(api: Api, tokens: dict[str, Any]) -> int:
    """Return the status of a request with an access token."""
    api.session.headers["Authorization"] = f"Bearer {tokens['access_token']}"
    return api.get("company").status_code


def test_the_accounts_are_listed_with_one_of_the_other_product(api: Api, account: Account) -> None:
    answer = api.json(api.sandbox.id_url + "api/v2/accounts")
    assert {"id": account.id, "name": account.name, "product": "harvest"} in answer["accounts"]
    assert [each["product"] for each in answer["accounts"]].count("forecast") == 1
    assert answer["user"] == {
        name: api.json("users/me")[name] for name in ("id", "first_name", "last_name", "email")
    }


def test_several_accounts_are_served_side_by_side(account: Account) -> None:
    other = build_account(SIZES["demo"], seed=2, today=account.now().date())
    headers = {"Authorization": "Bearer t", "User-Agent": "tests (t@example.com)"}
    with Sandbox([account, other], token="t") as sandbox:
        sandbox.callers["one"] = Caller(accounts=[other.id])
        for each in (account, other):
            headers["Harvest-Account-Id"] = str(each.id)
            assert (
                requests.get(sandbox.api_url + "company", headers=headers, timeout=5).json()["name"]
                == each.name
            )
        headers["Authorization"] = "Bearer one"
        listed = requests.get(
            sandbox.id_url + "api/v2/accounts", headers=headers, timeout=5
        ).json()["accounts"]
        assert [each["id"] for each in listed if each["product"] == "harvest"] == [other.id]


@pytest.mark.parametrize("as_json", [True, False])
def test_a_code_is_exchanged_once(api: Api, sandbox: Sandbox, as_json: bool) -> None:  # noqa: FBT001
    code = sandbox.oauth.issue_code()
    answer = exchange(sandbox, as_json=as_json, grant_type="authorization_code", code=code)
    tokens = answer.json()
    assert (answer.status_code, tokens["token_type"], tokens["expires_in"]) == (
        200,
        "bearer",
        FOURTEEN_DAYS,
    )
    assert use(api, tokens) == 200
    again = exchange(sandbox, grant_type="authorization_code", code=code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize("rotating", [True, False])
def test_a_refresh_token_works_once_or_for_ever(api: Api, sandbox: Sandbox, rotating: bool) -> None:  # noqa: FBT001
    sandbox.oauth.rotating = rotating
    first = sandbox.oauth.issue()["refresh_token"]
    tokens = exchange(sandbox, grant_type="refresh_token", refresh_token=first).json()
    assert use(api, tokens) == 200
    assert (tokens["refresh_token"] != first) == rotating
    assert exchange(sandbox, grant_type="refresh_token", refresh_token=first).status_code == (
        400 if rotating else 200
    )
    assert (
        exchange(
            sandbox, grant_type="refresh_token", refresh_token=tokens["refresh_token"]
        ).status_code
        == 200
    )
    assert len(sandbox.oauth.issued) == 3 if rotating else 4


def test_an_access_token_expires_and_can_be_revoked(account: Account) -> None:
    clock = Seconds()
    headers = {"Harvest-Account-Id": str(account.id), "User-Agent": "tests (t@example.com)"}
    with Sandbox(account, clock=clock) as sandbox:
        sandbox.oauth.expires_in = 60
        tokens = sandbox.oauth.issue(Caller())
        headers["Authorization"] = f"Bearer {tokens['access_token']}"

        def status() -> int:
            return requests.get(sandbox.api_url + "company", headers=headers, timeout=5).status_code

        clock.now = 59.0
        assert status() == 200
        clock.now = 60.0
        assert status() == 401
        headers["Authorization"] = f"Bearer {sandbox.oauth.issue()['access_token']}"
        assert status() == 200
        sandbox.oauth.revoke(headers["Authorization"].removeprefix("Bearer "))
        assert status() == 401
        sandbox.oauth.revoke(tokens["refresh_token"])
        assert (
            exchange(
                sandbox, grant_type="refresh_token", refresh_token=tokens["refresh_token"]
            ).status_code
            == 400
        )


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ({"client_secret": "wrong", "grant_type": "refresh_token"}, 401, "invalid_client"),
        ({"grant_type": "refresh_token", "refresh_token": "unknown"}, 400, "invalid_grant"),
        ({"grant_type": "authorization_code"}, 400, "invalid_grant"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
)
def test_a_wrong_exchange_is_refused(
    sandbox: Sandbox, fields: dict[str, str], status: int, error: str
) -> None:
    answer = exchange(sandbox, as_json=False, **fields)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_the_identity_host_wants_a_user_agent_and_a_token(api: Api, sandbox: Sandbox) -> None:
    api.session.headers["Authorization"] = "Bearer wrong"
    assert api.get(sandbox.id_url + "api/v2/accounts").status_code == 401
    api.session.headers["User-Agent"] = ""
    assert api.get(sandbox.id_url + "api/v2/accounts").status_code == 400


def test_the_command_prints_its_addresses_and_serves() -> None:
    command = [sys.executable, "-m", "harvest_sandbox", "--token", "by-hand", "--entries", "50"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    ) as process:
        try:
            assert process.stdout
            printed = dict(process.stdout.readline().split(maxsplit=1) for _ in range(3))
            headers = {"Authorization": "Bearer by-hand", "User-Agent": "tests (t@example.com)"}
            accounts = requests.get(
                printed["id_url"].strip() + "api/v2/accounts", headers=headers, timeout=5
            ).json()
            headers["Harvest-Account-Id"] = str(accounts["accounts"][0]["id"])
            url = printed["api_url"].strip() + "time_entries"
            assert requests.get(url, headers=headers, timeout=5).json()["total_entries"] == 50
        finally:
            process.terminate()


def test_the_command_line_takes_sizes(account: Account) -> None:
    options = parse(
        ["--size", "default", "--entries", "9", "--limit", "fixed", "--seed", "1", "--seed", "2"]
    )
    assert account
    assert (options.size, options.time_entries, options.limit, options.seed) == (
        "default",
        9,
        "fixed",
        [1, 2],
    )
