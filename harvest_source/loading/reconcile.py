"""Ends a run with the proof: what differs between tables and Harvest is found, removed or read again, and said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from harvest_source.api.accounts import Account
from harvest_source.api.net import stays_with_report
from harvest_source.catalogue.reports import AccountReport, Report, by_name
from harvest_source.destinations.failures import is_foreign
from harvest_source.destinations.scope import LIVE, MARKED
from harvest_source.destinations.warehouse import Warehouse
from harvest_source.errors import AccessLostError, ApiError
from harvest_source.loading.callers import ADMINISTRATOR, Callers, doubt_about, whose_rows
from harvest_source.loading.changes import Tally
from harvest_source.loading.compare import Comparison, Finding
from harvest_source.loading.deletions import CASCADES, Deletions, children_of, gone_children, keys_under
from harvest_source.loading.looking_back import is_due, look_back
from harvest_source.loading.source import Run
from harvest_source.loading.unseen import not_seen, unseen_among
from harvest_source.reading.parents import current_hour
from harvest_source.reading.reader import Outcome
from harvest_source.reading.reading import Key

IGNORED = "not compared"
USERS = "users"
Compare = Callable[[AccountReport, Warehouse], Finding]
"""Says how a report's table compares with Harvest."""


@dataclass
class Verdict:
    """Whether a report's table equals Harvest."""

    verified: str = ""
    at_harvest: int | None = None
    error: str | None = None
    repaired: int = 0
    gone: int = 0  # rows of the table that Harvest no longer has
    unseen: set[Key] = field(default_factory=set)  # rows of the table that Harvest has and does not show to the caller
    whose: str = ""  # of whom the rows are, where the token does not show all
    older: int = 0  # rows from before start_date, which nobody follows

    @property
    def told(self) -> str:
        """Returns what the summary says; rows that are not followed are no part of what is proved."""
        older = f"{self.older:,} older row{'s' if self.older > 1 else ''} not followed" if self.older else ""
        return self.verified if self.error else ", ".join(filter(None, (self.verified, self.whose, older)))

    def fail(self, error: str) -> None:
        """Says that the table does not equal Harvest, and why."""
        self.error, self.verified = error, f"no: {error}"


