"""Keeps the warehouse equal to Harvest: one call, one run, a summary.

The path of a run: finish what is pending, look up the accounts, read the lists, load them while the children are read,
load those, count, write `load_report`. What a report's failure means is decided here: it stays that report's own.
"""

from __future__ import annotations

import copy
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import dlt

from harvest_source.api.accounts import Account, look_up_all
from harvest_source.api.net import stays_with_report
from harvest_source.catalogue.reports import NAMES, AccountReport, by_name
from harvest_source.destinations.abilities import can_merge, check_abilities, settle_destination
from harvest_source.destinations.duckdb import Patience, kept_open, left_only_with_rows
from harvest_source.destinations.failures import GOES_ON, explained, is_foreign
from harvest_source.destinations.indexes import add_indexes
from harvest_source.destinations.places import run_made_for_owner
from harvest_source.destinations.postgres import only_machine
from harvest_source.destinations.scope import LIVE
from harvest_source.destinations.warehouse import Warehouse
from harvest_source.errors import AccessLostError, ApiError
from harvest_source.loading import timers
from harvest_source.loading.alone import alone
from harvest_source.loading.apart import load_apart
from harvest_source.loading.callers import CALLERS, callers_after
from harvest_source.loading.changes import ChangeFilter, Tally
from harvest_source.loading.deletions import deleted_rows_resource
from harvest_source.loading.history import (
    ACCOUNTS_TABLE,
    LIST_ELEMENTS,
    LOOKED,
    accounts_resource,
    bookmark_of,
    build_history_source,
    load_report_resource,
)
from harvest_source.loading.late_parents import known_parents
from harvest_source.loading.list_elements import elements_to_keep, with_other_elements
from harvest_source.loading.listener import Listener
from harvest_source.loading.looking_back import MOST_REQUESTS
from harvest_source.loading.package import finish_pending, load
from harvest_source.loading.preparing import prepare, states_of
from harvest_source.loading.reconcile import Reconciliation, Verdict
from harvest_source.loading.rewriting import RestOfTable, lost
from harvest_source.loading.source import Run, build_source, empty_resource
from harvest_source.loading.summary import ReportResult, Summary
from harvest_source.loading.tables import complete_tables, forget_bookmarks, was_loaded
from harvest_source.loading.taken import KEPT_TABLES, refuse_tables_of_others
from harvest_source.loading.totals import Totals
from harvest_source.loading.trial import is_tested, try_out
from harvest_source.reading.parents import read_parents
from harvest_source.reading.reader import Outcome
from harvest_source.settings import PER_PAGE, SECTION

GENERAL_PACE_SECONDS = 0.15  # one request per 0.15 s is what the limit allows in the long run


