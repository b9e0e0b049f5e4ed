"""How fresh the tables are and whether they equal Harvest: one line, and what is otherwise below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from harvest_source.catalogue.report import AccountReport
from harvest_source.loading.result import Verdict
from harvest_source.page.accounts import Account
from harvest_source.page.tables import MOST_LINES

PROVEN = {Verdict.YES.value, Verdict.REPAIRED.value, Verdict.READ_AGO.value.partition(" ")[0]}
NOT_COUNTED = {Verdict.MODULE_OFF.value, Verdict.AS_READ.value}  # said, and no fault
NEVER, FAILED, DIFFERS, UNPROVEN = (
    "never loaded",
    "not loaded by the last run",
    "not equal to Harvest",
    "not compared with Harvest",
)
IN_PART = "compared with Harvest for some dates only"


@dataclass(frozen=True)
class Remark:
    """What holds for some reports of an account, and is not as it should be."""

    account: Account
    what: str
    reports: Sequence[str]


@dataclass(frozen=True)
class Freshness:
    """What a reader should know before any number."""

    proven: int  # tables that equal Harvest, counted in each account
    all: int  # those that should
    accounts: int
    earliest: datetime | None  # when the last run of one of them ended, in the zone of this machine
    latest: datetime | None
    remarks: Sequence[Remark]
    left_out: int  # remarks that are not shown

    @property
    def is_whole(self) -> bool:
        """Returns whether all tables equal Harvest."""
        return self.proven == self.all


def freshness(
    accounts: Sequence[Account], names: Sequence[str], runs: Sequence[Mapping[str, Any]]
) -> Freshness:
    """Returns how fresh the tables of some accounts are.

    Args:
        accounts: on the page.
        names: of the reports that a run loads if it is asked for no others.
        runs: the last line of `load_report` of each report and account.
    """
    ids = {account.id for account in accounts}
    last = {
        AccountReport(run["account_id"], run["report"]): run
        for run in runs
        if run["account_id"] in ids
    }
    ended = sorted(run["finished_at"].astimezone() for run in last.values() if run["finished_at"])
    states = {
        AccountReport(account.id, name): _state(last.get(AccountReport(account.id, name)))
        for account in accounts
        for name in dict.fromkeys([*names, *(pair.report for pair in last)])
        if name in names or AccountReport(account.id, name) in last
    }
    of_tables = [what for what, _besides in states.values() if what not in NOT_COUNTED]
    remarks = _remarks(accounts, states)
    return Freshness(
        of_tables.count(""),
        len(of_tables),
        len(accounts),
        ended[0] if ended else None,
        ended[-1] if ended else None,
        remarks[:MOST_LINES],
        max(len(remarks) - MOST_LINES, 0),
    )


def _state(run: Mapping[str, Any] | None) -> tuple[str, str]:
    """Returns what is not as it should be of a report, nothing where its table equals Harvest; and what is no part of that."""
    if run is None:
        return NEVER, ""
    verified = run["verified"] or ""
    if run["error"]:
        return DIFFERS if verified.startswith(f"{Verdict.NO}:") else FAILED, ""
    said, _, besides = verified.partition(", ")
    if said.partition(" ")[0] in PROVEN:
        return "", besides
    known = {Verdict.PART.value: IN_PART, **{each: each for each in NOT_COUNTED}}
    return known.get(said, UNPROVEN), besides


def _remarks(
    accounts: Sequence[Account], states: Mapping[AccountReport, tuple[str, str]]
) -> list[Remark]:
    found: dict[tuple[int, str], list[str]] = {}
    for pair, said in states.items():
        for each in filter(None, said):
            found.setdefault((pair.account_id, str(each)), []).append(pair.report)
    by_id = {account.id: account for account in accounts}
    remarks = [Remark(by_id[number], what, reports) for (number, what), reports in found.items()]
    order = {what: place for place, what in enumerate((NEVER, FAILED, DIFFERS, UNPROVEN, IN_PART))}
    return sorted(remarks, key=lambda each: order.get(each.what, len(order)))
