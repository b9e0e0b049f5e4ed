"""Ends a run with the proof: compares the tables with Harvest and says what must be loaded again or removed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace

from harvest_source.api.accounts import Account
from harvest_source.api.net import stays_with_report
from harvest_source.catalogue.lookup import CASCADES, by_name
from harvest_source.catalogue.report import AccountReport, Key, Report
from harvest_source.destinations.failures import is_foreign
from harvest_source.destinations.scope import LIVE, MARKED
from harvest_source.destinations.warehouse import Warehouse
from harvest_source.errors import AccessLostError, ApiError
from harvest_source.loading.callers import ADMINISTRATOR, Callers, doubt_about, whose_rows
from harvest_source.loading.compare import Comparison, Finding
from harvest_source.loading.delivery import Delivery
from harvest_source.loading.lists import Lists
from harvest_source.loading.looking_back import is_due, look_back
from harvest_source.loading.removals import Removals, children_of, keys_under
from harvest_source.loading.result import Result, Verdict, Verified
from harvest_source.loading.unseen import not_seen, unseen_among
from harvest_source.reading.reader import Mode, Outcome, Reader

USERS = "users"


@dataclass
class Proof:
    """One run's proof, written into its results; nothing is loaded here."""

    reader: Reader
    results: dict[AccountReport, Result]  # of the run
    accounts: list[Account]
    open_warehouse: Callable[[], AbstractContextManager[Warehouse]]
    callers: Callers  # whose rows the tables may hold
    looked: Mapping[AccountReport, int]  # hour of the last look at a whole list
    accept_deletions: bool = False
    # account id: why none of its rows is removed
    doubts: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._lists = Lists(self.reader)
        # parents first, since what hangs on them goes with them
        self._compared: list[AccountReport] = []
        self._sees_all = {
            account.id for account in self.accounts if ADMINISTRATOR in account.access_roles
        }

    @property
    def compares_whole_tables(self) -> bool:
        """Returns whether a table that was compared holds the caller's rows and nobody else's."""
        return not self._ignores and not self.reader.choice.since

    @property
    def _ignores(self) -> bool:
        """Returns whether nobody wants to know what is gone; a full refresh replaces the rows all the same."""
        return (
            self.reader.settings.deleted_rows == "ignore"
            and self.reader.choice.mode is not Mode.REPLACE
        )

    def choose(self) -> None:
        """Chooses what is compared: what is loaded, unless the caller may not see rows that an earlier one saw.

        Raises:
            AccessLostError: Harvest refuses the token.
        """
        loaded = [pair for pair, result in self.results.items() if result.is_loaded]
        hidden = {account.id: self._hidden_from(account, loaded) for account in self.accounts}
        by_id = {account.id: account for account in self.accounts}
        chosen = []
        for pair, result in self.results.items():
            result.whose = whose_rows(by_id[pair.account_id], by_name(pair.report))
            if not result.is_loaded:
                continue
            if self._ignores:
                result.verified = Verified(Verdict.NOT_COMPARED)
            elif doubt := hidden[pair.account_id]:
                result.fail(doubt)
            else:
                chosen.append(pair)
        parents = [pair for name in CASCADES for pair in chosen if pair.report == name]
        self._compared = [*parents, *(pair for pair in chosen if pair not in parents)]
        self._ask_ahead()

    def _hidden_from(self, account: Account, loaded: list[AccountReport]) -> str | None:
        """Returns why rows may be hidden from the caller without a sign, `None` where there is no reason."""
        names = [pair.report for pair in loaded if pair.account_id == account.id]
        return None if self.accept_deletions else doubt_about(account, names, self.callers)

    def _ask_ahead(self) -> None:
        """Asks Harvest at once for the counts and rows of all lists that this run did not read as a whole."""
        with self.open_warehouse() as warehouse:
            comparison = Comparison(self._lists, warehouse)
            lists = [
                pair
                for pair in self._compared
                if _is_list(pair) and not self._lists.is_whole(self._outcome(pair))
            ]
            self._lists.ask_ahead({pair: comparison.is_short(pair) for pair in lists})

    def compare(self) -> list[Delivery]:
        """Compares all tables, and returns what mends them."""
        return self._find(self._compared, self._compare)

    def look_back(self) -> list[Delivery]:
        """Looks closer at lists of which nothing but counts was compared, and returns what mends their tables."""
        if self.reader.choice.since:
            return []
        return self._find(
            [
                pair
                for pair in self._compared
                if self.results[pair].counted and not self.results[pair].error
            ],
            self._look_back,
        )

    def have_parents_changed(self) -> bool:
        """Returns whether rows came or went on which others hang."""
        return any(
            self.results[pair].repaired for pair in self._compared if pair.report in CASCADES
        )

    def children(self) -> list[AccountReport]:
        """Returns the compared reports of children, as the settings have them."""
        return [pair for pair in self._compared if self.reader.report(pair.report).parent]

    def _find(
        self, chosen: list[AccountReport], compare: Callable[[AccountReport, Comparison], Finding]
    ) -> list[Delivery]:
        if not chosen:
            return []
        with self.open_warehouse() as warehouse:
            accept = self.accept_deletions or self.reader.choice.mode is Mode.REPLACE
            removals = Removals(warehouse, set(self.results), accept=accept, doubts=self.doubts)
            comparison = Comparison(self._lists, warehouse, removals.gone)
            findings = {pair: self._finding(pair, comparison, removals, compare) for pair in chosen}
            for account in self.accounts:
                self._look_for_caller(account, findings, removals)
            self._tell_doubts(removals)
            removed = removals.last_known()
        readings = {pair: finding.reading for pair, finding in findings.items() if finding.reading}
        return [
            Delivery(pair, readings.get(pair), removed=removed.get(pair, ()))
            for pair in {**readings, **removed}
        ]

    def _finding(
        self,
        pair: AccountReport,
        comparison: Comparison,
        removals: Removals,
        compare: Callable[[AccountReport, Comparison], Finding],
    ) -> Finding:
        """Returns what must be loaded again of a report, and notes what is gone."""
        result = self.results[pair]
        try:
            with stays_with_report(is_foreign):
                finding = compare(pair, comparison)
        except AccessLostError:
            raise
        except ApiError as error:
            result.fail(error)
            return Finding()
        removals.add(pair, finding.gone)
        removals.marked[pair] = self._marked(pair, finding, comparison.warehouse)
        result.at_harvest = finding.at_harvest
        result.counted = finding.counted
        result.gone = max(result.gone, len(removals.gone.get(pair, set()) | removals.marked[pair]))
        return finding

    def _marked(self, pair: AccountReport, finding: Finding, warehouse: Warehouse) -> set[Key]:
        """Returns the keys of rows that earlier runs marked as gone and kept, where none are kept any more."""
        if self.reader.settings.keeps_deleted or not warehouse.count(
            pair.report, pair.account_id, MARKED
        ):
            return set()
        back = finding.reading.keys if finding.reading else set()
        return warehouse.keys(by_name(pair.report), pair.account_id, MARKED) - back

    def _look_for_caller(
        self, account: Account, findings: Mapping[AccountReport, Finding], removals: Removals
    ) -> None:
        """Doubts an account whose list of users, read whole by an administrator, lacks that administrator."""
        caller_id = account.caller.get("id")
        if self.accept_deletions or caller_id is None or account.id not in self._sees_all:
            return
        users = AccountReport(account.id, USERS)
        found = findings.get(users)
        readings = [
            *self.reader.lists.values(),
            *([found.reading] if found and found.reading else []),
        ]
        of_users = [
            each
            for each in readings
            if (each.account_id, each.report.name, each.since) == (account.id, USERS, None)
        ]
        is_gone = bool(found and (caller_id,) in found.gone)
        if is_gone or any((caller_id,) not in each.keys for each in of_users):
            doubt = removals.doubts.setdefault(
                account.id, "Harvest's list of users lacks the token's own user"
            )
            if found:
                self.results[users].fail(doubt)

    def _tell_doubts(self, removals: Removals) -> None:
        for account_id, doubt in removals.doubts.items():
            kept = f"nothing of account {account_id} was removed; run again with --accept-deletions if that is right"
            for pair in [
                pair
                for pair, keys in removals.gone.items()
                if pair.account_id == account_id and keys
            ]:
                self.results[pair].fail(f"{doubt}: {kept}")

    def _compare(self, pair: AccountReport, comparison: Comparison) -> Finding:
        outcome = self._outcome(pair)
        report = self.reader.report(pair.report)
        gone = (
            self._gone_children(report, pair, outcome, comparison.warehouse)
            if report.parent and outcome.reading
            else set()
        )
        if not _is_list(pair):
            return Finding(gone=frozenset(gone - self._under_unseen(pair, comparison.warehouse)))
        finding = self._without_unseen(
            pair, comparison.compare(pair, outcome), comparison.warehouse
        )
        return replace(finding, gone=finding.gone | gone - self.results[pair].unseen)

    def _gone_children(
        self, report: Report, pair: AccountReport, outcome: Outcome, warehouse: Warehouse
    ) -> set[Key]:
        """Returns the keys of children in the table which their parents, read now, no longer have."""
        assert outcome.reading is not None  # noqa: S101 - the caller has looked
        if not self._covers_all(report, outcome):
            return (
                children_of(warehouse, report, pair.account_id, outcome.parents)
                - outcome.reading.keys
            )
        gone = warehouse.keys(report, pair.account_id) - outcome.reading.keys
        return gone - (
            children_of(warehouse, report, pair.account_id, outcome.plan.hidden)
            if outcome.plan
            else set()
        )

    def _covers_all(self, report: Report, outcome: Outcome) -> bool:
        """Returns whether the children of every parent there is were read: others in the table have lost theirs."""
        limited = self.reader.settings.begins_at and report.from_start_date
        return bool(
            outcome.plan and outcome.plan.whole and not limited and not self.reader.choice.since
        )

    def _without_unseen(
        self, pair: AccountReport, finding: Finding, warehouse: Warehouse
    ) -> Finding:
        """Takes out of what is gone what Harvest has and does not show to the caller."""
        unseen = finding.gone & self._under_unseen(pair, warehouse)
        outcomes = [
            result.outcome
            for each, result in self.results.items()
            if each.account_id == pair.account_id
        ]
        refused = {
            row_id
            for outcome in outcomes
            if outcome
            for name, row_id in outcome.hidden
            if name == pair.report
        }
        sees_all = pair.account_id in self._sees_all
        unseen |= unseen_among(self.reader, pair, refused, finding.gone - unseen, sees_all=sees_all)
        self.results[pair].unseen |= unseen
        return replace(finding, gone=finding.gone - unseen)

    def _under_unseen(self, pair: AccountReport, warehouse: Warehouse) -> set[Key]:
        """Returns the keys of rows that hang on a row which is hidden from the caller: they may be hidden with it."""
        found: set[Key] = set()
        for parent, tables in CASCADES.items():
            above = self.results.get(AccountReport(pair.account_id, parent))
            ids = {key[0] for key in above.unseen} if above else set()
            for column in [column for table, column in tables if table == pair.report and ids]:
                found |= keys_under(warehouse, by_name(pair.report), pair.account_id, column, ids)
        return found

    def _look_back(self, pair: AccountReport, comparison: Comparison) -> Finding:
        reading = self._outcome(pair).reading
        found = look_back(
            comparison, pair, reading.since if reading else None, whole=self._is_due(pair)
        )
        if found:
            return self._without_unseen(pair, found, comparison.warehouse)
        return Finding(self.results[pair].at_harvest, equal=True, counted=True)

    def confirm(self) -> None:
        """Counts once more after the repair, and says how each table stands."""
        with self.open_warehouse() as warehouse:
            comparison = Comparison(
                self._lists, warehouse, {pair: self.results[pair].unseen for pair in self._compared}
            )
            for pair in self._compared:
                result = self.results[pair]
                if result.error:
                    continue
                result.older = self._older(pair, warehouse)
                if not _is_list(pair):
                    result.verified = self._read_ago(pair)
                elif result.at_harvest is not None and not comparison.matches(
                    pair, result.at_harvest
                ):
                    here = comparison.here(pair)
                    result.fail(
                        f"the table has {here} rows, Harvest {result.at_harvest}; the next run looks again"
                    )
                else:
                    yes = (
                        Verdict.REPAIRED
                        if result.repaired
                        else Verdict.PART
                        if self.reader.choice.since
                        else Verdict.YES
                    )
                    result.verified = Verified(
                        yes, rows=result.repaired, besides=not_seen(pair.report, len(result.unseen))
                    )

    def _older(self, pair: AccountReport, warehouse: Warehouse) -> int:
        """Returns the number of a table's rows that changed last before start_date, or whose parents did."""
        report, start = self.reader.report(pair.report), self.reader.settings.begins_at
        if not start or not report.from_start_date or self.reader.choice.since:
            return 0
        if report.linked_by is None:
            return (
                warehouse.count(report.name, pair.account_id, LIVE.where("updated_at", "<", start))
                or 0
            )
        plan = self._outcome(pair).plan
        followed = {parent_id for ids in plan.read.values() for parent_id in ids} if plan else set()
        children = warehouse.count_by(report.name, report.linked_by, pair.account_id)
        return sum(rows for parent_id, rows in children.items() if parent_id not in followed)

    def _read_ago(self, pair: AccountReport) -> Verified:
        """Returns when the children unread for longest were read: there is no count of them."""
        if self.reader.choice.since:
            return Verified(Verdict.PART)
        plan = self._outcome(pair).plan
        hours = [int(hour) for hour in plan.read] if plan else []
        days = (self._now_hour - min(hours, default=self._now_hour)) // 24
        parent = self.reader.report(pair.report).parent
        return Verified(
            Verdict.READ_AGO,
            days=days,
            besides=not_seen(parent.report, len(plan.hidden)) if parent and plan else (),
        )

    def looks(self) -> dict[str, dict[str, int]]:
        """Returns when whole lists were looked at, account by account, with those that were looked at now."""
        hours = dict(self.looked)
        if not self.reader.choice.since:
            compared = [
                pair
                for pair, result in self.results.items()
                if result.at_harvest is not None and not result.error
            ]
            hours |= {
                pair: self._now_hour for pair in compared if _is_list(pair) and self._is_due(pair)
            }
        by_account: dict[str, dict[str, int]] = {}
        for pair, hour in hours.items():
            by_account.setdefault(str(pair.account_id), {})[pair.report] = hour
        return by_account

    def _is_due(self, pair: AccountReport) -> bool:
        """Returns whether it is time to look at a whole list."""
        return is_due(self.looked.get(pair, 0), self._now_hour)

    @property
    def _now_hour(self) -> int:
        return self.reader.client.clock.hour()

    def _outcome(self, pair: AccountReport) -> Outcome:
        return self.results[pair].outcome or Outcome()


def _is_list(pair: AccountReport) -> bool:
    """Returns whether Harvest has a list of the whole account, and so a count, for a report."""
    return by_name(pair.report).parent is None
