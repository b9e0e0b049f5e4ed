"""How fresh the tables are, by `load_report`: when each was last complete, whatever else was loaded since."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from harvest_source.catalogue.report import AccountReport, Row
from harvest_source.loading.history import AHEAD
from harvest_source.loading.result import Verdict


@dataclass(frozen=True)
class Freshness:
    """When the table of a report was last complete, of one account."""

    pair: AccountReport
    complete_at: datetime | None  # None: never, as far as is known
    ahead_at: datetime | None = None  # of a run that lies in the future, since a clock was wrong

    def is_older(self, age: timedelta, now: datetime) -> bool:
        """Returns whether that is longer ago than so long; what was never complete is."""
        return self.complete_at is None or now - self.complete_at > age


def is_complete(error: str | None, verified: str | None) -> bool:
    """Returns whether a line of `load_report` is of a table that was complete: without an error, and not of some dates alone."""
    return not error and not (verified or "").startswith(Verdict.PART)


def freshness(
    lines: Iterable[Row], accounts: Collection[int], names: Iterable[str], now: datetime
) -> list[Freshness]:
    """Returns when the tables of reports were last complete, a record for each account and report.

    What lies in the future tells of a clock that was wrong, and not how fresh a table is.

    Args:
        lines: of `load_report`.
        accounts: that are meant.
        names: of the reports that are meant.
        now: the present.
    """
    complete: dict[AccountReport, datetime] = {}
    ahead: dict[AccountReport, datetime] = {}
    for line in lines:
        if is_complete(line["error"], line["verified"]):
            pair, at = AccountReport(line["account_id"], line["report"]), line["finished_at"]
            found = ahead if at > now + AHEAD else complete
            found[pair] = max(at, found.get(pair, at))
    pairs = sorted(AccountReport(account_id, name) for account_id in accounts for name in names)
    return [Freshness(pair, complete.get(pair), ahead.get(pair)) for pair in pairs]
