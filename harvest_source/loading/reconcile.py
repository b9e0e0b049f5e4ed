"""Ends a run with the proof: what differs between tables and Harvest is found, removed or read again, and said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from harvest_source.api.accounts import Account
from harvest_source.api.net import stays_with_report
from harvest_source.catalogue.reports import Report, by_name
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
from harvest_source.reading.reader import Outcome, Where
from harvest_source.reading.reading import Key

IGNORED = "not compared"
USERS = "users"
Compare = Callable[[Where, Warehouse], Finding]
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
    looked: Mapping[Where, int]  # hour of the last look at a whole list
    open_warehouse: Callable[[], Warehouse]
    load: Callable[[list[Where]], None]
    read_late_parents: Callable[[list[Where]], None]  # given reports of children whose parents may have come just now
    tallies: dict[Where, Tally]
    verdicts: dict[Where, Verdict] = field(default_factory=dict)
    doubts: dict[int, str] = field(default_factory=dict)  # account id: why none of its rows is removed

    def execute(self, accounts: list[Account], wheres: list[Where]) -> None:
        """Compares and mends all reports that were loaded; parents first, since what hangs on them goes with them.

        Raises:
            AccessLostError: Harvest refuses the token.
            LoadFailedError: the destination refused a repair.
        """
        self._sees_all = {account.id for account in accounts if ADMINISTRATOR in account.access_roles}
        whose = {(account.id, name): whose_rows(account, by_name(name)) for account in accounts for name in self.names}
        loaded = [where for where in wheres if not self.run.reader.outcomes[where].error]
        hidden = {account.id: self._doubt(account, loaded) for account in accounts}
        compared = []
        for where in wheres:
            verdict = self.verdicts[where] = Verdict(whose=whose.get(where, ""))
            if self.run.reader.outcomes[where].error:
                continue
            if self._ignores:
                verdict.verified = IGNORED
            elif hidden[where[0]]:
                verdict.fail(hidden[where[0]] or "")
            else:
                compared.append(where)
        self._ask_ahead(compared)
        parents = [where for name in CASCADES for where in compared if where[1] == name]
        self._mend([*parents, *(where for where in compared if where not in parents)], accounts)
        if any(self.verdicts[where].repaired for where in parents):
            self.read_late_parents([where for where in compared if self.run.reader.report(where[1]).parent])
        self._confirm(compared)

    def looks(self) -> dict[str, dict[str, int]]:
        """Returns when whole lists were looked at, account by account, with those that were looked at now."""
        hours = dict(self.looked)
        if not self.run.reader.choice.since:
            done = (where for where, verdict in self.verdicts.items() if self._is_list(where) and verdict.at_harvest is not None)
            hours |= {where: current_hour() for where in done if is_due(where, hours) and not self.verdicts[where].error}
        return {
            str(account_id): {name: hours[account_id, name] for each, name in hours if each == account_id}
            for account_id, _ in hours
        }

    def _mend(self, wheres: list[Where], accounts: list[Account]) -> None:
        """Compares reports, and once more those of which nothing but counts was compared."""
        self._reconcile(wheres, accounts, self._compare)
        if not self.run.reader.choice.since:
            counted = [where for where in wheres if where in self.comparison.counted and not self.verdicts[where].error]
            self._reconcile(counted, accounts, self._look_back)

    @property
    def _ignores(self) -> bool:
        """Returns whether nobody wants to know what is gone; a full refresh replaces the rows all the same."""
        return self.run.reader.settings.deleted_rows == "ignore" and not self.run.reader.choice.replaces

    @property
    def compares_whole_tables(self) -> bool:
        """Returns whether a table that was compared holds the caller's rows and nobody else's."""
        return not self._ignores and not self.run.reader.choice.since

    def _doubt(self, account: Account, loaded: list[Where]) -> str | None:
        """Returns why rows may be hidden from the caller without a sign, `None` where there is no reason."""
        names = [name for account_id, name in loaded if account_id == account.id]
        return None if self.accept_deletions else doubt_about(account, names, self.callers)

    def _ask_ahead(self, wheres: list[Where]) -> None:
        self.comparison = Comparison(self.run.reader)
        with self.open_warehouse() as warehouse:
            self.comparison.use(warehouse, {})
            self.comparison.ask_ahead([where for where in wheres if self._is_list(where)])

    def _is_list(self, where: Where) -> bool:
        """Returns whether Harvest has a list of the whole account, and so a count, for a report."""
        return by_name(where[1]).parent is None

    def _reconcile(self, wheres: list[Where], accounts: list[Account], compare: Compare) -> None:
        if not wheres:
            return
        warehouse = self.open_warehouse()
        with warehouse:
            accept = self.accept_deletions or self.run.reader.choice.replaces
            deletions = Deletions(warehouse, set(self.verdicts), accept=accept, doubts=self.doubts)
            self.comparison.use(warehouse, deletions.gone)
            findings = {where: self._find(where, warehouse, deletions, compare) for where in wheres}
            for account in accounts:
                self._look_for_caller(account, findings, deletions)
            self._tell_doubts(deletions)
            self.run.removals = deletions.last_known()
        outcomes = self.run.reader.outcomes
        kept = {where: outcomes[where] for where in {*findings, *self.run.removals}}
        for where in kept:
            finding = findings.get(where)
            outcomes[where] = Outcome(finding.pages if finding else None)
        before = {where: self._loaded(where) for where in kept}
        removed = {where: len(rows) for where, rows in self.run.removals.items()}
        self.load([where for where in kept if outcomes[where].pages or self.run.removals.get(where)])
        for where, outcome in kept.items():
            if error := outcomes[where].error:
                self.verdicts[where].fail(str(error))
            outcomes[where] = outcome
            self.verdicts[where].repaired += removed.get(where, 0) + self._loaded(where) - before[where]

    def _loaded(self, where: Where) -> int:
        tally = self.tallies.get(where)
        return tally.new + tally.changed if tally else 0

    def _find(self, where: Where, warehouse: Warehouse, deletions: Deletions, compare: Compare) -> Finding:
        """Returns what must be loaded again of a report, and notes what is gone."""
        verdict = self.verdicts[where]
        try:
            with stays_with_report(is_foreign):
                finding = compare(where, warehouse)
        except AccessLostError:
            raise
        except ApiError as error:
            verdict.fail(str(error))
            return Finding()
        deletions.add(where, finding.gone)
        deletions.marked[where] = self._marked(where, finding, warehouse)
        verdict.at_harvest = finding.at_harvest
        verdict.gone = max(verdict.gone, len(deletions.gone.get(where, set()) | deletions.marked[where]))
        return finding

    def _marked(self, where: Where, finding: Finding, warehouse: Warehouse) -> set[Key]:
        """Returns the keys of rows that earlier runs marked as gone and kept, where none are kept any more."""
        if self.run.keeps_deleted or not warehouse.count(where[1], where[0], MARKED):
            return set()
        back = finding.pages.keys if finding.pages else set()
        return warehouse.keys(by_name(where[1]), where[0], MARKED) - back

    def _look_for_caller(self, account: Account, findings: dict[Where, Finding], deletions: Deletions) -> None:
        """Doubts an account whose list of users, read whole by an administrator, lacks that administrator."""
        caller_id = account.caller.get("id")
        if self.accept_deletions or caller_id is None or ADMINISTRATOR not in account.access_roles:
            return
        found = findings.get((account.id, USERS))
        readings = [*self.run.reader.readings, *([found.pages] if found and found.pages else [])]
        of_users = [each for each in readings if (each.account_id, each.report.name, each.since) == (account.id, USERS, None)]
        is_gone = bool(found and (caller_id,) in found.gone)
        if is_gone or any((caller_id,) not in each.keys for each in of_users):
            doubt = deletions.doubts.setdefault(account.id, "Harvest's list of users lacks the token's own user")
            if found:
                self.verdicts[account.id, USERS].fail(doubt)

    def _tell_doubts(self, deletions: Deletions) -> None:
        for account_id, doubt in deletions.doubts.items():
            kept = f"nothing of account {account_id} was removed; run again with --accept-deletions if that is right"
            for where in [where for where, keys in deletions.gone.items() if where[0] == account_id and keys]:
                if where in self.verdicts:
                    self.verdicts[where].fail(f"{doubt}: {kept}")

    def _compare(self, where: Where, warehouse: Warehouse) -> Finding:
        outcome = self.run.reader.outcomes[where]
        report = self.run.reader.report(where[1])
        gone: set[Key] = set()
        if report.parent and outcome.pages and self._covers_all(report, outcome):
            gone = warehouse.keys(report, where[0]) - outcome.pages.keys
            gone -= children_of(warehouse, report, where[0], outcome.plan.hidden) if outcome.plan else set()
        elif report.parent and outcome.pages:
            gone = gone_children(warehouse, report, where[0], outcome.parents, outcome.pages.keys)
        if not self._is_list(where):
            return Finding(gone=gone - self._under_unseen(where, warehouse))
        finding = self._without_unseen(where, self.comparison.compare(where, outcome), warehouse)
        return Finding(finding.at_harvest, finding.equal, finding.gone | gone - self.verdicts[where].unseen, finding.pages)

    def _without_unseen(self, where: Where, finding: Finding, warehouse: Warehouse) -> Finding:
        """Takes out of what is gone what Harvest has and does not show to the caller."""
        unseen = finding.gone & self._under_unseen(where, warehouse)
        unseen |= unseen_among(self.run.reader, where, finding.gone - unseen, sees_all=where[0] in self._sees_all)
        self.verdicts[where].unseen |= unseen
        finding.gone = finding.gone - unseen
        return finding

    def _under_unseen(self, where: Where, warehouse: Warehouse) -> set[Key]:
        """Returns the keys of rows that hang on a row which is hidden from the caller: they may be hidden with it."""
        account_id, name = where
        found: set[Key] = set()
        for parent, tables in CASCADES.items():
            above = self.verdicts.get((account_id, parent))
            ids = {key[0] for key in above.unseen} if above else set()
            for column in [column for table, column in tables if table == name and ids]:
                found |= keys_under(warehouse, by_name(name), account_id, column, ids)
        return found

    def _look_back(self, where: Where, warehouse: Warehouse) -> Finding:
        pages = self.run.reader.outcomes[where].pages
        found = look_back(self.comparison, where, pages.since if pages else None, whole=is_due(where, self.looked))
        equal = Finding(self.verdicts[where].at_harvest, equal=True)
        return self._without_unseen(where, found, warehouse) if found else equal

    def _covers_all(self, report: Report, outcome: Outcome) -> bool:
        """Returns whether the children of every parent there is were read: others in the table have lost theirs."""
        limited = self.run.reader.settings.begins_at and report.from_start_date
        return bool(outcome.plan and outcome.plan.whole and not limited and not self.run.reader.choice.since)

    def _confirm(self, wheres: list[Where]) -> None:
        """Counts once more after the repair, and says how each report stands."""
        with self.open_warehouse() as warehouse:
            self.comparison.use(warehouse, {where: self.verdicts[where].unseen for where in wheres})
            for where in wheres:
                verdict = self.verdicts[where]
                if verdict.error:
                    continue
                verdict.older = self._older(where, warehouse)
                if not self._is_list(where):
                    verdict.verified = self._read_ago(where)
                    continue
                here = self.comparison.here(where)
                if verdict.at_harvest is not None and not self.comparison.matches(where, verdict.at_harvest):
                    verdict.fail(f"the table has {here} rows, Harvest {verdict.at_harvest}; the next run looks again")
                else:
                    verdict.verified = f"repaired {verdict.repaired}" if verdict.repaired else self._yes
                    verdict.verified += not_seen(where[1], len(verdict.unseen))

    def _older(self, where: Where, warehouse: Warehouse) -> int:
        """Returns the number of a table's rows that changed last before start_date, or whose parents did."""
        report, start = self.run.reader.report(where[1]), self.run.reader.settings.begins_at
        if not start or not report.from_start_date or self.run.reader.choice.since:
            return 0
        if report.parent is None:
            return warehouse.count(report.name, where[0], LIVE.where("updated_at", "<", start)) or 0
        plan = self.run.reader.outcomes[where].plan
        followed = {parent_id for ids in plan.read.values() for parent_id in ids} if plan else set()
        children = warehouse.count_by(report.name, report.parent.column, where[0])
        return sum(rows for parent_id, rows in children.items() if parent_id not in followed)

    @property
    def _yes(self) -> str:
        return "part" if self.run.reader.choice.since else "yes"

    def _read_ago(self, where: Where) -> str:
        """Returns when the children unread for longest were read: there is no count of them."""
        if self.run.reader.choice.since:
            return "part"
        plan = self.run.reader.outcomes[where].plan
        hours = [int(hour) for hour in plan.read] if plan else []
        days = (current_hour() - min(hours, default=current_hour())) // 24
        parent = self.run.reader.report(where[1]).parent
        return f"read {days} days ago" + (not_seen(parent.report, len(plan.hidden)) if parent and plan else "")