@dataclass
class Reconciliation:
    """One run's comparison; see the module."""

    run: Run
    names: list[str]
    accept_deletions: bool
    callers: Callers  # whose rows the tables may hold
    looked: Mapping[AccountReport, int]  # hour of the last look at a whole list
    open_warehouse: Callable[[], Warehouse]
    load: Callable[[list[AccountReport]], None]
    read_late_parents: Callable[[list[AccountReport]], None]  # given reports of children whose parents may have come just now
    tallies: dict[AccountReport, Tally]
    verdicts: dict[AccountReport, Verdict] = field(default_factory=dict)
    doubts: dict[int, str] = field(default_factory=dict)  # account id: why none of its rows is removed

    def execute(self, accounts: list[Account], pairs: list[AccountReport]) -> None:
        """Compares and mends all reports that were loaded; parents first, since what hangs on them goes with them.

        Raises:
            AccessLostError: Harvest refuses the token.
            LoadFailedError: the destination refused a repair.
        """
        self._sees_all = {account.id for account in accounts if ADMINISTRATOR in account.access_roles}
        whose = {
            AccountReport(account.id, name): whose_rows(account, by_name(name)) for account in accounts for name in self.names
        }
        loaded = [pair for pair in pairs if not self.run.reader.outcomes[pair].error]
        hidden = {account.id: self._doubt(account, loaded) for account in accounts}
        compared = []
        for pair in pairs:
            verdict = self.verdicts[pair] = Verdict(whose=whose.get(pair, ""))
            if self.run.reader.outcomes[pair].error:
                continue
            if self._ignores:
                verdict.verified = IGNORED
            elif hidden[pair.account_id]:
                verdict.fail(hidden[pair.account_id] or "")
            else:
                compared.append(pair)
        self._ask_ahead(compared)
        parents = [pair for name in CASCADES for pair in compared if pair.report == name]
        self._mend([*parents, *(pair for pair in compared if pair not in parents)], accounts)
        if any(self.verdicts[pair].repaired for pair in parents):
            self.read_late_parents([pair for pair in compared if self.run.reader.report(pair.report).parent])
        self._confirm(compared)

    def looks(self) -> dict[str, dict[str, int]]:
        """Returns when whole lists were looked at, account by account, with those that were looked at now."""
        hours = dict(self.looked)
        if not self.run.reader.choice.since:
            done = (pair for pair, verdict in self.verdicts.items() if self._is_list(pair) and verdict.at_harvest is not None)
            hours |= {pair: current_hour() for pair in done if is_due(pair, hours) and not self.verdicts[pair].error}
        return {
            str(account_id): {pair.report: hour for pair, hour in hours.items() if pair.account_id == account_id}
            for account_id, _ in hours
        }

    def _mend(self, pairs: list[AccountReport], accounts: list[Account]) -> None:
        """Compares reports, and once more those of which nothing but counts was compared."""
        self._reconcile(pairs, accounts, self._compare)
        if not self.run.reader.choice.since:
            counted = [pair for pair in pairs if pair in self.comparison.counted and not self.verdicts[pair].error]
            self._reconcile(counted, accounts, self._look_back)

    @property
    def _ignores(self) -> bool:
        """Returns whether nobody wants to know what is gone; a full refresh replaces the rows all the same."""
        return self.run.reader.settings.deleted_rows == "ignore" and not self.run.reader.choice.replaces

    @property
    def compares_whole_tables(self) -> bool:
        """Returns whether a table that was compared holds the caller's rows and nobody else's."""
        return not self._ignores and not self.run.reader.choice.since

    def _doubt(self, account: Account, loaded: list[AccountReport]) -> str | None:
        """Returns why rows may be hidden from the caller without a sign, `None` where there is no reason."""
        names = [name for account_id, name in loaded if account_id == account.id]
        return None if self.accept_deletions else doubt_about(account, names, self.callers)

    def _ask_ahead(self, pairs: list[AccountReport]) -> None:
        self.comparison = Comparison(self.run.reader)
        with self.open_warehouse() as warehouse:
            self.comparison.use(warehouse, {})
            self.comparison.ask_ahead([pair for pair in pairs if self._is_list(pair)])

    def _is_list(self, pair: AccountReport) -> bool:
        """Returns whether Harvest has a list of the whole account, and so a count, for a report."""
        return by_name(pair.report).parent is None

    def _reconcile(self, pairs: list[AccountReport], accounts: list[Account], compare: Compare) -> None:
        if not pairs:
            return
        warehouse = self.open_warehouse()
        with warehouse:
            accept = self.accept_deletions or self.run.reader.choice.replaces
            deletions = Deletions(warehouse, set(self.verdicts), accept=accept, doubts=self.doubts)
            self.comparison.use(warehouse, deletions.gone)
            findings = {pair: self._find(pair, warehouse, deletions, compare) for pair in pairs}
            for account in accounts:
                self._look_for_caller(account, findings, deletions)
            self._tell_doubts(deletions)
            self.run.removals = deletions.last_known()
        outcomes = self.run.reader.outcomes
        kept = {pair: outcomes[pair] for pair in {*findings, *self.run.removals}}
        for pair in kept:
            finding = findings.get(pair)
            outcomes[pair] = Outcome(finding.pages if finding else None)
        before = {pair: self._loaded(pair) for pair in kept}
        removed = {pair: len(rows) for pair, rows in self.run.removals.items()}
        self.load([pair for pair in kept if outcomes[pair].pages or self.run.removals.get(pair)])
        for pair, outcome in kept.items():
            if error := outcomes[pair].error:
                self.verdicts[pair].fail(str(error))
            outcomes[pair] = outcome
            self.verdicts[pair].repaired += removed.get(pair, 0) + self._loaded(pair) - before[pair]

    def _loaded(self, pair: AccountReport) -> int:
        tally = self.tallies.get(pair)
        return tally.new + tally.changed if tally else 0

    def _find(self, pair: AccountReport, warehouse: Warehouse, deletions: Deletions, compare: Compare) -> Finding:
        """Returns what must be loaded again of a report, and notes what is gone."""
        verdict = self.verdicts[pair]
        try:
            with stays_with_report(is_foreign):
                finding = compare(pair, warehouse)
        except AccessLostError:
            raise
        except ApiError as error:
            verdict.fail(str(error))
            return Finding()
        deletions.add(pair, finding.gone)
        deletions.marked[pair] = self._marked(pair, finding, warehouse)
        verdict.at_harvest = finding.at_harvest
        verdict.gone = max(verdict.gone, len(deletions.gone.get(pair, set()) | deletions.marked[pair]))
        return finding

    def _marked(self, pair: AccountReport, finding: Finding, warehouse: Warehouse) -> set[Key]:
        """Returns the keys of rows that earlier runs marked as gone and kept, where none are kept any more."""
        if self.run.keeps_deleted or not warehouse.count(pair.report, pair.account_id, MARKED):
            return set()
        back = finding.pages.keys if finding.pages else set()
        return warehouse.keys(by_name(pair.report), pair.account_id, MARKED) - back

    def _look_for_caller(self, account: Account, findings: dict[AccountReport, Finding], deletions: Deletions) -> None:
        """Doubts an account whose list of users, read whole by an administrator, lacks that administrator."""
        caller_id = account.caller.get("id")
        if self.accept_deletions or caller_id is None or ADMINISTRATOR not in account.access_roles:
            return
        found = findings.get(AccountReport(account.id, USERS))
        readings = [*self.run.reader.readings, *([found.pages] if found and found.pages else [])]
        of_users = [each for each in readings if (each.account_id, each.report.name, each.since) == (account.id, USERS, None)]
        is_gone = bool(found and (caller_id,) in found.gone)
        if is_gone or any((caller_id,) not in each.keys for each in of_users):
            doubt = deletions.doubts.setdefault(account.id, "Harvest's list of users lacks the token's own user")
            if found:
                self.verdicts[AccountReport(account.id, USERS)].fail(doubt)

    def _tell_doubts(self, deletions: Deletions) -> None:
        for account_id, doubt in deletions.doubts.items():
            kept = f"nothing of account {account_id} was removed; run again with --accept-deletions if that is right"
            for pair in [pair for pair, keys in deletions.gone.items() if pair.account_id == account_id and keys]:
                if pair in self.verdicts:
                    self.verdicts[pair].fail(f"{doubt}: {kept}")

    def _compare(self, pair: AccountReport, warehouse: Warehouse) -> Finding:
        outcome = self.run.reader.outcomes[pair]
        report = self.run.reader.report(pair.report)
        gone: set[Key] = set()
        if report.parent and outcome.pages and self._covers_all(report, outcome):
            gone = warehouse.keys(report, pair.account_id) - outcome.pages.keys
            gone -= children_of(warehouse, report, pair.account_id, outcome.plan.hidden) if outcome.plan else set()
        elif report.parent and outcome.pages:
            gone = gone_children(warehouse, report, pair.account_id, outcome.parents, outcome.pages.keys)
        if not self._is_list(pair):
            return Finding(gone=gone - self._under_unseen(pair, warehouse))
        finding = self._without_unseen(pair, self.comparison.compare(pair, outcome), warehouse)
        return Finding(finding.at_harvest, finding.equal, finding.gone | gone - self.verdicts[pair].unseen, finding.pages)

    def _without_unseen(self, pair: AccountReport, finding: Finding, warehouse: Warehouse) -> Finding:
        """Takes out of what is gone what Harvest has and does not show to the caller."""
        unseen = finding.gone & self._under_unseen(pair, warehouse)
        unseen |= unseen_among(self.run.reader, pair, finding.gone - unseen, sees_all=pair.account_id in self._sees_all)
        self.verdicts[pair].unseen |= unseen
        finding.gone = finding.gone - unseen
        return finding

    def _under_unseen(self, pair: AccountReport, warehouse: Warehouse) -> set[Key]:
        """Returns the keys of rows that hang on a row which is hidden from the caller: they may be hidden with it."""
        account_id, name = pair
        found: set[Key] = set()
        for parent, tables in CASCADES.items():
            above = self.verdicts.get(AccountReport(account_id, parent))
            ids = {key[0] for key in above.unseen} if above else set()
            for column in [column for table, column in tables if table == name and ids]:
                found |= keys_under(warehouse, by_name(name), account_id, column, ids)
        return found

    def _look_back(self, pair: AccountReport, warehouse: Warehouse) -> Finding:
        pages = self.run.reader.outcomes[pair].pages
        found = look_back(self.comparison, pair, pages.since if pages else None, whole=is_due(pair, self.looked))
        equal = Finding(self.verdicts[pair].at_harvest, equal=True)
        return self._without_unseen(pair, found, warehouse) if found else equal

    def _covers_all(self, report: Report, outcome: Outcome) -> bool:
        """Returns whether the children of every parent there is were read: others in the table have lost theirs."""
        limited = self.run.reader.settings.begins_at and report.from_start_date
        return bool(outcome.plan and outcome.plan.whole and not limited and not self.run.reader.choice.since)

    def _confirm(self, pairs: list[AccountReport]) -> None:
        """Counts once more after the repair, and says how each report stands."""
        with self.open_warehouse() as warehouse:
            self.comparison.use(warehouse, {pair: self.verdicts[pair].unseen for pair in pairs})
            for pair in pairs:
                verdict = self.verdicts[pair]
                if verdict.error:
                    continue
                verdict.older = self._older(pair, warehouse)
                if not self._is_list(pair):
                    verdict.verified = self._read_ago(pair)
                    continue
                here = self.comparison.here(pair)
                if verdict.at_harvest is not None and not self.comparison.matches(pair, verdict.at_harvest):
                    verdict.fail(f"the table has {here} rows, Harvest {verdict.at_harvest}; the next run looks again")
                else:
                    verdict.verified = f"repaired {verdict.repaired}" if verdict.repaired else self._yes
                    verdict.verified += not_seen(pair.report, len(verdict.unseen))

    def _older(self, pair: AccountReport, warehouse: Warehouse) -> int:
        """Returns the number of a table's rows that changed last before start_date, or whose parents did."""
        report, start = self.run.reader.report(pair.report), self.run.reader.settings.begins_at
        if not start or not report.from_start_date or self.run.reader.choice.since:
            return 0
        if report.parent is None:
            return warehouse.count(report.name, pair.account_id, LIVE.where("updated_at", "<", start)) or 0
        plan = self.run.reader.outcomes[pair].plan
        followed = {parent_id for ids in plan.read.values() for parent_id in ids} if plan else set()
        children = warehouse.count_by(report.name, report.parent.column, pair.account_id)
        return sum(rows for parent_id, rows in children.items() if parent_id not in followed)

    @property
    def _yes(self) -> str:
        return "part" if self.run.reader.choice.since else "yes"

    def _read_ago(self, pair: AccountReport) -> str:
        """Returns when the children unread for longest were read: there is no count of them."""
        if self.run.reader.choice.since:
            return "part"
        plan = self.run.reader.outcomes[pair].plan
        hours = [int(hour) for hour in plan.read] if plan else []
        days = (current_hour() - min(hours, default=current_hour())) // 24
        parent = self.run.reader.report(pair.report).parent
        return f"read {days} days ago" + (not_seen(parent.report, len(plan.hidden)) if parent and plan else "")
