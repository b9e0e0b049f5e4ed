"""A small account behind a sandbox, and a client that asks it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
import requests

from harvest_sandbox import SIZES, Account, Clock, Sandbox, build_account

TODAY = date(2025, 6, 30)
TOKEN = "token"


class Api:
    """Asks a sandbox for one account."""

    def __init__(self, sandbox: Sandbox, account: Account, token: str = TOKEN) -> None:
        self.sandbox = sandbox
        self.account = account
        self.session = requests.Session()
        self.session.headers.update(
            {
                "Authorization": f"Bearer {token}",
                "Harvest-Account-Id": str(account.id),
                "User-Agent": "tests (t@example.com)",
            }
        )

    def get(self, path: str, **params: Any) -> requests.Response:
        """Send one request; `path` may be a link."""
        url = path if path.startswith("http") else self.sandbox.api_url + path
        return self.session.get(
            url, params={name.rstrip("_"): value for name, value in params.items()}, timeout=10
        )

    def json(self, path: str, **params: Any) -> Any:
        """Return a successful answer's content."""
        answer = self.get(path, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def pages(self, path: str, **params: Any) -> list[dict[str, Any]]:
        """Follow links.next to the end."""
        pages = [self.json(path, **params)]
        while pages[-1]["links"]["next"]:
            pages.append(self.json(pages[-1]["links"]["next"]))
        return pages

    def rows(self, path: str, **params: Any) -> list[dict[str, Any]]:
        """Return the rows of all pages."""
        pages = self.pages(path, **params)
        key = next(name for name, value in pages[0].items() if isinstance(value, list))
        return [row for page in pages for row in page[key]]

    def ids(self, path: str, **params: Any) -> list[int]:
        """Return the ids of all pages."""
        return [row["id"] for row in self.rows(path, **params)]


@pytest.fixture
def account() -> Account:
    """A demo account whose clock stands still."""
    return build_account(SIZES["demo"], seed=1, today=TODAY)


@pytest.fixture
def clock(account: Account) -> Clock:
    """The clock of the account."""
    assert isinstance(account.now, Clock)
    return account.now


@pytest.fixture
def sandbox(account: Account) -> Iterator[Sandbox]:
    """The account behind a socket."""
    with Sandbox([account], token=TOKEN) as running:
        yield running


@pytest.fixture
def api(sandbox: Sandbox, account: Account) -> Iterator[Api]:
    """An administrator's client."""
    made = Api(sandbox, account)
    yield made
    made.session.close()
