"""What a view is given: a request whose caller is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harvest_sandbox.access import Access
from harvest_sandbox.account import Account
from harvest_sandbox.lists import PER_PAGE
from harvest_sandbox.oauth import OAuth
from harvest_sandbox.paging import Pager


@dataclass
class Call:
    """A request to one account, after its caller and account are known."""

    account: Account
    access: Access
    url: str
    query: Mapping[str, str]
    numbers: Mapping[str, Any]

    @property
    def parent(self) -> int | None:
        """Returns the parent's id in the path."""
        text = self.numbers.get("parent")
        return int(text) if text is not None else None

    def pager(self, default: int = PER_PAGE) -> Pager:
        """Returns what cuts the list into pages."""
        return Pager(self.url, self.query, default)


@dataclass
class IdCall:
    """A request to the identity host."""

    accounts: Sequence[Account]
    oauth: OAuth
    forecast_id: int | None  # of the account of the sister product, if there is one
    query: Mapping[str, str]
    headers: Mapping[str, str]
    fields: dict[str, str] = field(default_factory=dict)
