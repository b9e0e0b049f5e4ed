"""A Harvest made by hand with two accounts, and runs on it at instants that a test chooses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from clocks import FastClock
from pipelines import rows
from second_harvest import Asked, HandMade, by_hand
from support import sync_once

from harvest_source.loading.summary import Summary

OURS, THEIRS = 77, 78
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


class ClockAt(FastClock):
    """A fast clock that stands at an instant."""

    def __init__(self, instant: datetime) -> None:
        super().__init__()
        self.instant = instant

    def wall(self) -> float:
        return self.instant.timestamp()


@dataclass
class TwoAccounts:
    """A Harvest with two accounts, and the tables into which they are loaded."""

    folder: Path
    ours: HandMade
    theirs: HandMade
    names: tuple[str, ...]  # of the reports that a run loads
    refused: int | None = None  # with which status the second account refuses everything

    def answer(self, asked: Asked) -> tuple[int, bytes] | None:
        """Returns what the second account answers, and which accounts there are."""
        if asked.path == "api/v2/accounts":
            names = {OURS: "Ours", THEIRS: "Theirs"}
            listed = [{"id": n, "name": name, "product": "harvest"} for n, name in names.items()]
            return 200, json.dumps({"accounts": listed}).encode()
        if asked.headers.get("harvest-account-id") != str(THEIRS):
            return None
        return (self.refused, b'{"message": "no"}') if self.refused else self.theirs.answer(asked)

    def fail(self, *names: str) -> None:
        """Has the first account refuse some lists from now on, and no others."""
        self.ours.spoil = lambda asked: (500, b"{}") if asked.path in names else self.answer(asked)

    def run(
        self, *accounts: int, at: datetime = NOON, names: tuple[str, ...] = (), **options: Any
    ) -> Summary:
        """Runs once at an instant."""
        return sync_once(
            self.folder,
            self.ours,
            *(names or self.names),
            accounts=accounts,
            clock=ClockAt(at),
            **options,
        )

    def rows(self, sql: str) -> list[Any]:
        """Returns the rows of a query as texts: SQLite has no dates."""
        return [tuple(map(str, row)) for row in rows(self.folder, sql)]

    @property
    def as_of(self) -> dict[str, str]:
        """Returns the day of the data of each account."""
        return dict(self.rows("select account_id, as_of from accounts"))


Kind = TypeVar("Kind", bound=TwoAccounts)


@contextmanager
def two_accounts(kind: type[Kind], folder: Path, *names: str) -> Iterator[Kind]:
    """Gives two accounts: the first has rows of its own in some tables, the second none.

    Args:
        kind: what is given.
        folder: of the tables.
        names: of the reports that a run loads.
    """
    with by_hand(users=2, invoices=0, entries=0) as ours:
        theirs = HandMade(company={**ours.company, "name": "Theirs"})
        place = kind(folder, ours, theirs, names)
        ours.spoil = place.answer
        yield place