@dataclass
class Sync:
    """One run; see the module."""

    pipeline: dlt.Pipeline
    run: Run
    names: list[str]
    listener: Listener = field(default_factory=Listener)
    drop_pending: bool = False
    accept_deletions: bool = False
    repairs: bool = True  # False: only tells what differs
    totals: bool = False  # compares sums with Harvest's own reports, too
    summary: Summary = field(default_factory=Summary)
    _has_begun: bool = False  # to load
    _check_alone: Callable[[], None] = field(default=lambda: None)  # raises where another machine may have come in
    _started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    _tallies: dict[AccountReport, Tally] = field(default_factory=dict)
    _deleted: Counter[AccountReport] = field(default_factory=Counter)
    _states: dict[AccountReport, dict[str, Any]] = field(default_factory=dict)
    _other_elements: set[AccountReport] = field(default_factory=set)  # reports whose lists are not as the last run left them

    def execute(self) -> Summary:
        """Runs, and returns the summary.

        Raises:
            SettingError: nothing was loaded since a setting is wrong, or the destination does not fit.
            AccessLostError: Harvest refuses the token; what was complete before is loaded.
            LoadFailedError: the destination refused; the next run finishes what is pending.
            CancelledError: the run was interrupted.
        """
        settle_destination(self.pipeline)
        check_abilities(self.pipeline)
        if not can_merge(self.pipeline):
            self.run.rest_of = RestOfTable(self.pipeline)
        with (
            explained(GOES_ON, lambda: self._has_begun),
            run_made_for_owner(self.pipeline, share_with_group=self.run.reader.settings.share_with_group),
            alone(self.pipeline),
            only_machine(self.pipeline) as self._check_alone,
            left_only_with_rows(self.pipeline),
        ):
            return self._execute()

    def _tables_not_loaded_yet(self) -> list[str]:
        known = {name for _, name in states_of(self.pipeline)}
        return [name for name in (*self.names, *(() if known else KEPT_TABLES)) if name not in known]

    @property
    def _patience(self) -> Patience:
        return Patience(self.run.reader.client.clock, self.listener.note)

    def _kept_open(self) -> AbstractContextManager[None]:
        """Keeps a DuckDB file open for a while in which Harvest is not waited for."""
        return kept_open(self.pipeline, self._patience)

    def _warehouse(self, counted: Iterable[str] = (), *, lets_go: bool = False) -> Warehouse:
        return Warehouse(self.pipeline, counted, self._patience, lets_go=lets_go)

    def _execute(self) -> Summary:
        with self._kept_open():
            self.summary.pending_loaded = prepare(self.pipeline, self.listener, drop_pending=self.drop_pending)
            refuse_tables_of_others(self.pipeline, self._tables_not_loaded_yet())
        if not is_tested(self.pipeline) and not states_of(self.pipeline):
            self.listener.step("trying the destination")
            try_out(self.pipeline)
        self._has_begun = True
        accounts = look_up_all(self.run.reader.client, self.run.accounts)
        pairs = [pair for account in accounts for pair in self._pairs_of(account)]
        if self.repairs:
            with self._kept_open():
                self._complete_tables()
        self._states = states_of(self.pipeline)
        self._forget_lost(accounts, pairs)
        self._pass_over_failed(accounts)
        self._read_and_load([pair for pair in pairs if pair not in self.run.reader.outcomes])
        reconciliation = Reconciliation(
            self.run,
            self.names,
            self.accept_deletions,
            self._kept(CALLERS),
            {AccountReport(int(each), name): hour for each, hours in self._kept(LOOKED).items() for name, hour in hours.items()},
            lambda: self._warehouse(self.names, lets_go=True),
            self._load,
            self._read_late_parents,
            self._tallies,
        )
        self.listener.step("comparing with Harvest")
        reconciliation.execute(accounts, pairs)
        add_indexes(self.pipeline, self.names)
        self._finish(pairs, reconciliation.verdicts)
        if self.totals:
            self._compare_totals(accounts)
        if self.repairs:
            self._write_history(accounts, reconciliation)
        return self.summary

    def _kept(self, name: str) -> dict[str, Any]:
        """Returns what dlt's state keeps of each account under a name of `history`."""
        kept: dict[str, Any] = self.pipeline.state.get("sources", {}).get(SECTION, {}).get(name, {})
        return kept

    def _complete_tables(self) -> None:
        """Makes what the destination lacks of the chosen reports' tables, whatever becomes of the reports."""
        reports = [self.run.reader.report(name) for name in self.names]
        own = [deleted_rows_resource({}), accounts_resource([], None)]
        own.append(load_report_resource("", self._started_at, self._started_at, [], {}))
        self._check_alone()
        when = " by the next run without a date" if self.run.reader.choice.since else ""
        if not complete_tables(self.pipeline, build_source(self.run, reports, *own), self.listener.note, when):
            lacking = [empty_resource(self.run, report) for report in reports if not was_loaded(self.pipeline, report)]
            if lacking:
                load(self.pipeline, build_source(self.run, [], *lacking))

    def _compare_totals(self, accounts: list[Account]) -> None:
        """Notes the months in which a sum differs from Harvest's report; a report that cannot be read is said."""
        self.listener.step("comparing sums with Harvest's reports")
        with self._warehouse(lets_go=True) as warehouse:
            for account in accounts:
                own = (each for each in self.summary.results if each.account_id == account.id)
                results = {each.report: each for each in own if self._is_loaded(account.id, each.report)}
                try:
                    with stays_with_report(is_foreign):
                        months = list(Totals(self.run.reader, warehouse, account.id).differing_months())
                except AccessLostError:
                    raise
                except ApiError as error:
                    self.summary.notes.append(f"sums of account {account.id} are not compared with Harvest's reports: {error}")
                    continue
                for month in months:
                    self.summary.notes.append(str(month))
                    result = results[month.pair.report]
                    result.error = result.error or str(month)
                    result.verified = f"no: {result.error}"

    def _is_loaded(self, account_id: int, name: str) -> bool:
        outcome = self.run.reader.outcomes.get(AccountReport(account_id, name))
        return bool(outcome and not outcome.error)

    def _forget_lost(self, accounts: list[Account], pairs: list[AccountReport]) -> None:
        """Has tables that lost rows outside a run, or list elements, read as if for the first time."""
        with self._warehouse(self.names) as warehouse:
            found = lost(warehouse, self.names) if self.run.rest_of and self.repairs else set()
            others = with_other_elements(warehouse, pairs, self._kept(LIST_ELEMENTS)) - found
        if found:
            forget_bookmarks(self.pipeline, found.__contains__)
            self._states = states_of(self.pipeline)
        chosen = {account.id for account in accounts}
        for account_id, name in sorted(found):
            what = f"{name} of account {account_id} lost rows since the last run"
            when = "" if account_id in chosen else " when that account is loaded"
            self.listener.note(f"{what}: it is read from the beginning{when}")
        for account_id, name in sorted(others & self._states.keys()):  # of a table made anew it is said already
            self.listener.note(
                f"{name} of account {account_id} has other list elements than after the last run: it is read from the beginning"
            )
            self._states.pop(AccountReport(account_id, name), None)
        self._other_elements = others

    def _state(self, account_id: int, name: str) -> dict[str, Any]:
        return self._states.get(AccountReport(account_id, name), {})

    def _pairs_of(self, account: Account) -> list[AccountReport]:
        """Returns what is read of an account; a report whose module is off is complete, since there is nothing to load."""
        off = [name for name in self.names if account.switched_off(by_name(name).module)]
        if off:
            self.summary.results += [ReportResult(name, account.id, verified="module off") for name in off]
            self.summary.notes.append(f"skipped, since their module is switched off in account {account.id}: {', '.join(off)}")
        return [AccountReport(account.id, name) for name in self.names if name not in off]

    def _pass_over_failed(self, accounts: list[Account]) -> None:
        """Keeps the error of an account of which nothing can be read as that of each of its reports."""
        for account in accounts:
            if account.error:
                self.listener.note(str(account.error))
                self.run.reader.outcomes |= {AccountReport(account.id, name): Outcome(error=account.error) for name in self.names}

    def _read_and_load(self, pairs: list[AccountReport]) -> None:
        """Loads the lists while the children are still being read."""
        reader = self.run.reader
        lists = [pair for pair in pairs if not reader.report(pair.report).parent]
        children = [pair for pair in pairs if reader.report(pair.report).parent]
        reader.on_planned = lambda requests: self.listener.planned(requests, requests * GENERAL_PACE_SECONDS)
        reader.on_read = self._tell_read
        with self._warehouse(self.names) as warehouse:
            longer = [pair for pair in lists if (warehouse.count(pair.report, pair.account_id) or 0) > PER_PAGE]
        reader.reserved_requests = len(lists) + MOST_REQUESTS * len(longer)  # one count each, and a look back
        self.listener.step("reading")
        reader.collect_lists(pairs, self._state)
        self._add_timers(lists)
        self._look_at_parents(children)
        background = ThreadPoolExecutor(1, thread_name_prefix="harvest-children")
        reading = background.submit(reader.collect_children, pairs, self._state)
        try:
            self._load(lists)
            reading.result()
        except BaseException:
            reader.client.clock.cancel()
            background.shutdown(wait=False)
            raise
        background.shutdown()
        self._load(children)

    def _add_timers(self, lists: list[AccountReport]) -> None:
        """Reads running timers again, where changes were read; a run from a date on leaves those that did not change since."""
        reader = self.run.reader
        for pair in lists:
            pages = reader.outcomes[pair].pages
            if pair.report != timers.REPORT or pages is None or pages.since is None or reader.choice.since:
                continue
            with self._warehouse() as warehouse:
                ran_before = timers.running_ids(warehouse, pair.account_id, reader.settings.begins_at)
            try:
                with stays_with_report():
                    timers.add_timers(reader, pages, ran_before)
            except AccessLostError:
                raise
            except ApiError as error:
                reader.outcomes[pair] = Outcome(error=error)

    def _look_at_parents(self, children: list[AccountReport]) -> None:
        """Tells the reader which parents stand in the tables, whose children stand twice and whose payments do not add up."""
        reader = self.run.reader
        read_before = [pair for pair in children if self._state(*pair)]  # of others, what hangs on all parents is read
        if not read_before:
            return
        with self._warehouse() as warehouse:
            reader.doubled = warehouse.doubled_children([by_name(name) for name in {pair.report for pair in read_before}])
            for pair in read_before:
                reader.known_parents[pair] = known_parents(warehouse, reader, pair)
                if pair.report == "invoice_payments":
                    due = LIVE.where("state", "<>", "closed")  # of one written off nothing is due, whatever was paid
                    paid = ("invoice_payments", "amount", "invoice_id")
                    reader.suspects[pair] = warehouse.ids_off_sum("invoices", "amount - due_amount", paid, pair.account_id, due)

    def _read_late_parents(self, children: list[AccountReport]) -> None:
        """Reads what hangs on parents that the comparison brought: no list of changes names them."""
        reader = self.run.reader
        if not self.repairs or reader.choice.since or reader.choice.full_refresh:
            return
        self._states = states_of(self.pipeline)
        self._look_at_parents(children)
        late = [pair for pair in children if reader.known_parents.get(pair, frozenset()) - read_parents(self._state(*pair))]
        before = {pair: reader.outcomes[pair] for pair in late}
        reader.collect_children(late, self._state)
        self._load(late)
        reader.outcomes |= {pair: outcome.followed_by(reader.outcomes[pair]) for pair, outcome in before.items()}

    def _tell_read(self, pair: AccountReport, outcome: Outcome) -> None:
        self.listener.read(pair.report, outcome.pages.rows if outcome.pages else 0, str(outcome.error) if outcome.error else None)

    def _load(self, pairs: list[AccountReport]) -> None:
        """Loads the reports that were read completely, and takes out what is gone, in one package."""
        reader = self.run.reader
        good = [pair for pair in pairs if reader.outcomes[pair].pages or self.run.removals.get(pair)]
        if not good:
            return
        self.listener.step(f"loading {len({name for _, name in good})} reports")
        removals, tallies = self.run.removals, copy.deepcopy(self._tallies)

        def load_package(chosen: list[AccountReport]) -> None:
            self.run.removals = {pair: rows for pair, rows in removals.items() if pair in chosen}
            for pair in chosen:  # what an attempt counted that failed does not count
                self._tallies[pair] = copy.copy(tallies.get(pair, Tally()))
            self._load_package(chosen)

        load_apart(self.pipeline, good, load_package, self._keep_load_error)
        self.run.removals = {} if self.repairs else removals

    def _keep_load_error(self, pair: AccountReport, error: ApiError) -> None:
        """Keeps what broke on the way into the destination as the error of its report."""
        reader = self.run.reader
        reader.outcomes[pair] = Outcome(error=error)
        reader.spool.drop_answers(*pair)  # the next run asks for them anew
        self._tallies.pop(pair, None)
        self.run.notes.forget(pair.report)
        self._tell_read(pair, reader.outcomes[pair])

    def _load_package(self, good: list[AccountReport]) -> None:
        """Loads reports in one package, and takes out what is gone."""
        reader = self.run.reader
        names = [name for name in self.names if any(name == good_name for _, good_name in good)]
        others = [deleted_rows_resource(self.run.removals)] if any(self.run.removals.values()) else []
        source = build_source(self.run, [reader.report(name) for name in names], *others)
        self.run.chosen = frozenset(good)  # another account's rows of these reports are loaded, and may be gone from the disk
        with self._kept_open():
            with self._warehouse(names) as warehouse:
                self.run.filter_rows = changes = ChangeFilter(warehouse, self._tallies)
                if self.run.keeps_deleted:
                    changes.leave_own_columns(self.run.removals)
                self.pipeline.extract(source)
                if self.repairs:
                    changes.own_columns.keep()
            if self.repairs:
                self._check_alone()
                finish_pending(self.pipeline)
                with self._warehouse() as warehouse:
                    changes.own_columns.put_back(warehouse)
            else:
                self.pipeline.abort_packages()
        if self.repairs:
            for pair, rows in self.run.removals.items():
                self._deleted[pair] += len(rows)
        for account_id, name in good:
            if reader.report(name).parent:
                reader.spool.drop_answers(account_id, name)

    def _finish(self, pairs: list[AccountReport], verdicts: dict[AccountReport, Verdict]) -> None:
        """Puts together what the run did."""
        self._states = states_of(self.pipeline)
        with self._warehouse(self.names) as warehouse:
            for account_id, name in pairs:
                total = warehouse.count(name, account_id)
                self.summary.results.append(self._result(account_id, name, total, verdicts[AccountReport(account_id, name)]))
        order = {name: place for place, name in enumerate(NAMES)}
        self.summary.results.sort(key=lambda result: (result.account_id, order[result.report]))
        self.summary.waits = self.run.reader.client.traffic.waits
        self.summary.new_fields = sorted(self.run.notes.new_fields)
        for what, columns in (
            ("more than six decimals, rounded", self.run.notes.rounded),
            ("of another type, kept as text", self.run.notes.misfits),
        ):
            if columns:
                self.summary.notes.append(f"values {what}: {', '.join(sorted(columns))}")

    def _result(self, account_id: int, name: str, total: int | None, verdict: Verdict) -> ReportResult:
        pair = AccountReport(account_id, name)
        outcome = self.run.reader.outcomes[pair]
        tally = self._tallies.get(pair, Tally())
        error = str(outcome.error) if outcome.error else verdict.error
        differing = tally.new + tally.changed - tally.grown + max(self._deleted[pair], verdict.gone)
        if not self.repairs and differing and not error:
            verdict.fail(error := f"{differing} rows differ from Harvest; without --no-repair they are read again")
        if self.totals and self.repairs and differing and not error:
            verdict.verified = f"repaired {differing}"
        return ReportResult(
            name,
            account_id,
            new=tally.new,
            changed=tally.changed,
            deleted=self._deleted[pair],
            total=total,
            requests=self.run.reader.client.traffic.by_label[pair],
            seconds=round(outcome.pages.seconds, 3) if outcome.pages else 0.0,
            verified="no" if outcome.error else verdict.told,
            error=error,
            loaded=not outcome.error,
            bookmark=bookmark_of(self._state(account_id, name)),
            harvest_count=verdict.at_harvest,
        )

    def _write_history(self, accounts: list[Account], reconciliation: Reconciliation) -> None:
        """Writes the run's rows of `load_report`."""
        compared = reconciliation.compares_whole_tables
        loaded = [each for each in self.summary.results if self._is_loaded(each.account_id, each.report)]
        callers = callers_after(accounts, loaded, self._kept(CALLERS), compared=compared)
        now = datetime.now(UTC)
        mended = {
            AccountReport(each.account_id, each.report) for each in loaded if not each.error and not self.run.reader.choice.since
        }
        settled = {AccountReport(each.account_id, each.report) for each in loaded} - (self._other_elements - mended)
        with self._warehouse() as warehouse:
            elements = elements_to_keep(warehouse, settled, self._kept(LIST_ELEMENTS))
        kept: dict[str, dict[str, Any]] = {CALLERS: callers, LIST_ELEMENTS: elements, LOOKED: reconciliation.looks()}
        history = load_report_resource(uuid.uuid4().hex, self._started_at, now, self.summary.results, kept)
        present = None
        if self.run.rest_of:
            with self._warehouse() as warehouse:
                present = warehouse.rows(ACCOUNTS_TABLE)
        with self._kept_open():
            self._check_alone()
            load(self.pipeline, build_history_source([history, accounts_resource(accounts, present)]))
